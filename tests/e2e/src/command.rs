//! Runs programs and keeps what they said.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The command line, for messages.
    pub command: String,
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Finished {
    /// Fails unless the exit code is 0.
    pub fn ok(self) -> Result<Self> {
        self.code(0)
    }

    /// Fails unless the exit code is `code`.
    pub fn code(self, code: i32) -> Result<Self> {
        if self.code != Some(code) {
            bail!("`{}` ended with {:?} in place of {code}\nstdout:\n{}\nstderr:\n{}", self.command, self.code, self.stdout, self.stderr);
        }
        Ok(self)
    }

    /// Fails unless standard output or error contains each of `texts`.
    pub fn says(self, texts: &[&str]) -> Result<Self> {
        for text in texts {
            if !self.stdout.contains(text) && !self.stderr.contains(text) {
                bail!("`{}` does not say `{text}`\nstdout:\n{}\nstderr:\n{}", self.command, self.stdout, self.stderr);
            }
        }
        Ok(self)
    }
}

/// Runs a program to its end.
pub fn run<Arguments, Argument>(program: impl AsRef<OsStr>, arguments: Arguments) -> Result<Finished>
where
    Arguments: IntoIterator<Item = Argument>,
    Argument: AsRef<OsStr>,
{
    let mut command = Command::new(program.as_ref());
    command.args(arguments).stdin(Stdio::null());
    finish(&mut command)
}

/// Runs a prepared command to its end.
pub fn finish(command: &mut Command) -> Result<Finished> {
    let shown = format!("{command:?}").replace('"', "");
    let begun = Instant::now();
    let output = command.output().with_context(|| format!("cannot run `{shown}`"))?;
    Ok(Finished {
        command: shown,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: begun.elapsed(),
    })
}
