//! systemd units.

use std::fmt::Write as _;

use barque_model::{Component, HostFile};

use crate::header::managed;

/// How far a service is kept from the rest of its host.
///
/// Only directives are used that systemd skips by itself where it lacks the privilege for them (unprivileged containers), see systemd.exec(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sandbox {
    /// Manages the host itself (containers, networks, mounts).
    None,
    /// Reads its configuration and writes below the given paths only.
    Strict(&'static str),
}

/// Lines of `[Service]` for what reads its configuration and writes to few places.
pub(crate) const STRICT: &str = "NoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\nProtectControlGroups=yes\nProtectKernelTunables=yes\nProtectKernelModules=yes\nRestrictSUIDSGID=yes\nRestrictRealtime=yes\nLockPersonality=yes\n";

/// What differs between the services.
pub(crate) struct Service<'a> {
    pub(crate) component: Component,
    pub(crate) description: &'a str,
    pub(crate) documentation: &'a str,
    /// Units after which it starts.
    pub(crate) after: &'a [&'a str],
    /// Units that are started with it.
    pub(crate) wants: &'a [&'a str],
    /// `notify` when the program tells systemd that it is ready, else `exec`.
    pub(crate) kind: &'a str,
    /// File with `ARGS`.
    pub(crate) environment_file: &'a str,
    /// Further lines of `[Service]`.
    pub(crate) lines: &'a [String],
    pub(crate) sandbox: Sandbox,
    /// Seconds until a start counts as failed.
    pub(crate) start_timeout: u32,
    /// Seconds between SIGTERM and SIGKILL.
    pub(crate) stop_timeout: u32,
}

impl Service<'_> {
    /// The unit file, mode 0644.
    pub(crate) fn file(&self) -> HostFile {
        HostFile::public(format!("/etc/systemd/system/{}", self.component.unit()), managed(&self.text()))
    }

    fn text(&self) -> String {
        let program = self.component.program();
        let with_network = |units: &[&str]| [&["network-online.target"], units].concat().join(" ");
        let (wants, after) = (with_network(self.wants), with_network(self.after));
        let mut text = format!(
            "[Unit]\nDescription={}\nDocumentation={}\nWants={wants}\nAfter={after}\n# Never give up: what it waits for may be away for hours.\nStartLimitIntervalSec=0\n\n",
            self.description, self.documentation
        );
        let _ = write!(
            text,
            "[Service]\nType={}\nEnvironmentFile={}\nExecStart=/usr/local/bin/{program} $ARGS\nRestart=always\nRestartSec=1\nTimeoutStartSec={}\nTimeoutStopSec={}\nLimitNOFILE=1048576\n",
            self.kind, self.environment_file, self.start_timeout, self.stop_timeout
        );
        for line in self.lines {
            text.push_str(line);
            text.push('\n');
        }
        if let Sandbox::Strict(writable) = self.sandbox {
            text.push_str(STRICT);
            if !writable.is_empty() {
                let _ = writeln!(text, "ReadWritePaths={writable}");
            }
        }
        text.push_str("\n[Install]\nWantedBy=multi-user.target\n");
        text
    }
}
