//! A command that runs on a host.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// How a remote command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited by itself.
    Code(u32),
    /// A signal ended it; its name without `SIG`.
    Signal(String),
    /// The connection went away first, so nobody knows.
    Lost,
}

impl ExitStatus {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit status {code}"),
            Self::Signal(name) => write!(formatter, "signal {name}"),
            Self::Lost => formatter.write_str("connection lost"),
        }
    }
}

/// A command that runs on a host, without a terminal.
///
/// Read `stdout` while writing `stdin`: all processes of one connection share it, and one that nobody reads stops the others.
pub struct Process {
    /// Its standard input; `shutdown` or dropping it sends end of file. Writes fail with `BrokenPipe` once the command has ended.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error. What nobody reads is dropped beyond 256 packets, so that it never stops `stdout`.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Its end; dropping this closes the channel, and the command sees its end of file.
    pub exit: ProcessExit,
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Process").finish_non_exhaustive()
    }
}

/// The end of a [`Process`].
pub struct ProcessExit(Pin<Box<dyn Future<Output = ExitStatus> + Send>>);

impl ProcessExit {
    /// Wraps what waits for the end.
    pub(crate) fn new(wait: impl Future<Output = ExitStatus> + Send + 'static) -> Self {
        Self(Box::pin(wait))
    }

    /// Waits for the end of the command.
    pub async fn wait(self) -> ExitStatus {
        self.0.await
    }
}
