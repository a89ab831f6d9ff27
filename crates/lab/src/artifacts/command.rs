//! Runs programs and keeps what they say.

use std::io;
use std::process::{Command, Output, Stdio};

use super::ArtifactError;

/// Lines of stderr that an error shows.
const TAIL_LINES: usize = 20;

/// Runs `command` to its end; fails if it cannot start or does not exit with 0.
pub(super) fn run(command: &mut Command) -> Result<Output, ArtifactError> {
    let output = run_any(command)?;
    if output.status.success() {
        return Ok(output);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = stderr.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    Err(ArtifactError::CommandFailed { command: describe(command), status: output.status.to_string(), tail })
}

/// Runs `command` to its end, whatever its exit status.
pub(super) fn run_any(command: &mut Command) -> Result<Output, ArtifactError> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Ok(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(ArtifactError::ProgramMissing { program: command.get_program().to_string_lossy().into_owned() })
        }
        Err(source) => Err(ArtifactError::Io { action: format!("run `{}`", describe(command)), source }),
    }
}

fn describe(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn shows_the_end_of_what_a_failed_program_said() {
        let error = run(Command::new("sh").args(["-c", "seq 1 30 >&2; exit 3"])).unwrap_err();
        let ArtifactError::CommandFailed { status, tail, .. } = error else { panic!("{error}") };
        assert!(status.contains('3') && tail.starts_with("11\n") && tail.ends_with("30"), "{status}: {tail}");
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(matches!(&error, ArtifactError::ProgramMissing { program } if program == "no-such-program-here"), "{error}");
    }
}
