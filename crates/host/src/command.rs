//! Runs programs: no shell, a clean environment, bounded output, a time limit.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use barque_event::Failure;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes of standard output kept (what follows is read and dropped).
const OUTPUT_LIMIT: usize = 8 << 20;
/// Lines of output that a failure shows.
const SHOWN_LINES: usize = 20;
/// Output may stay open after the program's end, held by a daemon that it has started; waited for so long at most.
const OUTPUT_GRACE: Duration = Duration::from_secs(1);

/// A program and its arguments.
#[derive(Debug, Clone)]
pub struct Command {
    program: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    timeout: Duration,
}

/// What a program left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit status; 128 and the signal's number when a signal ended it.
    pub status: i32,
    /// Standard output, the first 8 MiB.
    pub stdout: String,
    /// Standard error, the first 8 MiB.
    pub stderr: String,
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("failed to run `{command}`: {source}")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("`{command}` was stopped after {seconds} s")]
    Timeout {
        /// The command line.
        command: String,
        /// The limit in seconds.
        seconds: u64,
    },
    /// It said no.
    #[error("`{command}` ended with status {status}")]
    Status {
        /// The command line.
        command: String,
        /// Exit status.
        status: i32,
        /// Its last 20 lines of output.
        output: Vec<String>,
    },
}

impl CommandError {
    /// Whether the program is not installed.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            CommandError::Start { command, .. } | CommandError::Timeout { command, .. } => Self { command: Some(command), ..failure },
            CommandError::Status { command, status, output } => {
                Self { command: Some(command), exit_status: Some(status), output, ..failure }
            }
        }
    }
}

impl Command {
    /// `program` with `arguments` and a limit of 60 s.
    pub fn new<I, A>(program: &str, arguments: I) -> Self
    where
        I: IntoIterator<Item = A>,
        A: Into<String>,
    {
        Self {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            timeout: Duration::from_mins(1),
        }
    }

    /// The same with another time limit.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The same with one more environment variable. Never a secret: other processes can read it.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command line, for people.
    pub fn line(&self) -> String {
        std::iter::once(&self.program).chain(&self.arguments).map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Runs it; any exit status is an answer.
    pub async fn output(&self) -> Result<Output, CommandError> {
        let start_error = |source| CommandError::Start { command: self.line(), source };
        let mut child = tokio::process::Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env("HOME", "/root")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(start_error)?;
        let stdout = tokio::spawn(read_bounded(child.stdout.take()));
        let stderr = tokio::spawn(read_bounded(child.stderr.take()));
        let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw));
        let Ok(status) = tokio::time::timeout(self.timeout, child.wait()).await else {
            drop(group);
            let _reaped = child.wait().await;
            return Err(CommandError::Timeout { command: self.line(), seconds: self.timeout.as_secs() });
        };
        let status = status.map_err(start_error)?;
        // It has ended by itself; what it left running on purpose goes on.
        group.0 = None;
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        let status = status.code().unwrap_or(128 + signal.unwrap_or(0));
        Ok(Output { status, stdout: collected(stdout).await, stderr: collected(stderr).await })
    }

    /// Runs it; a status other than 0 is an error.
    pub async fn run(&self) -> Result<Output, CommandError> {
        let output = self.output().await?;
        if output.status == 0 { Ok(output) } else { Err(self.failed(&output)) }
    }

    /// The error of a run whose status is not as wanted.
    pub fn failed(&self, output: &Output) -> CommandError {
        let lines: Vec<&str> = output.stdout.lines().chain(output.stderr.lines()).collect();
        let shown = lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES)).map(|line| (*line).to_owned()).collect();
        CommandError::Status { command: self.line(), status: output.status, output: shown }
    }
}

/// A program with all that it started, killed together unless it has ended before: a maintainer script must not go on after its dpkg was
/// killed, or after whoever asked for the program is gone.
struct Group(Option<rustix::process::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _already_gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

async fn read_bounded(source: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut source) = source else { return kept };
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = source.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let room = OUTPUT_LIMIT.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..count.min(room)]);
    }
    kept
}

async fn collected(reader: tokio::task::JoinHandle<Vec<u8>>) -> String {
    let abort = reader.abort_handle();
    let bytes = match tokio::time::timeout(OUTPUT_GRACE, reader).await {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(_held_open) => {
            abort.abort();
            Vec::new()
        }
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn captures_status_and_output() {
        let output = Command::new("sh", ["-c", "echo out; echo err >&2; exit 3"]).output().await.unwrap();
        assert_eq!((output.status, output.stdout.as_str(), output.stderr.as_str()), (3, "out\n", "err\n"));
        let error = Command::new("sh", ["-c", "echo why; exit 1"]).run().await.unwrap_err();
        assert!(matches!(error, CommandError::Status { status: 1, output, .. } if output == ["why"]));
    }

    #[tokio::test]
    async fn ends_a_command_that_takes_too_long() {
        let started = std::time::Instant::now();
        let command = Command::new("sh", ["-c", "sleep 30 & sleep 30"]).timeout(Duration::from_millis(200));
        assert!(matches!(command.run().await, Err(CommandError::Timeout { .. })));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn ends_with_all_that_it_started_when_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let (begun, done) = (folder.path().join("begun"), folder.path().join("done"));
        let script = format!("(touch {}; sleep 1; touch {}) & wait", begun.display(), done.display());
        let running = tokio::spawn(async move { Command::new("sh", ["-c", &script]).output().await });
        while !begun.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!done.exists(), "a child went on");
    }

    #[tokio::test]
    async fn knows_a_missing_program() {
        assert!(Command::new("barque-no-such-program", ["x"]).run().await.unwrap_err().is_missing());
    }
}
