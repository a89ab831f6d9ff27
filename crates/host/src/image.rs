//! Container images in containerd's `k8s.io` namespace, where kubelet looks for them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use barque_model::Digest;
use barque_plan::{Image, Observed};
use serde::{Deserialize, Serialize};

use crate::binary::require_blob;
use crate::command::Command;
use crate::context::HostContext;
use crate::error::HostError;
use crate::replace::{read_record, write_record};

/// Version of [`ImageRecord`].
const RECORD_FORMAT: u32 = 1;
/// Unpacking a large image on a slow disk.
const IMPORT_TIMEOUT: Duration = Duration::from_mins(5);
/// A listing is quick, or containerd does not run.
const LIST_TIMEOUT: Duration = Duration::from_secs(15);

/// From which archive an image came.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ImageRecord {
    format: u32,
    reference: String,
    digest: Digest,
}

/// Observes images, in one call of ctr. Nothing is there while containerd does not run.
pub(crate) async fn observe(context: &HostContext, images: &[&Image]) -> Result<Vec<Observed>, HostError> {
    let listed = if images.is_empty() { BTreeSet::new() } else { list().await.unwrap_or_default() };
    let observed = |image: &&Image| {
        if !listed.contains(&image.reference) {
            return Observed::Absent;
        }
        let record: Option<ImageRecord> = read_record(&record_path(context, image));
        let known = record.filter(|record| record.format == RECORD_FORMAT && record.reference == image.reference);
        Observed::Image { digest: known.map(|record| record.digest) }
    };
    Ok(images.iter().map(observed).collect())
}

/// References of all images; `None` when containerd does not answer.
async fn list() -> Option<BTreeSet<String>> {
    let command = Command::new("ctr", ["-n", "k8s.io", "images", "ls", "-q"]).timeout(LIST_TIMEOUT);
    // Not installed yet, or not running yet.
    command.run().await.ok().map(|output| output.stdout.lines().map(str::to_owned).collect())
}

fn record_path(context: &HostContext, image: &Image) -> PathBuf {
    let readable: String =
        image.reference.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect();
    // Two references may differ only in what was replaced.
    let digest = Digest::of(image.reference.as_bytes());
    context.state("images").join(format!("{readable}-{}.json", digest.short()))
}

/// Removes the image, which barque had imported, and its record.
pub(crate) async fn remove(context: &HostContext, wanted: &Image) -> Result<Vec<String>, HostError> {
    let mut notes = Vec::new();
    match list().await {
        Some(listed) if listed.contains(&wanted.reference) => {
            let command = Command::new("ctr", ["-n", "k8s.io", "images", "rm", wanted.reference.as_str()]);
            command.timeout(IMPORT_TIMEOUT).run().await?;
        }
        Some(_) => {}
        None => notes.push(format!("containerd does not answer: the image {} is left among its data", wanted.reference)),
    }
    match fs_err::remove_file(record_path(context, wanted)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(notes),
    }
}

/// Imports the archive and checks that the reference is in it.
pub(crate) async fn apply(context: &HostContext, wanted: &Image) -> Result<(), HostError> {
    require_blob(context, wanted.blob.digest, &format!("the image {}", wanted.reference))?;
    let archive = context.blob(wanted.blob.digest).display().to_string();
    let import = Command::new("ctr", ["-n", "k8s.io", "images", "import", archive.as_str()]).timeout(IMPORT_TIMEOUT);
    import.run().await?;
    if !list().await.is_some_and(|listed| listed.contains(&wanted.reference)) {
        return Err(HostError::Output {
            command: import.line(),
            detail: format!("the archive was imported but holds no image named {}", wanted.reference),
        });
    }
    let record = ImageRecord { format: RECORD_FORMAT, reference: wanted.reference.clone(), digest: wanted.blob.digest };
    write_record(context, &record_path(context, wanted), &record)
}
