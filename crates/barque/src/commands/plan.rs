//! `barque plan`: what `up` would do. Hosts are only read.

use std::path::{Path, PathBuf};

use anyhow::Result;
use barque_engine::{Context, Events, Planned, Preview, Wishes};
use barque_event::exit;
use barque_plan::Plan;

use super::{bundle, changing, up};
use crate::arguments::{Output, PlanArguments, PlanOutput, RemoteArguments};
use crate::settings;
use crate::terminal::{Watcher, note, preview_text, print_error, print_json, say, stages, stages_text, warn_all};

/// Shows and saves the plan; exit code 3 when something is pending, 4 when only hosts are. A plan that is saved already is only listed.
pub(crate) fn run(arguments: &PlanArguments) -> Result<u8> {
    let remote = arguments.remote.printing();
    if let Some(file) = &arguments.plan {
        return list_saved(file, remote.cluster.output);
    }
    let mut options = settings::remote(&remote, bundle::chosen(&arguments.bundle)?, arguments.break_lock)?;
    options.bundle_key.clone_from(&arguments.bundle.bundle_key);
    let context = Context::load(options)?;
    warn_all(&context)?;
    let planned = perform(&context, arguments)?;
    let files = files(arguments);
    for file in &files {
        let mut text = serde_json::to_vec_pretty(&planned.saved)?;
        text.push(b'\n');
        fs_err::write(file, text)?;
    }
    if arguments.stages {
        list(&planned.saved.plan, remote.cluster.output)?;
    } else if remote.cluster.output == Output::Json {
        print_json(&planned.preview)?;
    } else {
        say(&preview_text(&planned.preview, arguments.verbose, &command(arguments, &remote, files.first())))?;
        for file in &files {
            note(&format!("saved to {}", file.display()))?;
        }
    }
    Ok(exit_code(&planned.preview))
}

/// Lists the steps of a saved plan; the hosts are not asked.
fn list_saved(file: &Path, output: Output) -> Result<u8> {
    let saved = match up::read_plan(file) {
        Ok(saved) => saved,
        Err(error) => {
            print_error(&error);
            return Ok(exit::USAGE);
        }
    };
    list(&saved.plan, output)?;
    Ok(if saved.plan.changes() > 0 { exit::PENDING } else { exit::DONE })
}

fn list(plan: &Plan, output: Output) -> Result<()> {
    let stages = stages(plan);
    if output == Output::Json { print_json(&stages) } else { say(&stages_text(&stages)) }
}

/// What is worth knowing meanwhile goes to standard error.
fn perform(context: &Context, arguments: &PlanArguments) -> Result<Planned> {
    let owner = changing::owner("plan")?;
    let wishes = Wishes { overwrite_drift: arguments.wishes.overwrite_drift, limits: arguments.wishes.limit.clone(), ..Wishes::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let planned = runtime.block_on(async {
        let (events, reader) = Events::new();
        let watcher = tokio::spawn(Watcher::new(Output::Text, false, arguments.verbose).watch(reader));
        let planned = barque_engine::plan(context, &owner, &wishes, &events).await;
        drop(events);
        watcher.await?;
        anyhow::Ok(planned)
    })?;
    Ok(planned?)
}

fn files(arguments: &PlanArguments) -> Vec<PathBuf> {
    let output = match &arguments.remote.cluster.output {
        PlanOutput::Save(file) => Some(file.clone()),
        PlanOutput::Print(_) => None,
    };
    let mut files: Vec<PathBuf> = output.into_iter().chain(arguments.save.clone()).collect();
    files.dedup();
    files
}

/// The command that does what is shown.
fn command(arguments: &PlanArguments, remote: &RemoteArguments, saved: Option<&PathBuf>) -> String {
    let mut words = vec!["barque up".to_owned()];
    if let Some(file) = saved {
        words.push(file.display().to_string());
    }
    if remote.cluster.file != Path::new("cluster.yaml") {
        words.push(format!("-f {}", remote.cluster.file.display()));
    }
    // A saved plan brings these itself.
    if saved.is_none() {
        words.extend(arguments.wishes.limit.iter().map(|limit| format!("--limit {limit}")));
        words.extend(arguments.wishes.overwrite_drift.then(|| "--overwrite-drift".to_owned()));
    }
    words.join(" ")
}

const fn exit_code(preview: &Preview) -> u8 {
    if preview.is_pending() {
        exit::PENDING
    } else if preview.pending.is_empty() {
        exit::DONE
    } else {
        exit::PARTIAL
    }
}
