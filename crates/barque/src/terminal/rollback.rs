//! The words of `rollback`: what would be done, and what was.

use std::fmt::Write as _;

use barque_engine::RollbackReport;
use barque_model::HostName;
use barque_plan::{Plan, Step};

use super::plain;

/// What a rollback would do, said before it is begun.
pub(crate) fn preview(report: &RollbackReport) -> String {
    let mut text = String::new();
    for (host, line) in report.announcement() {
        let _ = match host {
            Some(host) => writeln!(text, "  {host:<8} {line}"),
            None => writeln!(text, "{line}"),
        };
    }
    if let Some(plan) = report.plan.as_ref().filter(|plan| !plan.steps.is_empty()) {
        let _ = writeln!(text, "steps:");
        steps(plan, &mut text);
    }
    for pending in &report.pending {
        let _ = writeln!(text, "{} does not answer: {}", pending.host, pending.message);
    }
    let _ = match report.planned {
        0 => writeln!(text, "nothing to take back"),
        1 => writeln!(text, "1 change would be taken back"),
        count => writeln!(text, "{count} changes would be taken back"),
    };
    plain(text.trim_end())
}

/// The steps in order, a line each.
fn steps(plan: &Plan, text: &mut String) {
    for step in &plan.steps {
        let _ = writeln!(text, "{}", step_line(step));
    }
}

/// A step of a plan in a line.
pub(crate) fn step_line(step: &Step) -> String {
    let place = step.host.as_ref().map_or("cluster", |host| host.as_str());
    format!("  {place:<8} {}", step.title)
}

/// How a rollback went: the verdict, and what else is worth saying.
pub(crate) fn result(report: &RollbackReport, cluster: &str, file: &str) -> (String, Vec<String>) {
    let seconds = report.millis as f64 / 1000.0;
    let before = report.before.as_ref().map_or_else(|| "RUN".to_owned(), ToString::to_string);
    let verdict = if report.interrupted {
        format!("stopped after {seconds:.1} s; `barque rollback {before}` goes on from here")
    } else if !report.failures.is_empty() {
        let failed = report.failures.len();
        format!("{failed} failed, {} did not run because of it, {} taken back ({seconds:.1} s)", report.skipped, report.changed)
    } else if report.changed == 0 {
        format!("cluster `{cluster}`: nothing to take back ({seconds:.1} s)")
    } else {
        format!("cluster `{cluster}`: {} taken back, as it was before run {before} ({seconds:.1} s)", report.changed)
    };
    let mut talk = Vec::new();
    for pending in &report.pending {
        talk.push(format!("{} does not answer: {}; `barque rollback {before}` catches it up", pending.host, pending.message));
    }
    if let (Some(spec), Some(run)) = (&report.spec, &report.run) {
        talk.push(format!("`{file}` still has the values that were taken back: the next `barque up` would bring them again"));
        talk.push(format!("  compare with what belongs to this state:  barque runs diff {spec} {run}"));
        talk.push(format!("  get that file back:  barque runs show {spec} --spec > {file}"));
    }
    if !report.forgotten.is_empty() {
        let names: Vec<&str> = report.forgotten.iter().map(HostName::as_str).collect();
        talk.push(format!("barque's own folder is removed from {}", names.join(", ")));
    }
    if let (Some(run), Some(directory)) = (&report.run, &report.directory) {
        talk.push(format!("log of run {run}: {}", directory.display()));
    }
    (verdict, talk.iter().map(|line| plain(line)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_engine::Pending;
    use barque_event::{Failure, Stage};
    use barque_model::{Digest, Owner};
    use barque_plan::{Action, File, PLAN_FORMAT, Prior, Resource, StepId};

    use super::*;

    fn report() -> RollbackReport {
        let before: barque_model::RunId = "20261125T010000Z-0001".parse().unwrap();
        RollbackReport {
            before: Some(before.clone()),
            runs: vec!["20261125T020000Z-0002".parse().unwrap(), before],
            objects: vec!["ConfigMap kube-system/coredns".into()],
            irreversible: vec!["what pods wrote to volumes".into()],
            pending: vec![Pending { host: "n2".parse().unwrap(), message: "no route to host".into(), hint: None }],
            planned: 2,
            ..RollbackReport::default()
        }
    }

    fn plan() -> Plan {
        let file = File { path: "/etc/a".into(), digest: Digest::of(b"a"), mode: 0o644, owner: Owner::root(), sensitive: false };
        let before = "20261125T010000Z-0001".parse().unwrap();
        let action = Action::Restore { resource: Resource::File(file), prior: Prior::Absent, before };
        let step = |number, host: Option<&str>, title: &str| Step {
            id: StepId(number),
            stage: Stage::Hosts,
            host: host.map(|host| host.parse().unwrap()),
            title: title.into(),
            action: action.clone(),
            after: Vec::new(),
        };
        Plan { format: PLAN_FORMAT, steps: vec![step(0, Some("m1"), "remove /etc/a"), step(1, None, "take back objects")] }
    }

    #[test]
    fn what_would_be_done_is_said() {
        let text = preview(&RollbackReport { plan: Some(plan()), ..report() });
        insta::assert_snapshot!(text, @r"
        takes back run 20261125T010000Z-0001, and with it 1 later: 20261125T020000Z-0002
        1 cluster object goes back: ConfigMap kube-system/coredns
        cannot be undone: what pods wrote to volumes
        steps:
          m1       remove /etc/a
          cluster  take back objects
        n2 does not answer: no route to host
        2 changes would be taken back
        ");
        assert_eq!(preview(&RollbackReport::default()), "nothing to take back");
    }

    #[test]
    fn what_was_done_is_said_with_what_to_do_next() {
        let run = "20261125T030000Z-0003".parse().unwrap();
        let done = RollbackReport {
            changed: 12,
            millis: 4321,
            run: Some(run),
            directory: Some("/s/runs/20261125T030000Z-0003".into()),
            spec: Some("20261125T000000Z-0000".parse().unwrap()),
            forgotten: vec!["m1".parse().unwrap()],
            ..report()
        };
        let (verdict, talk) = result(&done, "demo", "cluster.yaml");
        insta::assert_snapshot!(format!("{verdict}\n{}", talk.join("\n")), @r"
        cluster `demo`: 12 taken back, as it was before run 20261125T010000Z-0001 (4.3 s)
        n2 does not answer: no route to host; `barque rollback 20261125T010000Z-0001` catches it up
        `cluster.yaml` still has the values that were taken back: the next `barque up` would bring them again
          compare with what belongs to this state:  barque runs diff 20261125T000000Z-0000 20261125T030000Z-0003
          get that file back:  barque runs show 20261125T000000Z-0000 --spec > cluster.yaml
        barque's own folder is removed from m1
        log of run 20261125T030000Z-0003: /s/runs/20261125T030000Z-0003
        ");
        let failed =
            RollbackReport { failures: vec![Failure::new("x")], skipped: 3, changed: 1, millis: 1000, ..RollbackReport::default() };
        assert_eq!(result(&failed, "demo", "f").0, "1 failed, 3 did not run because of it, 1 taken back (1.0 s)");
        let nothing = RollbackReport { millis: 500, ..RollbackReport::default() };
        assert_eq!(result(&nothing, "demo", "f").0, "cluster `demo`: nothing to take back (0.5 s)");
        let stopped = RollbackReport { interrupted: true, ..report() };
        assert_eq!(result(&stopped, "demo", "f").0, "stopped after 0.0 s; `barque rollback 20261125T010000Z-0001` goes on from here");
    }
}
