//! The words of `bundle` and `images`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use barque_bundle::{Artifact, Comparison, Content, Fault, FaultKind, KeyId, Packed, Surplus, Verification, size};
use barque_engine::ImageRow;
use barque_model::Digest;
use barque_oci::{ImagesPlace, Place, Pushed, PushedImages};
use indicatif::DecimalBytes;
use serde::Serialize;

use super::{many, plain, table};

/// What is known of a bundle's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub(crate) enum SignatureWords {
    /// The manifest is damaged, so there is nothing to say.
    Unknown,
    /// There is none, and no key was named.
    None,
    /// There is one, and no key was named.
    Unchecked { key: KeyId },
    /// It is of the key that was named.
    Holds { key: KeyId },
    /// It is not what was asked for.
    Refused { message: String, hint: Option<String> },
}

impl SignatureWords {
    /// Whether a check of it has failed.
    pub(crate) const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    fn line(&self) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::None => Some("not signed".to_owned()),
            Self::Unchecked { key } => Some(format!("signed with key {key}, not checked: name the public key with `--key FILE`")),
            Self::Holds { key } => Some(format!("signed with key {key}: the signature holds")),
            Self::Refused { message, hint } => {
                let hint = hint.as_ref().map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
                Some(format!("{message}{hint}"))
            }
        }
    }
}

/// All faults of a bundle, or that it has none.
pub(crate) fn verification(verification: &Verification, signature: &SignatureWords, seconds: f64) -> String {
    let Verification { bundle, files, bytes, faults, .. } = verification;
    let mut text = String::new();
    for fault in faults {
        text.push_str(&fault_lines(fault));
    }
    let (bundle, files) = (bundle.display(), many(*files, "file"));
    let speed = *bytes as f64 / 1e6 / seconds.max(0.001);
    let read = format!("{} in {seconds:.1} s, {speed:.0} MB/s", DecimalBytes(*bytes));
    if faults.is_empty() {
        let _ = writeln!(text, "bundle `{bundle}`: {files} as the manifest says ({read})");
    } else {
        let _ = writeln!(text, "bundle `{bundle}`: {} in {files} ({read})", counts(faults));
        let _ = writeln!(text, "  hint: {}", remedy(faults, &bundle.to_string()));
    }
    text.extend(signature.line());
    plain(text.trim_end())
}

fn fault_lines(fault: &Fault) -> String {
    let Fault { path, kind, artifacts, expected, found } = fault;
    let mut text = format!("{kind:<10} {path}");
    if !artifacts.is_empty() {
        let _ = write!(text, " ({})", artifacts.join(", "));
    }
    if let FaultKind::Unreadable { why } = kind {
        let _ = write!(text, ": {why}");
    }
    text.push('\n');
    for (word, content) in [("expected", expected), ("found", found)] {
        text.extend(content.as_ref().map(|content| format!("           {word:<8} {}\n", content_words(content))));
    }
    text
}

fn content_words(content: &Content) -> String {
    let digest = content.digest.map(|digest| format!("SHA-256 {digest}"));
    let size = content.size.map(|size| many(usize::try_from(size).unwrap_or(usize::MAX), "byte"));
    digest.into_iter().chain(size).collect::<Vec<_>>().join(", ")
}

fn counts(faults: &[Fault]) -> String {
    let mut counted = Vec::new();
    for kind in ["missing", "changed", "surplus", "unreadable"] {
        let count = faults.iter().filter(|fault| fault.kind.to_string() == kind).count();
        if count > 0 {
            counted.push(format!("{count} {kind}"));
        }
    }
    counted.join(", ")
}

fn remedy(faults: &[Fault], bundle: &str) -> String {
    if faults.iter().all(|fault| fault.kind == FaultKind::Surplus) {
        return format!("`barque bundle prune {bundle}` deletes what does not belong there");
    }
    "copy what is missing or changed again from where the bundle came, or obtain it with `barque lab artifacts`".to_owned()
}

/// What a bundle holds.
pub(crate) fn contents(path: &Path, artifacts: &[Artifact], digest: &Digest, key: Option<KeyId>) -> String {
    let mut rows = table(["KIND", "NAME", "VERSION", "FOR", "SIZE", "LICENCE", "SHA-256", "SOURCE"]);
    for artifact in artifacts {
        let Artifact { kind, name, version, licence, source, .. } = artifact;
        let size = DecimalBytes(artifact.compressed_size).to_string();
        rows.add_row([kind.as_str(), name, version, &platform(artifact), &size, licence, &artifact.digest.short(), source]);
    }
    let unpacked: u64 = artifacts.iter().map(|artifact| artifact.size).sum();
    let mut text = if artifacts.is_empty() { String::new() } else { format!("{rows}\n\n") };
    let (count, total) = (many(artifacts.len(), "artifact"), DecimalBytes(size(artifacts)));
    let _ = writeln!(text, "bundle `{}`: {count}, {total} ({} unpacked)", path.display(), DecimalBytes(unpacked));
    let _ = writeln!(text, "digest {digest}");
    text.push_str(&key.map_or_else(|| "not signed".to_owned(), |key| format!("signed with key {key}, not checked here")));
    plain(&text)
}

fn platform(artifact: &Artifact) -> String {
    let architecture = artifact.architecture;
    artifact.kind.distribution().map_or_else(|| architecture.to_string(), |distribution| format!("{distribution} {architecture}"))
}

