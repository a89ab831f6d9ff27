//! SSH connections to hosts: moves bytes and starts processes, and knows nothing of steps.
//!
//! Two transports stand behind one trait, [`Transport`]: [`RusshTransport`] speaks SSH in this process, [`SystemSshTransport`] runs the
//! system's `ssh` program for what only that can do. [`SshTransport`] picks the one that a host asks for. [`launch()`] then runs one
//! executable, known by its SHA-256, as root on the host, over a single channel.

mod authenticate;
mod builtin;
mod channel;
mod classify;
mod connection;
mod error;
mod executable;
mod host_key;
mod key_ring;
mod known_hosts;
mod launch;
mod launch_error;
mod launch_script;
mod limit;
mod process;
mod quote;
mod session;
mod settings;
mod ssh_config;
mod system;

pub use builtin::RusshTransport;
pub use connection::{Connection, SshTransport, Transport};
pub use error::ConnectError;
pub use executable::Executable;
pub use host_key::{AcceptedHostKey, HostKeyPolicy};
pub use launch::{AGENT_DIRECTORY, Escalation, Launched, launch, launch_in, launch_unseen, launch_unseen_in};
pub use launch_error::LaunchError;
pub use process::{ExitStatus, Process, ProcessExit};
pub use settings::{Prompt, Settings, SshConfig};
pub use system::SystemSshTransport;
