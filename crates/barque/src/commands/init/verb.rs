//! From flags, an inventory and answers to a file.

use std::path::Path;

use anyhow::{Context as _, Result};
use barque_engine::Context;
use barque_event::exit;
use barque_model::Version;
use barque_spec::{Known, Loaded, Outline};
use ipnet::IpNet;

use super::collect::{collect, reach};
use super::fault::InitError;
use super::{inquire, ranges};
use crate::arguments::InitArguments;
use crate::commands::asking::occupants;
use crate::settings;
use crate::terminal::{many, note, on_terminal, print_fault, say};

/// Writes the file, or prints it. What keeps it from being written is told with what to do.
pub(crate) fn run(arguments: &InitArguments) -> Result<u8> {
    let error = match perform(arguments) {
        Ok(code) => return Ok(code),
        Err(error) => error,
    };
    match error.downcast::<InitError>() {
        Ok(fault) => {
            let cause = std::error::Error::source(&fault).map_or_else(String::new, |cause| format!(": {cause}"));
            let reports = matches!(fault, InitError::Import(_) | InitError::File(_));
            if reports {
                // A report of a file has its own heads.
                note(&fault.to_string())?;
                return Ok(fault.exit_code());
            }
            print_fault(&format!("{fault}{cause}"), &fault.parts(), fault.hint().as_deref())?;
            Ok(fault.exit_code())
        }
        Err(other) => Err(other),
    }
}

fn perform(arguments: &InitArguments) -> Result<u8> {
    let printed = arguments.output == Path::new("-");
    if !printed && !arguments.force && fs_err::symlink_metadata(&arguments.output).is_ok() {
        return Err(InitError::Exists(arguments.output.clone()).into());
    }
    let version = version(arguments)?;
    let (mut outline, notes) = collect(arguments)?;
    notes.iter().try_for_each(|line| note(&format!("note: {line}")))?;
    let mut ask_hosts = arguments.asking.ask_hosts;
    if let Some(mut questions) = on_terminal() {
        if outline.hosts.is_empty() {
            inquire::whole(&mut questions, &mut outline)?;
            reach(&mut outline, arguments);
            ask_hosts = ask_hosts
                || questions.confirm("Ask the hosts over SSH for their networks, so that pods and services collide with none?")?;
        }
        if outline.vip.is_none() && outline.with(barque_model::Role::LoadBalancer).next().is_some() {
            inquire::vip(&mut questions, &mut outline)?;
        }
    }
    let mut faults = outline.faults();
    if !faults.is_empty() {
        let fault = if faults.len() == 1 { InitError::Outline(faults.remove(0)) } else { InitError::Outlines(faults) };
        return Err(fault.into());
    }
    let routed = if ask_hosts { ask(arguments, &outline, version)? } else { Vec::new() };
    ranges::fill(&mut outline, &routed)?;
    let text = outline.cluster_file(version);
    let loaded = check(&text, arguments)?;
    if !loaded.warnings.items().is_empty() {
        note(&loaded.warnings.to_string())?;
    }
    if printed {
        say(text.trim_end())?;
        return Ok(exit::DONE);
    }
    write(&arguments.output, &text, arguments.force)?;
    let (name, hosts) = (&loaded.cluster.name, many(loaded.cluster.hosts.len(), "host"));
    note(&format!("wrote {}: cluster `{name}`, Kubernetes {version}, {hosts}", arguments.output.display()))?;
    let file = if arguments.output == Path::new("cluster.yaml") { String::new() } else { format!(" -f {}", arguments.output.display()) };
    note(&format!("next: read it, then `barque validate{file}` and `barque plan{file}`"))?;
    Ok(exit::DONE)
}

fn version(arguments: &InitArguments) -> Result<Version, InitError> {
    let supported = barque_catalog::supported();
    match arguments.kubernetes_version {
        Some(version) if supported.contains(&version) => Ok(version),
        Some(version) => Err(InitError::Version(version)),
        None => Ok(supported.into_iter().max().expect("the catalog has a release")),
    }
}

/// The file must be one that every other verb accepts.
fn check(text: &str, arguments: &InitArguments) -> Result<Loaded, InitError> {
    let versions = barque_catalog::supported();
    let name = if arguments.output == Path::new("-") { "cluster.yaml".to_owned() } else { arguments.output.display().to_string() };
    barque_spec::parse(text, &name, &Known { kubernetes: &versions }).map_err(|errors| InitError::File(Box::new(errors)))
}

/// The networks of the hosts, as the hosts themselves say.
fn ask(arguments: &InitArguments, outline: &Outline, version: Version) -> Result<Vec<IpNet>> {
    // Any ranges do for reaching hosts; those that the file gets follow from the answers.
    let mut reached = outline.clone();
    ranges::fill(&mut reached, &[])?;
    let text = reached.cluster_file(version);
    check(&text, arguments)?;
    let remote = arguments.asking.remote(arguments.output.clone());
    let context = Context::from_text(settings::remote(&remote, None, false)?, text)?;
    Ok(occupants(&context)?.into_iter().map(|occupied| occupied.network).collect())
}

/// Writes the whole file or nothing; one that is there only when it may be overwritten.
fn write(path: &Path, text: &str, overwrite: bool) -> Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().context("the cluster file needs a name")?.to_string_lossy().into_owned();
    let temporary = directory.join(format!(".{name}.{}", std::process::id()));
    fs_err::write(&temporary, text)?;
    let placed = if overwrite { fs_err::rename(&temporary, path) } else { fs_err::hard_link(&temporary, path) };
    if !overwrite || placed.is_err() {
        let _ = fs_err::remove_file(&temporary);
    }
    match placed {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(InitError::Exists(path.to_owned()).into()),
        other => Ok(other?),
    }
}
