//! `barque bundle create`: obtains what a cluster needs, and makes a bundle of exactly that.

use std::path::Path;

use anyhow::Result;
use barque_bundle::{ANY_DISTRIBUTION, Architecture, SecretKey, Selection, size};
use barque_engine::{Context, EngineError, OWN_PROGRAM, Platforms, addon_images, bundle_contents};
use barque_event::exit;
use barque_lab::artifacts::{ArtifactError, DISTRIBUTION, OwnProgram, Request, SourceChoice, ensure_product};
use barque_lab::hosts::rootfs;
use serde_json::json;

use crate::arguments::{ArchitectureWord, BundleCreateArguments, DistributionWord, Output, StateArguments};
use crate::commands::lab_artifacts::told;
use crate::settings;
use crate::terminal::{ByteProgress, bundle as words, many, note, print_json, say};

/// A cluster with every role, for a bundle that is for no cluster file.
const EVERY_ROLE: &str = "apiVersion: barque.dev/v1
kind: Cluster
metadata: {name: every-role}
spec:
  kubernetes: {version: VERSION}
  loadBalancer: {vip: 192.0.2.10}
  hosts:
    - {name: b1, address: 192.0.2.1, roles: [loadBalancer]}
    - {name: b2, address: 192.0.2.2, roles: [loadBalancer]}
    - {name: m1, address: 192.0.2.3, roles: [etcd, master, node]}
";

/// Ending of a bundle in one file.
const FILE_ENDING: &str = "barque";

/// Obtains what is missing into the cache, then copies or packs what is needed.
pub(crate) fn run(arguments: &BundleCreateArguments) -> Result<u8> {
    let key = arguments.sign.as_deref().map(|path| secret_key(path, arguments)).transpose()?;
    let context = context(arguments)?;
    let architectures = architectures(&arguments.architectures);
    let folders = settings::lab_folders();
    // Packages are resolved against a minimal host, so that exactly what it lacks is carried.
    let minimal_root = rootfs::ensure(&folders.cache, &|_| {})?;
    let request = Request { cache: &folders.cache, release: &context.release, minimal_root: Some(&minimal_root) };
    let sources = if arguments.sources.is_empty() { SourceChoice::usual() } else { arguments.sources.clone() };
    let version = env!("CARGO_PKG_VERSION");
    let own = OwnProgram { path: &context.options.executable, name: OWN_PROGRAM, version, licence: env!("CARGO_PKG_LICENSE") };
    let all = told(|tell| ensure_product(request, &sources, own, tell).map_err(hinted))?;
    let images = addon_images(&context)?;
    let distributions: Vec<&str> = arguments.distributions.iter().copied().map(distribution).collect();
    let platforms = Platforms { architectures: &architectures, distributions: &distributions };
    let selection = bundle_contents(&all, &context.cluster, &context.release, &images, &platforms, version).map_err(not_had)?;
    write(&selection, key.as_ref(), arguments)
}

/// Makes the folder or file, and says what it is.
fn write(selection: &Selection, key: Option<&SecretKey>, arguments: &BundleCreateArguments) -> Result<u8> {
    let signature = key.map(|key| selection.sign(key)).transpose().map_err(EngineError::from)?;
    let (target, artifacts) = (arguments.to.as_path(), selection.artifacts());
    let signed = signature.is_some();
    let progress = ByteProgress::new("written", size(artifacts));
    if target.extension().is_some_and(|ending| ending == FILE_ENDING) && !target.is_dir() {
        let packed = selection.pack(target, signature.as_deref(), &|bytes| progress.add(bytes)).map_err(EngineError::from)?;
        progress.finish();
        match arguments.cluster.output {
            Output::Text => say(&words::packed(&packed, artifacts.len(), signed))?,
            Output::Json => print_json(&json!({ "file": packed, "bundleDigest": selection.digest(), "signed": signed }))?,
        }
    } else {
        let bundle = selection.copy(target, signature.as_deref(), &|bytes| progress.add(bytes)).map_err(EngineError::from)?;
        progress.finish();
        match arguments.cluster.output {
            Output::Text => say(&words::made(bundle.root(), artifacts, &bundle.digest(), signed))?,
            Output::Json => print_json(&json!({ "folder": bundle.root(), "bundleDigest": bundle.digest(), "signed": signed }))?,
        }
    }
    let images = artifacts.iter().filter(|artifact| artifact.kind == barque_bundle::ArtifactKind::Image).count();
    note(&format!("{} of it; `barque bundle show {}` lists everything", many(images, "image"), target.display()))?;
    Ok(exit::DONE)
}

