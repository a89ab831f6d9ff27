//! `barque check`: all that is wrong with the hosts, in one report.

use std::fmt::Write as _;

use anyhow::Result;
use barque_check::{Finding, Severity};
use barque_engine::{CheckReport, Context, Events};
use barque_event::exit;
use barque_model::HostName;

use crate::arguments::{Output, RemoteArguments};
use crate::settings;
use crate::terminal::{many, note, print_json, printable, say, warn_all};

const RED: anstyle::Style = anstyle::Style::new().bold().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Red)));
const YELLOW: anstyle::Style = anstyle::Style::new().bold().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Yellow)));

/// Prints what is wrong; exit code 1 when something of it is an error.
pub(crate) fn run(arguments: &RemoteArguments) -> Result<u8> {
    let context = Context::load(settings::remote(arguments, None, false)?)?;
    warn_all(&context)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (events, _reader) = Events::new();
    note(&format!("looking at {}; nothing is changed on them", many(context.cluster.hosts.len(), "host")))?;
    let report = runtime.block_on(barque_engine::check(&context, &events))?;
    if arguments.cluster.output == Output::Json {
        print_json(&report)?;
    } else {
        say(&text(&report))?;
    }
    Ok(if report.errors > 0 { exit::FAILED } else { exit::DONE })
}

fn text(report: &CheckReport) -> String {
    let mut text = String::new();
    let mut host: Option<&HostName> = None;
    for finding in &report.findings {
        if host != Some(&finding.host) {
            let _ = writeln!(text, "{}{}:", if host.is_some() { "\n" } else { "" }, finding.host);
            host = Some(&finding.host);
        }
        text.push_str(&lines(finding));
    }
    if !report.findings.is_empty() {
        text.push('\n');
    }
    if !report.accepted.is_empty() {
        text.push_str("accepted in the cluster file:\n");
        for accepted in &report.accepted {
            let finding = &accepted.finding;
            let _ = writeln!(text, "  {} {}: {}", finding.host, finding.id, printable(&finding.message));
            let _ = writeln!(text, "    reason: {}", printable(&accepted.reason));
        }
        text.push('\n');
    }
    text.push_str(&verdict(report));
    text
}

fn lines(finding: &Finding) -> String {
    let style = match finding.severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW,
    };
    let (word, message, remedy) = (finding.severity.as_str(), printable(&finding.message), printable(&finding.remedy));
    format!("  {style}{word}{style:#} {}: {message}\n    remedy: {remedy}\n", finding.id)
}

fn verdict(report: &CheckReport) -> String {
    let hosts = if report.inspected == report.hosts {
        many(report.hosts, "host")
    } else {
        format!("{} of {}", report.inspected, many(report.hosts, "host"))
    };
    let name = &report.cluster;
    if report.findings.is_empty() {
        return format!("cluster `{name}`: nothing is wrong with {hosts}");
    }
    let (errors, warnings) = (many(report.errors, "error"), many(report.warnings, "warning"));
    format!("cluster `{name}`: {errors} and {warnings} on {hosts}; `barque explain check ID` says more")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_check::{AcceptedFinding, CheckId};

    use super::*;

    fn report() -> CheckReport {
        CheckReport {
            cluster: "ha".parse().unwrap(),
            hosts: 7,
            inspected: 7,
            errors: 0,
            warnings: 0,
            findings: Vec::new(),
            accepted: Vec::new(),
        }
    }

    #[test]
    fn findings_stand_below_their_hosts() {
        let finding = |id, host: &str, message: &str| Finding::new(id, &host.parse().unwrap(), message, "mend it");
        let findings = vec![
            finding(CheckId::PortInUse, "m1", "TCP port 2379 is taken"),
            finding(CheckId::Docker, "m1", "Docker is there"),
            finding(CheckId::HostUnreachable, "n2", "no route to host"),
        ];
        let accepted = vec![AcceptedFinding { finding: finding(CheckId::Selinux, "n1", "it enforces"), reason: "we have a policy".into() }];
        let report = CheckReport { inspected: 6, errors: 2, warnings: 1, findings, accepted, ..report() };
        insta::assert_snapshot!(anstream::adapter::strip_str(&text(&report)).to_string(), @r"
        m1:
          error port-in-use: TCP port 2379 is taken
            remedy: mend it
          warning docker: Docker is there
            remedy: mend it

        n2:
          error host-unreachable: no route to host
            remedy: mend it

        accepted in the cluster file:
          n1 selinux: it enforces
            reason: we have a policy

        cluster `ha`: 2 errors and 1 warning on 6 of 7 hosts; `barque explain check ID` says more
        ");
    }

    #[test]
    fn nothing_is_wrong() {
        assert_eq!(text(&report()), "cluster `ha`: nothing is wrong with 7 hosts");
    }
}
