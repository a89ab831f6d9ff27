//! Why an executable cannot be run as root on a host.

use crate::error::ConnectError;
use crate::process::ExitStatus;

/// Why [`launch`](crate::launch()) failed. Nothing but barque's own directory was touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The command could not be started at all.
    #[error("cannot start a command on {host}")]
    Connect {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: ConnectError,
    },
    /// sudo does not take the password. It is not asked for again: hosts lock accounts.
    #[error("sudo on {host} does not take the password")]
    SudoPassword {
        /// The host.
        host: String,
    },
    /// sudo wants a password and the cluster file says that it does not.
    #[error("sudo on {host} wants a password")]
    SudoPasswordNeeded {
        /// The host.
        host: String,
    },
    /// The login user may not become root.
    #[error("the login user may not use sudo on {host}: {words}")]
    SudoNotAllowed {
        /// The host.
        host: String,
        /// What sudo says.
        words: String,
    },
    /// sudo wants a terminal (`requiretty`).
    #[error("sudo on {host} wants a terminal (`requiretty`)")]
    SudoTerminal {
        /// The host.
        host: String,
    },
    /// There is no sudo.
    #[error("{host} has no sudo")]
    SudoMissing {
        /// The host.
        host: String,
    },
    /// The commands do not run as root, and no sudo was asked for.
    #[error("the login user on {host} is not root")]
    NotRoot {
        /// The host.
        host: String,
    },
    /// A program that every host has is missing.
    #[error("{host} has no `{tool}`")]
    ToolMissing {
        /// The host.
        host: String,
        /// The program.
        tool: String,
    },
    /// Nothing can be written to the directory.
    #[error("cannot write `{directory}` on {host}: {cause}")]
    Storage {
        /// The host.
        host: String,
        /// The directory.
        directory: String,
        /// Such as `no space left on device`.
        cause: String,
    },
    /// Programs in the directory may not be run (`noexec`).
    #[error("programs in `{directory}` on {host} may not be run (mounted noexec?)")]
    NotExecutable {
        /// The host.
        host: String,
        /// The directory.
        directory: String,
    },
    /// What arrived is not what was sent.
    #[error("{host} received other bytes than were sent")]
    Corrupted {
        /// The host.
        host: String,
    },
    /// The host did not say what to do next in time.
    #[error("{host} does not answer within {seconds} s{}", said(output))]
    Silent {
        /// The host.
        host: String,
        /// The limit.
        seconds: u64,
        /// Its last lines on standard error.
        output: Vec<String>,
    },
    /// The command ended too early.
    #[error("{host} ended the command with {status}{}", said(output))]
    Ended {
        /// The host.
        host: String,
        /// How.
        status: ExitStatus,
        /// Its last lines on standard error.
        output: Vec<String>,
    },
}

fn said(output: &[String]) -> String {
    output.last().map(|line| format!(", last words `{line}`")).unwrap_or_default()
}

impl LaunchError {
    /// Whether the login works and root is not reached.
    pub const fn is_escalation(&self) -> bool {
        matches!(
            self,
            Self::SudoPassword { .. }
                | Self::SudoPasswordNeeded { .. }
                | Self::SudoNotAllowed { .. }
                | Self::SudoTerminal { .. }
                | Self::SudoMissing { .. }
                | Self::NotRoot { .. }
        )
    }

    /// Whether the same attempt can succeed a moment later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { source, .. } => source.is_retryable(),
            Self::Corrupted { .. } | Self::Ended { status: ExitStatus::Lost, .. } => true,
            _ => false,
        }
    }

    /// What to do about it, naming a command.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Connect { source, .. } => return source.hint(),
            Self::SudoPassword { .. } => "log in and try `sudo -k true`; then run the same command with the right password".to_owned(),
            Self::SudoPasswordNeeded { .. } => {
                "set `ssh.sudo: password` for the host, or let `sudo -n true` succeed there (NOPASSWD in sudoers)".to_owned()
            }
            Self::SudoNotAllowed { .. } => {
                "as root on the host: `usermod -aG sudo USER` (wheel on Red Hat), or log in as another user".to_owned()
            }
            Self::SudoTerminal { .. } => "remove `Defaults requiretty` with `visudo` on the host".to_owned(),
            Self::SudoMissing { .. } => "install it with `apt-get install sudo` or `dnf install sudo`, or log in as root".to_owned(),
            Self::NotRoot { .. } => "set `ssh.sudo: passwordless` or `ssh.sudo: password` for the host in the cluster file".to_owned(),
            Self::ToolMissing { tool, .. } => format!("install coreutils; `command -v {tool}` must print a path for root"),
            Self::Storage { directory, .. } => {
                format!("look at `df -h {directory}` and `findmnt -T {directory}` on the host and make room")
            }
            Self::NotExecutable { directory, .. } => {
                format!("find the mount with `findmnt -T {directory}`, then `mount -o remount,exec` it and mend /etc/fstab")
            }
            Self::Corrupted { .. } => "run the same command again; if it repeats, test the host's memory and disk (`dmesg`)".to_owned(),
            Self::Silent { .. } | Self::Ended { .. } => {
                "`ssh HOST true` must end at once and without output; look at the login shell's start files and sshd's log".to_owned()
            }
        })
    }
}

