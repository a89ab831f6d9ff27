//! `barque up`: makes it so.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use barque_engine::{Context, Events, UpReport, Wishes};
use barque_event::exit;
use barque_plan::SavedPlan;
use tokio::sync::watch;

use super::{bundle, changing};
use crate::arguments::{Output, UpArguments};
use crate::settings;
use crate::terminal::{Watcher, many, note, print_error, print_failure, print_json, printable, say, warn_all};

/// Runs `up`. The first Ctrl-C lets running steps end, the second ends barque at once.
pub(crate) fn run(arguments: &UpArguments) -> Result<u8> {
    let mut options = settings::remote(&arguments.remote, bundle::chosen(&arguments.bundle)?, arguments.break_lock)?;
    options.bundle_key.clone_from(&arguments.bundle.bundle_key);
    let output = arguments.remote.cluster.output;
    let context = Context::load(options)?;
    warn_all(&context)?;
    let saved = match arguments.plan.as_deref().map(read_plan).transpose() {
        Ok(saved) => saved,
        Err(error) => {
            print_error(&error);
            return Ok(exit::USAGE);
        }
    };
    let wishes = match &saved {
        Some(saved) => Wishes { overwrite_drift: saved.overwrite_drift, limits: saved.limits.clone(), send_all: arguments.send_all },
        None => Wishes {
            overwrite_drift: arguments.wishes.overwrite_drift,
            limits: arguments.wishes.limit.clone(),
            send_all: arguments.send_all,
        },
    };
    let run = barque_store::next_run(&context.state, jiff::Timestamp::now(), rand::random())?;
    let owner = changing::owner("up")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let (events, reader) = Events::new();
        let live = output == Output::Text && !arguments.remote.no_progress;
        let watcher = tokio::spawn(Watcher::new(output, live, arguments.verbose).watch(reader));
        let (stop, interrupt) = watch::channel(false);
        tokio::spawn(changing::interrupts(stop, "`barque up`"));
        let report = barque_engine::up(&context, run, owner, &wishes, saved.as_ref(), &events, interrupt).await;
        drop(events);
        watcher.await?;
        anyhow::Ok(report)
    })?;
    let report = report?;
    finish(&context, &report, output)
}

/// Reads a saved plan.
pub(super) fn read_plan(path: &Path) -> Result<SavedPlan> {
    let name = path.display();
    SavedPlan::read(&fs_err::read(path)?).with_context(|| format!("`{name}` cannot be used; save a plan with `barque plan -o {name}`"))
}

fn finish(context: &Context, report: &UpReport, output: Output) -> Result<u8> {
    if output == Output::Json {
        print_json(&serde_json::json!({ "report": report }))?;
        return Ok(exit_code(report));
    }
    for failure in &report.failures {
        print_failure(failure)?;
    }
    let (verdict, talk) = result(report, context.cluster.name.as_str());
    if report.failures.is_empty() && !report.interrupted {
        say(&verdict)?;
    } else {
        note(&verdict)?;
    }
    talk.iter().try_for_each(|line| note(line))?;
    Ok(exit_code(report))
}

const fn exit_code(report: &UpReport) -> u8 {
    if !report.failures.is_empty() || report.interrupted {
        exit::FAILED
    } else if report.pending.is_empty() && report.held.is_empty() {
        exit::DONE
    } else {
        exit::PARTIAL
    }
}

/// How it went in a sentence, and what else is worth saying.
fn result(report: &UpReport, name: &str) -> (String, Vec<String>) {
    let seconds = report.millis as f64 / 1000.0;
    let UpReport { changed, unchanged, skipped, .. } = report;
    let whole = report.pending.is_empty() && report.held.is_empty() && report.left_out == 0;
    let verdict = if report.interrupted {
        format!("stopped after {seconds:.1} s; `barque up` goes on from here")
    } else if !report.failures.is_empty() {
        format!("{} failed, {skipped} did not run because of it, {changed} changed ({seconds:.1} s)", report.failures.len())
    } else if !whole {
        format!("cluster `{name}`: {changed} changed, {unchanged} unchanged, {} ({seconds:.1} s)", missing(report))
    } else if *changed == 0 {
        format!("cluster `{name}`: nothing to change; {unchanged} resources are as they should be, and everything answers ({seconds:.1} s)")
    } else {
        format!("cluster `{name}`: {changed} changed, {unchanged} unchanged, everything answers ({seconds:.1} s)")
    };
    let mut talk = Vec::new();
    for pending in &report.pending {
        talk.push(format!("pending: {}: {}", pending.host, printable(&pending.message)));
        talk.extend(pending.hint.as_ref().map(|hint| format!("  hint: {hint}")));
    }
    talk.extend(report.held.iter().map(|held| format!("held: {}", printable(held))));
    if report.left_out > 0 {
        talk.push(format!("{} left out by the limit; `barque plan` without it shows what is pending", many(report.left_out, "step")));
    }
    talk.extend(spread(report));
    talk.push(format!("log of run {}: {}", report.run, report.directory.display()));
    (verdict, talk)
}

