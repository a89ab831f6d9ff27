//! `barque up`: makes it so.

use anyhow::Result;
use barque_engine::{Context, Events, UpReport};
use barque_event::exit;
use barque_store::LockOwner;
use tokio::sync::watch;

use crate::arguments::{Output, UpArguments};
use crate::settings;
use crate::terminal::{Watcher, note, print_failure, print_json, say, warn_all};

/// Runs `up`. The first Ctrl-C lets running steps end, the second ends barque at once.
pub(crate) fn run(arguments: &UpArguments) -> Result<u8> {
    let options = settings::remote(&arguments.remote, arguments.bundle.clone(), arguments.break_lock)?;
    let output = arguments.remote.cluster.output;
    let context = Context::load(options)?;
    warn_all(&context)?;
    let run = barque_store::run_id(jiff::Timestamp::now(), rand::random())?;
    let owner = owner()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let (events, reader) = Events::new();
        let live = output == Output::Text && !arguments.remote.no_progress;
        let watcher = tokio::spawn(Watcher::new(output, live, arguments.verbose).watch(reader));
        let (stop, interrupt) = watch::channel(false);
        tokio::spawn(interrupts(stop));
        let report = barque_engine::up(&context, run, owner, &events, interrupt).await;
        drop(events);
        watcher.await?;
        anyhow::Ok(report)
    })?;
    let report = report?;
    finish(&context, &report, output)
}

fn finish(context: &Context, report: &UpReport, output: Output) -> Result<u8> {
    if output == Output::Json {
        print_json(&serde_json::json!({ "report": report }))?;
    } else {
        for failure in &report.failures {
            print_failure(failure)?;
        }
        let seconds = report.millis as f64 / 1000.0;
        let name = &context.cluster.name;
        if report.interrupted {
            note(&format!("stopped after {seconds:.1} s; `barque up` goes on from here"))?;
        } else if report.failures.is_empty() && report.changed == 0 {
            say(&format!(
                "cluster `{name}`: nothing to change; {} resources are as they should be, and everything answers ({seconds:.1} s)",
                report.unchanged
            ))?;
        } else if report.failures.is_empty() {
            say(&format!(
                "cluster `{name}`: {} changed, {} unchanged, everything answers ({seconds:.1} s)",
                report.changed, report.unchanged
            ))?;
        } else {
            let failed = report.failures.len();
            note(&format!("{failed} failed, {} did not run because of it, {} changed ({seconds:.1} s)", report.skipped, report.changed))?;
        }
        note(&format!("log of run {}: {}", report.run, report.directory.display()))?;
    }
    Ok(if report.failures.is_empty() && !report.interrupted { exit::DONE } else { exit::FAILED })
}

fn owner() -> Result<LockOwner> {
    let user = settings::variable("USER").map_or_else(|| "unknown".to_owned(), |user| user.to_string_lossy().into_owned());
    Ok(LockOwner::current(&user, "up", jiff::Timestamp::now())?)
}

async fn interrupts(stop: watch::Sender<bool>) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    let _ = note("stopping: running steps end first; press Ctrl-C again to stop at once");
    let _ = stop.send(true);
    if tokio::signal::ctrl_c().await.is_ok() {
        let _ = note("stopped at once; `barque up` goes on from here");
        #[expect(clippy::exit, reason = "the operator asked twice; agents end by themselves when the connection closes")]
        std::process::exit(i32::from(exit::FAILED));
    }
}