/// What sudo's (or env's) words on standard error mean.
pub(crate) fn sudo_failure(stderr: &str, host: &str) -> Option<LaunchError> {
    let host = host.to_owned();
    let line = |words: &[&str]| stderr.lines().map(str::trim).find(|line| words.iter().any(|word| line.contains(word)));
    if line(&["must have a tty", "no tty present", "a terminal is required"]).is_some() {
        return Some(LaunchError::SudoTerminal { host });
    }
    if let Some(words) = line(&["is not in the sudoers file", "is not allowed to", "may not run sudo", "account validation failure"]) {
        return Some(LaunchError::SudoNotAllowed { host, words: words.to_owned() });
    }
    if line(&["a password is required"]).is_some() {
        return Some(LaunchError::SudoPasswordNeeded { host });
    }
    if line(&["incorrect password attempt", "Sorry, try again", "Authentication failure"]).is_some() {
        return Some(LaunchError::SudoPassword { host });
    }
    let missing = |line: &str| line.contains("sudo") && ["not found", "No such file"].iter().any(|word| line.contains(word));
    if stderr.lines().any(missing) {
        return Some(LaunchError::SudoMissing { host });
    }
    None
}

/// What `barque-fail STEP` means.
pub(crate) fn step_failure(step: &str, stderr: &str, host: &str, directory: &str) -> LaunchError {
    let (host, directory) = (host.to_owned(), directory.to_owned());
    match step.split_once(' ').unwrap_or((step, "")) {
        ("root", _) => LaunchError::NotRoot { host },
        ("tool", tool) => LaunchError::ToolMissing { host, tool: tool.to_owned() },
        ("exec", _) => LaunchError::NotExecutable { host, directory },
        ("hash", _) => LaunchError::Corrupted { host },
        _ => {
            let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("unknown cause");
            let known = ["No space left on device", "Read-only file system", "Disk quota exceeded", "Permission denied", "File exists"];
            let cause = known.iter().find(|words| stderr.contains(**words)).map_or_else(|| last.to_owned(), |words| words.to_lowercase());
            LaunchError::Storage { host, directory, cause }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_of_sudo() {
        type Check = fn(&LaunchError) -> bool;
        let cases: [(&str, Check); 8] = [
            ("sudo: sorry, you must have a tty to run sudo", |e| matches!(e, LaunchError::SudoTerminal { .. })),
            ("ann is not in the sudoers file.  This incident will be reported.", |e| matches!(e, LaunchError::SudoNotAllowed { .. })),
            ("Sorry, user ann is not allowed to execute '/bin/sh -c x' as root on h.", |e| matches!(e, LaunchError::SudoNotAllowed { .. })),
            ("sudo: a password is required", |e| matches!(e, LaunchError::SudoPasswordNeeded { .. })),
            ("Sorry, try again.\nsudo: no password was provided\nsudo: 1 incorrect password attempt", |e| {
                matches!(e, LaunchError::SudoPassword { .. })
            }),
            ("bash: line 1: sudo: command not found", |e| matches!(e, LaunchError::SudoMissing { .. })),
            ("env: 'sudo': No such file or directory", |e| matches!(e, LaunchError::SudoMissing { .. })),
            ("env: can't execute 'sudo': No such file or directory", |e| matches!(e, LaunchError::SudoMissing { .. })),
        ];
        for (stderr, check) in cases {
            let error = sudo_failure(stderr, "h").unwrap();
            assert!(check(&error) && !error.is_retryable() && error.hint().unwrap().contains('`'), "{stderr}: {error:?}");
        }
        assert!(sudo_failure("mkdir: cannot create directory", "h").is_none());
    }

    #[test]
    fn full_disk_is_named() {
        let error = step_failure("write", "head: error writing 'standard output': No space left on device\n", "h", "/d");
        assert_eq!(error.to_string(), "cannot write `/d` on h: no space left on device");
        assert!(matches!(step_failure("tool gzip", "", "h", "/d"), LaunchError::ToolMissing { tool, .. } if tool == "gzip"));
    }
}