fn secret_key(path: &Path, arguments: &BundleCreateArguments) -> Result<SecretKey> {
    let passphrase = settings::passphrase(arguments.passphrase_file.as_ref())?;
    Ok(SecretKey::read(path, passphrase.as_ref()).map_err(EngineError::from)?)
}

/// The cluster of the file, or one with every role.
fn context(arguments: &BundleCreateArguments) -> Result<Context> {
    let state = StateArguments { state_dir: None, identity: Some("unused".into()), passphrase_file: None };
    let mut options = settings::local(&arguments.cluster, &state)?;
    let Some(version) = &arguments.kubernetes else { return Ok(Context::load(options)?) };
    options.cluster_file = "--kubernetes".into();
    // A quoted text: whatever is in it, it is one scalar.
    Ok(Context::from_text(options, EVERY_ROLE.replace("VERSION", &serde_json::to_string(version)?))?)
}

fn architectures(words: &[ArchitectureWord]) -> Vec<Architecture> {
    let mut wanted: Vec<Architecture> = words
        .iter()
        .map(|word| match word {
            ArchitectureWord::Amd64 => Architecture::Amd64,
            ArchitectureWord::Arm64 => Architecture::Arm64,
        })
        .collect();
    if wanted.is_empty() {
        wanted.push(if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::Amd64 });
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

const fn distribution(word: DistributionWord) -> &'static str {
    match word {
        DistributionWord::Debian13 => DISTRIBUTION,
        DistributionWord::Any => ANY_DISTRIBUTION,
    }
}

/// What is missing after everything was obtained can only be for another processor.
fn not_had(error: EngineError) -> anyhow::Error {
    let EngineError::Unfit { lacks, .. } = &error else { return error.into() };
    let names: Vec<String> = lacks.iter().map(|lack| format!("  {lack}")).collect();
    anyhow::anyhow!(
        "this machine cannot obtain {}:\n{}\nhint: programs are obtained for the processor of the machine that does it; run `barque bundle create` on one of the other kind",
        many(lacks.len(), "artifact"),
        names.join("\n")
    )
}

/// Adds the hint to a failure, as the last line of its message.
fn hinted(error: ArtifactError) -> anyhow::Error {
    match error.hint() {
        Some(hint) => {
            let text = format!("{error}\nhint: {hint}");
            anyhow::Error::new(error).context(text)
        }
        None => anyhow::Error::new(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_cluster_with_every_role_needs_everything() {
        let version = barque_catalog::supported().into_iter().max().unwrap();
        let text = EVERY_ROLE.replace("VERSION", &version.to_string());
        let cluster = barque_spec::parse(&text, "x", &barque_spec::Known { kubernetes: &[version] }).unwrap().cluster;
        let release = barque_catalog::release(&version).unwrap();
        let programs: Vec<String> =
            cluster.hosts.iter().flat_map(|host| barque_render::binaries(&release, host)).map(|need| need.artifact).collect();
        for program in ["etcd", "kube-apiserver", "kubelet", "flanneld", "cni-flannel"] {
            assert!(programs.iter().any(|name| name == program), "{program}");
        }
        let packages: Vec<&str> = cluster.hosts.iter().flat_map(|host| barque_render::packages(&cluster, host)).collect();
        assert!(packages.contains(&"keepalived") && packages.contains(&"nftables"));
    }

    #[test]
    fn architectures_are_named_once() {
        let both = [ArchitectureWord::Arm64, ArchitectureWord::Amd64, ArchitectureWord::Arm64];
        assert_eq!(architectures(&both), [Architecture::Amd64, Architecture::Arm64]);
        assert_eq!(architectures(&[]).len(), 1);
    }
}
