//! Runs `cargo nextest` and reads its summary.

use std::process::Command;

use anyhow::{Result, bail};

use crate::run;

/// What nextest said at the end.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// The line with the numbers and, after a failure, the names of the tests that failed.
    lines: Vec<String>,
}

impl Summary {
    /// Prints it again, so that it is the last thing a reader sees.
    pub(crate) fn print(&self) {
        for line in &self.lines {
            println!("{line}");
        }
    }

    /// Puts another run's summary behind this one.
    pub(crate) fn extend(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }
}

/// Whether tests may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skips {
    /// Some are left out on purpose.
    Allowed,
    /// One that is left out counts as a failure: a check that is not made cannot fail.
    Forbidden,
}

/// Runs tests.
pub(crate) fn run(command: &mut Command, skips: Skips) -> Result<Summary> {
    let (success, lines) = run::tee_stderr(command)?;
    let lines = summary(&lines);
    if !success {
        bail!("tests failed\n{}", lines.join("\n"));
    }
    let Some(skipped) = lines.first().and_then(|line| skipped(line)) else {
        bail!("nextest printed no summary");
    };
    if skipped > 0 && skips == Skips::Forbidden {
        bail!("{skipped} tests were skipped\n{}", lines.join("\n"));
    }
    Ok(Summary { lines })
}

fn summary(lines: &[String]) -> Vec<String> {
    let start = lines.iter().rposition(|line| line.trim_start().starts_with("Summary ["));
    let after = start.map_or(&[] as &[String], |start| &lines[start..]);
    after.iter().filter(|line| !line.trim().is_empty() && !line.starts_with("error:")).map(|line| line.trim_end().to_owned()).collect()
}

/// The number before ` skipped`.
fn skipped(line: &str) -> Option<u32> {
    let words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let position = words.iter().position(|word| *word == "skipped")?;
    words.get(position.checked_sub(1)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn text(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn the_summary_is_what_follows_the_numbers() {
        let lines = text(&[
            "  PASS [ 0.1s] a",
            "------------",
            "     Summary [   0.010s] 2 tests run: 1 passed, 1 failed, 0 skipped",
            "        FAIL [   0.005s] a::b",
            "error: test run failed",
        ]);
        assert_eq!(
            summary(&lines),
            ["     Summary [   0.010s] 2 tests run: 1 passed, 1 failed, 0 skipped", "        FAIL [   0.005s] a::b"]
        );
        assert!(summary(&text(&["error: could not compile"])).is_empty());
    }

    #[test]
    fn skipped_tests_are_counted() {
        assert_eq!(skipped("     Summary [   0.005s] 3 tests run: 3 passed, 2 skipped"), Some(2));
        assert_eq!(skipped("     Summary [ 75.005s] 10 tests run: 10 passed (2 slow), 0 skipped"), Some(0));
        assert_eq!(skipped("nothing"), None);
    }

    #[test]
    fn skipping_fails_unless_asked_for() {
        let script = |text: &str| run::command("sh", &["-c", text]);
        let skip = "echo '  Summary [ 1s] 1 test run: 1 passed, 1 skipped' >&2";
        assert!(run(&mut script(skip), Skips::Forbidden).unwrap_err().to_string().contains("1 tests were skipped"));
        run(&mut script(skip), Skips::Allowed).unwrap();
        run(&mut script("echo '  Summary [ 1s] 1 test run: 1 passed, 0 skipped' >&2"), Skips::Forbidden).unwrap();
        assert!(run(&mut script("echo '  Summary [ 1s] 1 test run: 1 failed, 0 skipped' >&2; exit 100"), Skips::Forbidden).is_err());
        assert!(run(&mut script("true"), Skips::Forbidden).is_err());
    }
}