/// What two bundles differ in.
pub(crate) fn comparison(comparison: &Comparison) -> String {
    let mut text = String::new();
    let line = |sign: char, artifact: &Artifact| {
        let Artifact { kind, name, version, .. } = artifact;
        let (platform, size) = (platform(artifact), DecimalBytes(artifact.compressed_size));
        format!("{sign} {} {name} {version} ({platform}), {size}\n", kind.as_str())
    };
    text.extend(comparison.removed.iter().map(|artifact| line('-', artifact)));
    text.extend(comparison.added.iter().map(|artifact| line('+', artifact)));
    for change in &comparison.changed {
        let (before, after) = (&change.before, &change.after);
        let version =
            if before.version == after.version { before.version.clone() } else { format!("{} -> {}", before.version, after.version) };
        let content = if before.digest == after.digest {
            "same content".to_owned()
        } else {
            format!("{} -> {}", before.digest.short(), after.digest.short())
        };
        let size = signed_size(before.compressed_size, after.compressed_size);
        let _ = writeln!(text, "~ {} {} {version} ({}), {content}, {size}", before.kind.as_str(), before.name, platform(before));
    }
    if comparison.is_same() {
        return "the bundles hold the same".to_owned();
    }
    let Comparison { added, removed, changed, size_before, size_after } = comparison;
    let _ = write!(
        text,
        "{} added, {} removed, {} changed; {} -> {} ({})",
        added.len(),
        removed.len(),
        changed.len(),
        DecimalBytes(*size_before),
        DecimalBytes(*size_after),
        signed_size(*size_before, *size_after)
    );
    plain(&text)
}

fn signed_size(before: u64, after: u64) -> String {
    let sign = if after < before { '-' } else { '+' };
    format!("{sign}{}", DecimalBytes(after.abs_diff(before)))
}

/// A bundle in one file.
pub(crate) fn packed(packed: &Packed, artifacts: usize, signed: bool) -> String {
    let Packed { path, digest, size } = packed;
    let signed = if signed { "signed" } else { "not signed" };
    format!("`{}`: {}, {}, {signed}\nSHA-256 {digest}", path.display(), many(artifacts, "artifact"), DecimalBytes(*size))
}

/// A bundle that was sent to a registry.
pub(crate) fn pushed(place: &Place, pushed: &Pushed) -> String {
    let Pushed { digest, sent, present, bytes } = pushed;
    format!("`{place}`: {} sent, {}; {present} were there\nmanifest digest {digest}", many(*sent, "blob"), DecimalBytes(*bytes))
}

/// Images that are in a registry now, and how a cluster file names it for those of `hosts`.
pub(crate) fn pushed_images(place: &ImagesPlace, pushed: &PushedImages, hosts: &BTreeSet<&str>) -> String {
    let PushedImages { images, sent, present, bytes } = pushed;
    let mut text = format!(
        "`{place}`: {}; {} sent, {}; {present} were there\n",
        many(images.len(), "image"),
        many(*sent, "blob"),
        DecimalBytes(*bytes)
    );
    for (name, digest) in images {
        let _ = writeln!(text, "  {name}  {digest}");
    }
    let _ = write!(
        text,
        "nodes ask there first with these lines of the cluster file, beside `ca`, `username` and `passwordFile`:\n  registries:"
    );
    for host in hosts {
        let url = format!("https://{}/v2/{}", place.registry(), place.folder_of(host));
        let _ = write!(text, "\n    - {{host: {host}, mirrors: [{{url: \"{url}\", overridePath: true}}]}}");
    }
    text
}

/// A bundle's folder that was made.
pub(crate) fn made(folder: &Path, artifacts: &[Artifact], digest: &Digest, signed: bool) -> String {
    let signed = if signed { "signed" } else { "not signed" };
    let total = DecimalBytes(size(artifacts));
    format!("`{}`: {}, {total}, {signed}\nbundle digest {digest}", folder.display(), many(artifacts.len(), "artifact"))
}

/// What does not belong to a bundle.
pub(crate) fn surplus(path: &Path, surplus: &[Surplus]) -> String {
    if surplus.is_empty() {
        return format!("bundle `{}`: nothing to delete", path.display());
    }
    let mut text = String::new();
    for Surplus { path, size, .. } in surplus {
        let _ = writeln!(text, "surplus {path} ({})", DecimalBytes(*size));
    }
    let total = surplus.iter().map(|surplus| surplus.size).sum();
    let _ = write!(
        text,
        "bundle `{}`: {} that the manifest does not know, {}",
        path.display(),
        many(surplus.len(), "thing"),
        DecimalBytes(total)
    );
    plain(&text)
}

/// The images of a cluster and of its bundle.
pub(crate) fn images(images: &[ImageRow]) -> String {
    let mut rows = table(["IMAGE", "DIGEST", "FOR", "SIZE", "NEEDED BY"]);
    for image in images {
        let none = || "-".to_owned();
        rows.add_row([
            image.reference.clone(),
            image.digest.clone().unwrap_or_else(|| if image.is_pulled { "pulled by nodes" } else { "not in the bundle" }.to_owned()),
            image.architecture.map_or_else(none, |architecture| architecture.to_string()),
            image.size.map_or_else(none, |size| DecimalBytes(size).to_string()),
            image.needed_by.clone().unwrap_or_else(none),
        ]);
    }
    plain(&rows.to_string())
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
