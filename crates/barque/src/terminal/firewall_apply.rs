//! The words of `firewall apply` and `firewall remove`.

use std::fmt::Write as _;

use barque_engine::FirewallReport;
use barque_model::{FirewallBackend, HostName};

use super::rollback::step_line;
use super::{many, plain, printable};

/// How it went, or would go: the verdict, and what else is worth saying.
pub(crate) fn result(report: &FirewallReport, cluster: &str) -> (String, Vec<String>) {
    let verdict = if report.plan.is_some() { preview(report) } else { verdict(report, cluster) };
    let mut talk = Vec::new();
    if !report.taken_back.is_empty() {
        let names: Vec<&str> = report.taken_back.iter().map(HostName::as_str).collect();
        talk.push(format!(
            "not confirmed, so these hosts take it back by themselves: {}; `barque runs` shows when they have",
            names.join(", ")
        ));
    }
    for pending in &report.pending {
        talk.push(format!("{} does not answer: {}; run the same command again when it does", pending.host, printable(&pending.message)));
    }
    if let (Some(run), Some(directory)) = (&report.run, &report.directory) {
        talk.push(format!("log of run {run}: {}", directory.display()));
    }
    (verdict, talk.iter().map(|line| plain(line)).collect())
}

fn preview(report: &FirewallReport) -> String {
    let mut text = String::new();
    for step in report.plan.iter().flat_map(|plan| &plan.steps) {
        let _ = writeln!(text, "{}", step_line(step));
    }
    match report.planned {
        0 => text.push_str("nothing to change"),
        planned => {
            let _ = write!(text, "{} would be made", many(planned as usize, "change"));
        }
    }
    plain(&text)
}

fn verdict(report: &FirewallReport, cluster: &str) -> String {
    let seconds = report.millis as f64 / 1000.0;
    let FirewallReport { changed, skipped, backend, .. } = report;
    if report.interrupted {
        format!("stopped after {seconds:.1} s, before the change was confirmed")
    } else if !report.failures.is_empty() {
        format!("{} failed, {skipped} did not run because of it, {changed} changed ({seconds:.1} s)", report.failures.len())
    } else if *changed == 0 {
        match backend {
            FirewallBackend::None => {
                format!("cluster `{cluster}`: nothing to change; no rules of barque's are on the hosts ({seconds:.1} s)")
            }
            backend => format!("cluster `{cluster}`: nothing to change; the rules for {backend} are on the hosts ({seconds:.1} s)"),
        }
    } else {
        match backend {
            FirewallBackend::None => format!("cluster `{cluster}`: rules removed, {changed} changed ({seconds:.1} s)"),
            backend => {
                format!(
                    "cluster `{cluster}`: rules for {backend} in force and confirmed over new connections, {changed} changed ({seconds:.1} s)"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_event::Failure;

    use super::*;

    fn report() -> FirewallReport {
        FirewallReport {
            run: Some("20261125T000001Z-0000".parse().unwrap()),
            directory: Some("/x/runs/1".into()),
            backend: FirewallBackend::Nftables,
            planned: 3,
            plan: None,
            changed: 3,
            unchanged: 0,
            failures: Vec::new(),
            pending: Vec::new(),
            skipped: 0,
            interrupted: false,
            taken_back: Vec::new(),
            millis: 4200,
        }
    }

    fn text(report: &FirewallReport) -> String {
        let (verdict, talk) = result(report, "demo");
        format!("{verdict}\n{}", talk.join("\n"))
    }

    #[test]
    fn what_was_confirmed_and_what_was_not() {
        insta::assert_snapshot!(text(&report()), @r"
        cluster `demo`: rules for nftables in force and confirmed over new connections, 3 changed (4.2 s)
        log of run 20261125T000001Z-0000: /x/runs/1
        ");
        let lost = FirewallReport {
            failures: vec![Failure::new("x")],
            taken_back: vec!["m1".parse().unwrap(), "m2".parse().unwrap()],
            ..report()
        };
        insta::assert_snapshot!(text(&lost), @r"
        1 failed, 0 did not run because of it, 3 changed (4.2 s)
        not confirmed, so these hosts take it back by themselves: m1, m2; `barque runs` shows when they have
        log of run 20261125T000001Z-0000: /x/runs/1
        ");
        let removed = FirewallReport { backend: FirewallBackend::None, ..report() };
        assert!(text(&removed).starts_with("cluster `demo`: rules removed, 3 changed"));
        let same = FirewallReport { changed: 0, ..report() };
        assert!(text(&same).contains("nothing to change; the rules for nftables are on the hosts"));
    }
}
