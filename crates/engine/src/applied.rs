//! What earlier runs wrote, rendered anew from the cluster files that they kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use barque_model::{Cluster, Component, Digest, Host, HostFile, HostName, Release, RunId};
use barque_pki::Vault;
use barque_plan::HostFacts;
use barque_render::RenderFacts;
use barque_spec::{Known, Surroundings};
use barque_store::StateDirectory;

use crate::drift::AppliedContents;
use crate::history::local;
use crate::operator_files::DiskFiles;
use crate::{Context, EngineError};

/// A cluster file that was in force, and the versions that belong to it.
pub(crate) struct Applied {
    pub(crate) cluster: Cluster,
    pub(crate) release: Release,
}

/// The cluster file that the hosts' present state follows from, as far as this state directory knows.
pub(crate) fn newest(context: &Context, state: &StateDirectory) -> Result<Option<Applied>, EngineError> {
    Ok(newest_text(state)?.and_then(|text| read(&text, context)))
}

fn newest_text(state: &StateDirectory) -> Result<Option<String>, EngineError> {
    let runs = local::runs(state)?;
    // Later than every run.
    let Ok(end) = "99991231T235959Z-ffff".parse::<RunId>() else { return Ok(None) };
    let Some(run) = local::spec_before(&runs, &end) else { return Ok(None) };
    local::spec(state, &run)
}

/// `None` for a file that this barque cannot read: it has other fields, a version that is not supported any more, or names files of this
/// machine that are gone.
fn read(text: &str, context: &Context) -> Option<Applied> {
    let versions = barque_catalog::supported();
    let path = &context.options.cluster_file;
    let files = DiskFiles::beside(path, context.options.home.as_deref());
    let known = Known { kubernetes: &versions };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let around = Surroundings { files: &files, addons: &crate::addons::library(text, directory) };
    let cluster = barque_spec::parse_with(text, &path.display().to_string(), &known, &around).ok()?.cluster;
    let release = barque_catalog::release(&cluster.kubernetes).ok()?;
    Some(Applied { cluster, release })
}

/// Renders the files of `wanted` (run, host, path and digest) from the newest run's cluster file, from those of the runs that wrote them, and
/// from the present one, and keeps what has the digest wanted.
pub(crate) fn contents(
    context: &Context,
    state: &StateDirectory,
    vault: Option<&Vault>,
    facts: &BTreeMap<HostName, HostFacts>,
    wanted: &[(RunId, HostName, String, Digest)],
) -> Result<AppliedContents, EngineError> {
    let mut found = AppliedContents::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    let mut missing: BTreeMap<(HostName, String), Digest> =
        wanted.iter().map(|(_, host, path, digest)| ((host.clone(), path.clone()), *digest)).collect();
    let mut texts: Vec<String> = newest_text(state)?.into_iter().collect();
    let runs: BTreeSet<&RunId> = wanted.iter().map(|(run, ..)| run).collect();
    for run in runs.into_iter().rev() {
        texts.extend(local::spec(state, run)?);
    }
    texts.push(context.text.clone());
    let mut tried = BTreeSet::new();
    for text in texts {
        if missing.is_empty() {
            break;
        }
        if !tried.insert(Digest::of(text.as_bytes())) {
            continue;
        }
        let Some(applied) = read(&text, context) else { continue };
        for host in &applied.cluster.hosts {
            if !missing.keys().any(|(of, _)| *of == host.name) {
                continue;
            }
            for file in files(&applied, host, vault, facts.get(&host.name)) {
                let key = (host.name.clone(), file.path.clone());
                if missing.get(&key) == Some(&file.digest()) {
                    missing.remove(&key);
                    found.insert(key, file.content);
                }
            }
        }
    }
    Ok(found)
}

/// Every file that barque puts on a host and that is no secret.
fn files(applied: &Applied, host: &Host, vault: Option<&Vault>, facts: Option<&HostFacts>) -> Vec<HostFile> {
    let Applied { cluster, release } = applied;
    let interface = facts.and_then(|facts| facts.addresses.iter().find(|found| found.address == host.address));
    // Whatever way its packages were installed.
    let facts = [false, true].map(|whole_units| RenderFacts { interface: interface.map(|found| found.interface.clone()), whole_units });
    let components = || Component::ALL.into_iter().filter(|component| host.runs(*component));
    let rendered = facts
        .iter()
        .flat_map(|facts| components().flat_map(move |component| barque_render::component_files(cluster, release, host, component, facts)));
    let mut files: Vec<HostFile> = rendered.collect();
    files.extend(barque_render::host_files(cluster, host));
    // A vault that lacks a certificate of an earlier cluster file still has the others' texts.
    files.extend(vault.and_then(|vault| barque_pki::files_for(cluster, host, vault).ok()).into_iter().flatten());
    files.retain(|file| !file.sensitive);
    files
}
