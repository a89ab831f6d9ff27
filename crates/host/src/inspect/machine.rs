//! Machine, init system, security modules.

use std::time::Duration;

use barque_check::System;

use super::read::{exists, line};
use crate::command::Command;
use crate::context::HostContext;

/// Programs that only say something about themselves.
const CALL: Duration = Duration::from_secs(2);

/// All but systemd's version.
pub(super) fn system(context: &HostContext) -> System {
    System {
        // systemd writes the first where it finds itself in a container (org.freedesktop "The Container Interface").
        container: exists(context, "/run/systemd/container") || exists(context, "/.dockerenv"),
        systemd: None,
        product_uuid: line(context, "/sys/class/dmi/id/product_uuid"),
        selinux_enforcing: line(context, "/sys/fs/selinux/enforce").as_deref() == Some("1"),
        apparmor: line(context, "/sys/module/apparmor/parameters/enabled").as_deref() == Some("Y"),
        apparmor_parser: ["/sbin", "/usr/sbin"].iter().any(|folder| exists(context, &format!("{folder}/apparmor_parser"))),
    }
}

/// From `systemctl --version`.
pub(super) async fn systemd_version() -> Option<u32> {
    let output = Command::new("systemctl", ["--version"]).timeout(CALL).run().await.ok()?;
    version(&output.stdout)
}

/// `systemd 257 (257.8-1~deb13u2)`.
fn version(text: &str) -> Option<u32> {
    text.lines().next()?.strip_prefix("systemd ")?.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version("systemd 257 (257.8-1~deb13u2)\n+PAM +AUDIT\n"), Some(257));
        assert_eq!(version("systemd 256~rc3\n"), Some(256));
        assert_eq!(version("bash: systemctl: command not found\n"), None);
    }
}
