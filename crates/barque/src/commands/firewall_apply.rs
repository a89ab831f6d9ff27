//! `barque firewall apply` and `remove`: packet filters on every host, taken back unless a new connection comes through.

use anyhow::Result;
use barque_engine::{Context, Events, FirewallReport, FirewallRequest};
use barque_event::exit;
use barque_model::FirewallBackend;
use tokio::sync::watch;

use super::bundle::local;
use super::changing;
use crate::arguments::{FirewallChangeArguments, Output};
use crate::settings;
use crate::terminal::{Watcher, firewall_apply as words, note, print_failure, print_json, say, warn_all};

/// Runs `apply`, or `remove` with [`FirewallBackend::None`].
pub(crate) fn run(arguments: &FirewallChangeArguments, backend: Option<FirewallBackend>, verb: &'static str) -> Result<u8> {
    arguments.bundle.as_deref().map(local).transpose()?;
    let context = Context::load(settings::remote(&arguments.remote, arguments.bundle.clone(), arguments.break_lock)?)?;
    warn_all(&context)?;
    let request = FirewallRequest { backend, confirm_within: arguments.confirm_within, preview: arguments.plan };
    let output = arguments.remote.cluster.output;
    let run = barque_store::next_run(&context.state, jiff::Timestamp::now(), rand::random())?;
    // A run of its own, in which hosts take this one back: the next in order, whatever the hosts' clocks say.
    let started = barque_store::started_at(&run).unwrap_or_else(jiff::Timestamp::now);
    let undo = barque_store::run_id(started + jiff::SignedDuration::from_secs(1), rand::random())?;
    let runs = (run, undo);
    let owner = changing::owner(verb)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let (events, reader) = Events::new();
        let live = output == Output::Text && !arguments.remote.no_progress;
        let watcher = tokio::spawn(Watcher::new(output, live, arguments.verbose).watch(reader));
        let (stop, interrupt) = watch::channel(false);
        tokio::spawn(changing::interrupts(stop, "every host takes back what is not confirmed; `barque firewall apply`"));
        let report = barque_engine::firewall_apply(&context, &request, runs, owner, &events, interrupt).await;
        drop(events);
        watcher.await?;
        anyhow::Ok(report)
    })??;
    finish(&context, &report, output)
}

fn finish(context: &Context, report: &FirewallReport, output: Output) -> Result<u8> {
    if output == Output::Json {
        print_json(&serde_json::json!({ "report": report }))?;
        return Ok(exit_code(report));
    }
    for failure in &report.failures {
        print_failure(failure)?;
    }
    let (verdict, talk) = words::result(report, context.cluster.name.as_str());
    let good = report.failures.is_empty() && !report.interrupted;
    let tell = if good { say } else { note };
    tell(&verdict)?;
    talk.iter().try_for_each(|line| note(line))?;
    Ok(exit_code(report))
}

fn exit_code(report: &FirewallReport) -> u8 {
    match (report.failures.is_empty() && !report.interrupted, report.pending.is_empty()) {
        (false, _) => exit::FAILED,
        (true, _) if report.plan.is_some() && report.planned > 0 => exit::PENDING,
        (true, false) => exit::PARTIAL,
        (true, true) => exit::DONE,
    }
}
