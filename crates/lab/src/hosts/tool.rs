//! Runs the machine's own tools (`ip`, `nft`, `mmdebstrap`, …).

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// A tool that could not be run or that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// The tool is not installed.
    #[error("`{program}` is not installed")]
    Missing {
        /// The program's name.
        program: String,
    },
    /// The tool could not be started or spoken to.
    #[error("cannot run `{program}`")]
    Start {
        /// The program's name.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// The tool answered with a failure.
    #[error("`{command}` failed with {status}: {output}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The last lines that it wrote.
        output: String,
    },
}

impl ToolError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let Self::Missing { program } = self else { return None };
        let package = match program.as_str() {
            "systemd-nspawn" => "systemd-container",
            "ip" => "iproute2",
            "nft" => "nftables",
            "ssh-keygen" => "openssh-client",
            "nsenter" | "setsid" => "util-linux",
            other => other,
        };
        Some(format!("run `apt-get install {package}`"))
    }
}

/// How many lines of a failed tool's output an error carries.
const LINES_KEPT: usize = 20;

/// A command with stable, untranslated output.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C");
    command
}

/// The error for a process that could not be started.
pub(crate) fn start_error(program: &str, source: std::io::Error) -> ToolError {
    let program = program.to_owned();
    if source.kind() == std::io::ErrorKind::NotFound { ToolError::Missing { program } } else { ToolError::Start { program, source } }
}

/// Runs a tool to its end; a status other than 0 is an error.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Result<Output, ToolError> {
    run_with_input(program, arguments, b"")
}

/// Runs a tool to its end with `input` on its standard input.
pub(crate) fn run_with_input<S: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
    input: &[u8],
) -> Result<Output, ToolError> {
    let mut command = command(program);
    command.args(arguments);
    let shown = shown(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| start_error(program, source))?;
    if let Some(mut pipe) = child.stdin.take()
        && let Err(source) = pipe.write_all(input)
        && source.kind() != std::io::ErrorKind::BrokenPipe
    {
        return Err(ToolError::Start { program: program.to_owned(), source });
    }
    let output = child.wait_with_output().map_err(|source| ToolError::Start { program: program.to_owned(), source })?;
    if output.status.success() { Ok(output) } else { Err(failed(shown, &output)) }
}

fn failed(command: String, output: &Output) -> ToolError {
    let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    ToolError::Failed { command, status: output.status, output: last_lines(&text, LINES_KEPT) }
}

/// The command line as a person would write it, without any environment.
fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// The last `count` lines that are not empty.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_missing_tool_names_its_package() {
        let error = ToolError::Missing { program: "systemd-nspawn".to_owned() };
        assert_eq!(error.hint().unwrap(), "run `apt-get install systemd-container`");
        let absent = run("no-such-program-anywhere", [""; 0]).unwrap_err();
        assert!(matches!(absent, ToolError::Missing { .. }), "{absent:?}");
    }

    #[test]
    fn a_failure_shows_command_and_output() {
        let error = run("sh", ["-c", "echo first; echo second >&2; exit 3"]).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("second") && error.contains("first"), "{error}");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        assert_eq!(last_lines("a\n\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("", 2), "");
    }
}
