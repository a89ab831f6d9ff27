//! `barque rollback`: takes runs back.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::Result;
use barque_engine::{Context, EngineError, Events, RollbackError, RollbackReport, RollbackRequest};
use barque_event::exit;
use tokio::sync::watch;

use super::changing;
use crate::arguments::{Output, RollbackArguments};
use crate::settings;
use crate::terminal::{Watcher, note, print_failure, print_json, rollback as words, say, warn_all};

/// Runs `rollback`: shows, asks, does.
pub(crate) fn run(arguments: &RollbackArguments) -> Result<u8> {
    if !arguments.plan && !arguments.yes && !is_terminal() {
        return Err(EngineError::from(RollbackError::NobodyToAsk).into());
    }
    let context = Context::load(settings::remote(&arguments.remote, None, arguments.break_lock)?)?;
    warn_all(&context)?;
    let mut request = RollbackRequest {
        to: arguments.run.clone(),
        only: arguments.only.clone(),
        delete_data: arguments.delete_data,
        forget: arguments.forget,
        preview: true,
        agreed: None,
    };
    let output = arguments.remote.cluster.output;
    if arguments.plan {
        let report = perform(&context, &request, arguments)?;
        return show(&report, output);
    }
    if !arguments.yes {
        let report = perform(&context, &request, arguments)?;
        if !agrees(&context, &report, arguments)? {
            return Ok(exit::DONE);
        }
        if request.only.is_empty() {
            (request.to, request.agreed) = (report.before, Some(report.runs));
        }
    }
    request.preview = false;
    let report = perform(&context, &request, arguments)?;
    finish(&context, &report, arguments)
}

fn is_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks the engine, and shows what happens meanwhile.
fn perform(context: &Context, request: &RollbackRequest, arguments: &RollbackArguments) -> Result<RollbackReport> {
    let output = arguments.remote.cluster.output;
    let run = barque_store::next_run(&context.state, jiff::Timestamp::now(), rand::random())?;
    let owner = changing::owner("rollback")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let (events, reader) = Events::new();
        let live = output == Output::Text && !arguments.remote.no_progress;
        let watcher = tokio::spawn(Watcher::new(output, live, arguments.verbose).watch(reader));
        let (stop, interrupt) = watch::channel(false);
        tokio::spawn(changing::interrupts(stop, "`barque rollback RUN` with the same run"));
        let report = barque_engine::rollback(context, request, run, owner, &events, interrupt).await;
        drop(events);
        watcher.await?;
        anyhow::Ok(report)
    })?;
    Ok(report?)
}

/// Prints a preview.
fn show(report: &RollbackReport, output: Output) -> Result<u8> {
    match output {
        Output::Json => print_json(&serde_json::json!({ "report": report }))?,
        Output::Text => say(&words::preview(report))?,
    }
    Ok(match (report.planned, report.pending.is_empty()) {
        (0, true) => exit::DONE,
        (0, false) => exit::PARTIAL,
        _ => exit::PENDING,
    })
}

/// Says what will be done, and asks.
fn agrees(context: &Context, report: &RollbackReport, arguments: &RollbackArguments) -> Result<bool> {
    note(&words::preview(report))?;
    if !report.data.is_empty() && !arguments.delete_data {
        return Err(EngineError::from(RollbackError::Data(report.data.clone())).into());
    }
    if report.planned == 0 && !arguments.forget {
        return Ok(false);
    }
    let name = context.cluster.name.as_str();
    // Data that go for good are worth more than one key.
    let (question, yes): (String, &[&str]) = if arguments.delete_data && !report.data.is_empty() {
        (format!("This deletes etcd's data. Type the cluster's name (`{name}`) to go on:"), &[name])
    } else {
        ("Take this back? [y/N]".to_owned(), &["y", "yes"])
    };
    note(&question)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let agreed = yes.iter().any(|word| answer.trim().eq_ignore_ascii_case(word));
    if !agreed {
        note("nothing was changed")?;
    }
    Ok(agreed)
}

fn finish(context: &Context, report: &RollbackReport, arguments: &RollbackArguments) -> Result<u8> {
    if arguments.remote.cluster.output == Output::Json {
        print_json(&serde_json::json!({ "report": report }))?;
    } else {
        for failure in &report.failures {
            print_failure(failure)?;
        }
        let file = arguments.remote.cluster.file.display().to_string();
        let (verdict, talk) = words::result(report, context.cluster.name.as_str(), &file);
        let good = report.failures.is_empty() && !report.interrupted;
        let tell = if good { say } else { note };
        tell(&verdict)?;
        talk.iter().try_for_each(|line| note(line))?;
    }
    Ok(match (report.failures.is_empty() && !report.interrupted, report.pending.is_empty()) {
        (false, _) => exit::FAILED,
        (true, false) => exit::PARTIAL,
        (true, true) => exit::DONE,
    })
}
