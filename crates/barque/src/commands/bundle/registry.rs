//! `barque bundle push` and `barque bundle pull`: a bundle in a registry.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use barque_bundle::{Bundle, PublicKey, size};
use barque_engine::EngineError;
use barque_event::exit;
use barque_model::{Digest, SecretBytes};
use barque_oci::{Access, OciError, Place, Progress, SCHEME};
use serde_json::json;

use super::choice;
use crate::arguments::{BundleChoice, BundlePullArguments, BundlePushArguments, Output, RegistryArguments};
use crate::settings;
use crate::terminal::{ByteProgress, bundle as words, print_json, say};

/// Sends what the registry lacks.
pub(crate) fn push(arguments: &BundlePushArguments) -> Result<u8> {
    let bundle = choice::open(&arguments.bundle)?;
    let access = access(&arguments.registry, arguments.place.registry())?;
    let progress = ByteProgress::new("pushed", size(bundle.artifacts()));
    let pushed = runtime()?.block_on(barque_oci::push(&bundle, &arguments.place, &access, &|bytes| progress.add(bytes)));
    progress.finish();
    let pushed = pushed.map_err(|error| hinted(&error))?;
    match arguments.output {
        Output::Text => say(&words::pushed(&arguments.place, &pushed))?,
        Output::Json => print_json(&json!({
            "place": arguments.place.to_string(), "digest": pushed.digest, "bundleDigest": bundle.digest(),
            "sent": pushed.sent, "present": pushed.present, "bytes": pushed.bytes,
        }))?,
    }
    Ok(exit::DONE)
}

/// Fetches what the folder lacks.
pub(crate) fn pull(arguments: &BundlePullArguments) -> Result<u8> {
    let key = arguments.key.as_deref().map(PublicKey::read).transpose().map_err(EngineError::from)?;
    let access = access(&arguments.registry, arguments.place.registry())?;
    let bundle = fetch(&arguments.place, &access, &arguments.to, key.as_ref())?;
    let signed = bundle.signature().map_err(EngineError::from)?.is_some();
    match arguments.output {
        Output::Text => say(&words::made(bundle.root(), bundle.artifacts(), &bundle.digest(), signed))?,
        Output::Json => print_json(&json!({ "folder": bundle.root(), "bundleDigest": bundle.digest(), "signed": signed }))?,
    }
    Ok(exit::DONE)
}

/// Where the bundle lies that a verb was told to use. One in a registry is fetched into the cache; what is there already is not fetched again.
pub(crate) fn chosen(choice: &BundleChoice) -> Result<Option<PathBuf>> {
    let Some(path) = &choice.bundle else { return Ok(None) };
    let Some(text) = path.to_str().filter(|text| text.starts_with(SCHEME)) else { return Ok(Some(path.clone())) };
    let place: Place = text.parse()?;
    let arguments = RegistryArguments { ca: choice.bundle_ca.clone(), username: None, password_file: None, plain_http: false };
    let access = access(&arguments, place.registry())?;
    let key = choice.bundle_key.as_deref().map(PublicKey::read).transpose().map_err(EngineError::from)?;
    let home = settings::variable("HOME").map(PathBuf::from);
    // One folder for a repository: bundles of one name share most of what they hold.
    let name = Digest::of(place.repository().as_bytes());
    let folder = settings::cache(home.as_ref()).join("pulled").join(&name.to_string()[..16]);
    fetch(&place, &access, &folder, key.as_ref())?;
    Ok(Some(folder))
}

/// Fails for a bundle in a registry, where a verb reads one that lies here.
pub(crate) fn local(path: &Path) -> Result<()> {
    let Some(place) = path.to_str().filter(|text| text.starts_with(SCHEME)) else { return Ok(()) };
    bail!(
        "bundle `{place}` lies in a registry, and this verb reads bundles on this machine\nhint: `barque bundle pull {place} --to DIR` fetches it; then \
         name DIR with `--bundle` or BARQUE_BUNDLE"
    )
}

fn fetch(place: &Place, access: &Access, folder: &Path, key: Option<&PublicKey>) -> Result<Bundle> {
    let progress = OnceCell::new();
    let tell = |told: Progress| match told {
        Progress::Total(bytes) => drop(progress.set(ByteProgress::new("fetched", bytes))),
        Progress::Bytes(bytes) => progress.get().into_iter().for_each(|progress: &ByteProgress| progress.add(bytes)),
    };
    let pulled = runtime()?.block_on(barque_oci::pull(place, access, folder, key, &tell));
    progress.get().into_iter().for_each(ByteProgress::finish);
    pulled.map_err(|error| hinted(&error))
}

/// What flags say, or what `docker login` has left.
pub(super) fn access(arguments: &RegistryArguments, registry: &str) -> Result<Access> {
    let authority = arguments.ca.as_ref().map(fs_err::read).transpose()?;
    let credentials = match (&arguments.username, &arguments.password_file) {
        (Some(user), Some(file)) => {
            let text = fs_err::read_to_string(file)?;
            Some((user.clone(), SecretBytes::new(text.trim_end_matches(['\r', '\n']))))
        }
        _ => stored(registry),
    };
    Ok(Access { authority, credentials, is_plain: arguments.plain_http })
}

/// Credentials that other programs have left for a registry.
fn stored(registry: &str) -> Option<(String, SecretBytes)> {
    let folder = settings::variable("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| settings::variable("HOME").map(|home| PathBuf::from(home).join(".docker")))?;
    let config = fs_err::read_to_string(folder.join("config.json")).ok()?;
    barque_oci::credentials(&config, registry)
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

/// Adds the hint to a failure, as the last line of its message.
pub(super) fn hinted(error: &OciError) -> anyhow::Error {
    anyhow::anyhow!("{error}\nhint: {}", error.hint())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bundle_in_a_registry_is_named_as_such() {
        assert!(local(Path::new("x.barque")).is_ok() && local(Path::new("oci")).is_ok());
        let refused = local(Path::new("oci://r.example/ops/cluster:1")).unwrap_err().to_string();
        assert!(refused.contains("barque bundle pull oci://r.example/ops/cluster:1 --to DIR"), "{refused}");
    }
}