/// What hosts got from each other, if they did.
fn spread(report: &UpReport) -> Option<String> {
    let megabytes = |bytes: &BTreeMap<String, u64>| bytes.values().sum::<u64>() as f64 / 1e6;
    let (sent, fetched) = (megabytes(&report.sent), megabytes(&report.fetched));
    (!report.fetched.is_empty()).then(|| format!("sent {sent:.1} MB from here; hosts fetched {fetched:.1} MB from each other"))
}

/// What is not as it should be although nothing failed.
fn missing(report: &UpReport) -> String {
    let mut parts = Vec::new();
    if !report.pending.is_empty() {
        let names: Vec<&str> = report.pending.iter().map(|pending| pending.host.as_str()).collect();
        parts.push(format!("{} pending ({}): the next `barque up` catches up", many(names.len(), "host"), names.join(", ")));
    }
    if !report.held.is_empty() {
        let (count, are) = (report.held.len(), if report.held.len() == 1 { "it is" } else { "they are" });
        parts.push(format!("{} by hand left as {are}", many(count, "edit")));
    }
    if report.left_out > 0 {
        parts.push(format!("{} left out", many(report.left_out, "step")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use barque_engine::Pending;
    use barque_event::Failure;

    use super::*;

    fn report() -> UpReport {
        UpReport {
            run: "20261125T020304Z-1a2b".parse().unwrap(),
            directory: ".barque/ha/runs/20261125T020304Z-1a2b".into(),
            changed: 0,
            unchanged: 812,
            failures: Vec::new(),
            pending: Vec::new(),
            held: Vec::new(),
            left_out: 0,
            skipped: 0,
            interrupted: false,
            millis: 1100,
            planned_millis: 900,
            sent: BTreeMap::new(),
            fetched: BTreeMap::new(),
            critical_path: Vec::new(),
        }
    }

    fn shown(report: &UpReport) -> String {
        let (verdict, talk) = result(report, "ha");
        format!("{verdict}\n{}\nexit code {}", talk.join("\n"), exit_code(report))
    }

    #[test]
    fn everything_is_as_it_should_be() {
        insta::assert_snapshot!(shown(&report()), @r"
        cluster `ha`: nothing to change; 812 resources are as they should be, and everything answers (1.1 s)
        log of run 20261125T020304Z-1a2b: .barque/ha/runs/20261125T020304Z-1a2b
        exit code 0
        ");
        insta::assert_snapshot!(result(&UpReport { changed: 12, ..report() }, "ha").0, @"cluster `ha`: 12 changed, 812 unchanged, everything answers (1.1 s)");
    }

    #[test]
    fn what_is_left_is_named() {
        let pending = |host: &str, hint: Option<&str>| Pending {
            host: host.parse().unwrap(),
            message: "no answer within 10 s".into(),
            hint: hint.map(str::to_owned),
        };
        let report = UpReport {
            changed: 5,
            pending: vec![pending("n1", Some("see that it runs")), pending("n2", None)],
            held: vec!["file /etc/etcd/etcd.env was changed on m1".into()],
            left_out: 3,
            ..report()
        };
        insta::assert_snapshot!(shown(&report), @r"
        cluster `ha`: 5 changed, 812 unchanged, 2 hosts pending (n1, n2): the next `barque up` catches up, 1 edit by hand left as it is, 3 steps left out (1.1 s)
        pending: n1: no answer within 10 s
          hint: see that it runs
        pending: n2: no answer within 10 s
        held: file /etc/etcd/etcd.env was changed on m1
        3 steps left out by the limit; `barque plan` without it shows what is pending
        log of run 20261125T020304Z-1a2b: .barque/ha/runs/20261125T020304Z-1a2b
        exit code 4
        ");
    }

    #[test]
    fn failures_and_interruptions_come_first() {
        let failed = UpReport { failures: vec![Failure::new("no")], skipped: 7, changed: 2, held: vec!["x".into()], ..report() };
        insta::assert_snapshot!(result(&failed, "ha").0, @"1 failed, 7 did not run because of it, 2 changed (1.1 s)");
        let stopped = UpReport { interrupted: true, ..report() };
        insta::assert_snapshot!(result(&stopped, "ha").0, @"stopped after 1.1 s; `barque up` goes on from here");
        assert_eq!([exit_code(&failed), exit_code(&stopped)], [exit::FAILED, exit::FAILED]);
    }

    #[test]
    fn what_is_no_plan_says_how_to_make_one() {
        let file = std::env::temp_dir().join(format!("barque-no-plan-{}.json", std::process::id()));
        fs_err::write(&file, "{}").unwrap();
        let error = read_plan(&file).unwrap_err().to_string();
        fs_err::remove_file(&file).unwrap();
        assert!(error.contains("cannot be used") && error.contains("barque plan -o"), "{error}");
        assert!(read_plan(&file).is_err());
    }
}
