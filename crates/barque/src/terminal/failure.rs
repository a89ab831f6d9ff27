//! Failures: what, where, why, and what to do next.

use std::fmt::Write as _;

use anyhow::Result;
use barque_engine::{EngineError, SegmentFinding};
use barque_event::Failure;

use super::note;

const RED: anstyle::Style = anstyle::Style::new().bold().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Red)));
const HINT: anstyle::Style = anstyle::Style::new().bold();

/// Prints a failed step.
pub(crate) fn print_failure(failure: &Failure) -> Result<()> {
    note(failure_text(failure).trim_end())
}

/// The text of a failed step.
pub(crate) fn failure_text(failure: &Failure) -> String {
    let mut text = String::new();
    let place = failure.host.as_ref().map_or_else(|| "cluster".to_owned(), |host| format!("host {host}"));
    let step = if failure.step.is_empty() { String::new() } else { format!(", step `{}`", failure.step) };
    let _ = writeln!(text, "{RED}failed{RED:#}: {place}{step}: {}", failure.message);
    if let Some(command) = &failure.command {
        let status = failure.exit_status.map_or_else(String::new, |status| format!(" (exit status {status})"));
        let _ = writeln!(text, "  command: {command}{status}");
    }
    for line in &failure.output {
        let _ = writeln!(text, "  | {line}");
    }
    if let Some(unit) = failure.unit.as_ref().filter(|_| !failure.journal.is_empty()) {
        let _ = writeln!(text, "  last lines of the journal of {unit}:");
        for line in &failure.journal {
            let _ = writeln!(text, "  | {line}");
        }
    }
    if let Some(hint) = &failure.hint {
        let _ = writeln!(text, "  {HINT}hint{HINT:#}: {hint}");
    }
    text
}

/// Prints an error with its causes, its parts and its hint.
pub(crate) fn print_error(error: &anyhow::Error) {
    let mut text = format!("{RED}error{RED:#}: {error}\n");
    for cause in error.chain().skip(1) {
        let _ = writeln!(text, "  because: {cause}");
    }
    if let Some(engine) = error.downcast_ref::<EngineError>() {
        text.push_str(&parts(engine));
        if let Some(hint) = engine.hint() {
            let _ = writeln!(text, "  {HINT}hint{HINT:#}: {hint}");
        }
    }
    // There is nowhere to report that standard error is closed.
    let _ = note(text.trim_end());
}

/// Prints why nothing was done: what is wrong, its parts with what to do about each, and a hint for the whole.
pub(crate) fn print_fault(message: &str, parts: &[(String, &str)], hint: Option<&str>) -> Result<()> {
    let mut text = format!("{RED}error{RED:#}: {message}\n");
    for (part, remedy) in parts {
        let _ = writeln!(text, "  {part}\n    {HINT}hint{HINT:#}: {remedy}");
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "  {HINT}hint{HINT:#}: {hint}");
    }
    note(text.trim_end())
}

fn parts(error: &EngineError) -> String {
    let mut text = String::new();
    match error {
        EngineError::Hosts(problems) => {
            for problem in problems {
                let _ = writeln!(text, "  {}: {}", problem.host, problem.message);
                for line in &problem.details {
                    let _ = writeln!(text, "    | {line}");
                }
                if let Some(hint) = &problem.hint {
                    let _ = writeln!(text, "    {HINT}hint{HINT:#}: {hint}");
                }
            }
        }
        EngineError::Preflight(findings) => {
            for finding in findings {
                let _ = writeln!(text, "  {}: {}\n    {HINT}remedy{HINT:#}: {}", finding.host, finding.message, finding.remedy);
            }
        }
        EngineError::Segment(findings) => text.push_str(&segment_text(findings)),
        _ => {}
    }
    text
}

/// What is wrong on a network segment, each with its remedy.
pub(crate) fn segment_text(findings: &[SegmentFinding]) -> String {
    findings.iter().fold(String::new(), |mut text, finding| {
        let _ = writeln!(text, "  {}: {}\n    {HINT}remedy{HINT:#}: {}", finding.host, finding.message, finding.remedy);
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_failure_names_everything() {
        let failure = Failure {
            host: Some("m1".parse().unwrap()),
            step: "start etcd.service".into(),
            message: "the unit did not become active in 180 s".into(),
            command: Some("systemctl start etcd.service".into()),
            exit_status: Some(1),
            output: vec!["Job for etcd.service failed".into()],
            unit: Some("etcd.service".into()),
            journal: vec!["panic: no space left on device".into()],
            hint: Some("run `journalctl -u etcd.service` on the host".into()),
            retryable: false,
        };
        let plain = anstream::adapter::strip_str(&failure_text(&failure)).to_string();
        insta::assert_snapshot!(plain, @r"
        failed: host m1, step `start etcd.service`: the unit did not become active in 180 s
          command: systemctl start etcd.service (exit status 1)
          | Job for etcd.service failed
          last lines of the journal of etcd.service:
          | panic: no space left on device
          hint: run `journalctl -u etcd.service` on the host
        ");
    }
}
