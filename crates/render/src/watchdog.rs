//! The watchdog: starts again what systemd has given up on.
//!
//! systemd restarts a dead process at once, but a unit that has hit its start limit stays dead. A timer looks for such units every minute.

use barque_model::{Component, Host, HostFile};

use crate::header::managed;
use crate::unit::STRICT;

/// The watchdog's unit that is enabled and started.
pub const WATCHDOG_TIMER: &str = "barque-watchdog.timer";

/// The files that [`WATCHDOG_TIMER`] needs, beside itself the service and its script.
pub const WATCHDOG_FILES: [&str; 3] = [SCRIPT, "/etc/systemd/system/barque-watchdog.service", "/etc/systemd/system/barque-watchdog.timer"];

/// Folder with a file for each unit that was started again within the last [`WATCHDOG_WINDOW_SECONDS`], one line per attempt: the host's
/// clock in seconds since 1970 UTC.
pub const WATCHDOG_STATE: &str = "/run/barque/watchdog";

/// Attempts within [`WATCHDOG_WINDOW_SECONDS`] after which a unit is left alone.
pub const WATCHDOG_ATTEMPTS: u32 = 3;

/// How long an attempt counts.
pub const WATCHDOG_WINDOW_SECONDS: u32 = 3600;

/// Folder of the script.
pub(crate) const FOLDER: &str = "/usr/local/lib/barque";
const SCRIPT: &str = "/usr/local/lib/barque/watchdog.sh";

/// Script, service and timer of `host`.
pub(crate) fn files(host: &Host) -> Vec<HostFile> {
    let units: Vec<String> = Component::ALL.into_iter().filter(|component| host.runs(*component)).map(Component::unit).collect();
    let [_, service_path, timer_path] = WATCHDOG_FILES;
    vec![
        HostFile::public(SCRIPT, format!("#!/bin/sh\n{}", managed(&script(&units)))).with_mode(0o755),
        HostFile::public(service_path, managed(&service())),
        HostFile::public(timer_path, managed(TIMER)),
    ]
}

/// Needs sh, systemctl, date, mkdir, rm and tr only.
fn script(units: &[String]) -> String {
    format!(
        "\
# Starts units again that systemd has given up on (`failed`), {WATCHDOG_ATTEMPTS} times within an hour at most. A unit that somebody stopped is left
# alone; one that ends with an error while it is stopped counts as failed, and `systemctl mask UNIT` keeps it down.
# A line per attempt, the time in seconds, lies in {WATCHDOG_STATE}/UNIT for as long as it counts.
set -eu

units='{units}'
attempts={WATCHDOG_ATTEMPTS}
# Tests have a folder of their own.
state=${{BARQUE_WATCHDOG_STATE:-{WATCHDOG_STATE}}}
now=$(date +%s)
oldest=$((now - {WATCHDOG_WINDOW_SECONDS}))

# Sets `count` to the attempts in file $1 that still count, and leaves only those in it.
count_attempts() {{
    count=0
    kept=
    [ -f \"$1\" ] || return 0
    while read -r time; do
        case $time in
        '' | *[!0-9]*) continue ;;
        esac
        # Later than now: from before the clock was set back.
        if [ \"$time\" -gt \"$oldest\" ] && [ \"$time\" -le \"$now\" ]; then
            count=$((count + 1))
            kept=\"$kept$time
\"
        fi
    done <\"$1\"
    if [ \"$count\" -eq 0 ]; then
        rm -f \"$1\"
    else
        printf '%s' \"$kept\" >\"$1\"
    fi
}}

mkdir -p \"$state\"
for unit in $units; do
    count_attempts \"$state/$unit\"
    systemctl is-failed --quiet -- \"$unit\" || continue
    [ \"$(systemctl show -p LoadState --value -- \"$unit\")\" != masked ] || continue
    reason=$(systemctl show -p Result,ExecMainStatus,NRestarts -- \"$unit\" | tr '\\n' ' ')
    reason=${{reason% }}
    if [ \"$count\" -ge \"$attempts\" ]; then
        echo \"$unit is failed ($reason) and was started $count times within an hour: it is left alone until the hour has passed, see journalctl -u $unit\"
        continue
    fi
    # Written first: should this script die here, the attempt counts.
    echo \"$now\" >>\"$state/$unit\"
    echo \"$unit is failed ($reason): it is started again, attempt $((count + 1)) of $attempts within an hour\"
    # Not waited for: a slow start of one must not keep the others waiting. The next look tells whether it helped.
    if ! {{ systemctl reset-failed -- \"$unit\" && systemctl start --no-block -- \"$unit\"; }}; then
        echo \"$unit cannot be started\"
    fi
done
",
        units = units.join(" "),
    )
}

fn service() -> String {
    format!(
        "\
[Unit]
Description=Starts barque's units again that systemd has given up on

[Service]
Type=oneshot
ExecStart={SCRIPT}
TimeoutStartSec=45
# Keeps the count of attempts until the next boot.
RuntimeDirectory=barque/watchdog
RuntimeDirectoryPreserve=yes
# What it prints is worth a warning; that it ran, every minute, is not worth a line.
SyslogLevel=warning
LogLevelMax=notice
{STRICT}RestrictAddressFamilies=AF_UNIX
"
    )
}

const TIMER: &str = "\
[Unit]
Description=Looks every minute for barque's units that systemd has given up on

[Timer]
# After a boot the units get two minutes to come up by themselves.
OnBootSec=120
OnUnitActiveSec=60
AccuracySec=1

[Install]
WantedBy=multi-user.target
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;
    use std::process::Command;

    use fs_err as fs;

    use super::*;

    /// A host with a `systemctl` and a `date` of its own.
    struct FakeHost {
        folder: tempfile::TempDir,
    }

    const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >> "$FAKE/calls"
for unit; do :; done
case "$*" in
is-failed*) grep -qx "$unit" "$FAKE/failed" ;;
*LoadState*) if grep -qx "$unit" "$FAKE/masked"; then echo masked; else echo loaded; fi ;;
show*) printf 'Result=exit-code\nExecMainStatus=1\nNRestarts=5\n' ;;
start*) [ ! -e "$FAKE/refuse" ] ;;
esac
"#;

    impl FakeHost {
        fn new(failed: &str) -> Self {
            let host = Self { folder: tempfile::tempdir().unwrap() };
            fs::create_dir(host.path("bin")).unwrap();
            for (name, text) in [("systemctl", SYSTEMCTL), ("date", "#!/bin/sh\ncat \"$FAKE/now\"\n")] {
                let path = host.path("bin").join(name);
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            for (name, text) in [("failed", failed), ("masked", ""), ("watchdog.sh", &rendered())] {
                fs::write(host.path(name), text).unwrap();
            }
            host
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// Runs the script at a time; answers what it printed, and the units that it started.
        fn run(&self, now: u32) -> (String, Vec<String>) {
            fs::write(self.path("now"), now.to_string()).unwrap();
            fs::write(self.path("calls"), "").unwrap();
            let output = Command::new("sh")
                .arg(self.path("watchdog.sh"))
                .env_clear()
                .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
                .env("FAKE", self.folder.path())
                .env("BARQUE_WATCHDOG_STATE", self.path("state"))
                .output()
                .unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
            let calls = fs::read_to_string(self.path("calls")).unwrap();
            let started = calls.lines().filter_map(|line| line.strip_prefix("start --no-block -- ")).map(str::to_owned).collect();
            (String::from_utf8(output.stdout).unwrap(), started)
        }

        fn attempts(&self, unit: &str) -> String {
            fs::read_to_string(self.path("state").join(unit)).unwrap_or_default()
        }
    }

    fn rendered() -> String {
        format!("#!/bin/sh\n{}", managed(&script(&["etcd.service".to_owned(), "kubelet.service".to_owned()])))
    }

    #[test]
    fn a_failed_unit_is_started_and_no_other() {
        let host = FakeHost::new("etcd.service\nforeign.service\n");
        let (said, started) = host.run(10_000);
        assert_eq!(
            said,
            "etcd.service is failed (Result=exit-code ExecMainStatus=1 NRestarts=5): it is started again, attempt 1 of 3 within an hour\n"
        );
        assert_eq!(started, ["etcd.service"]);
        assert_eq!((host.attempts("etcd.service"), host.attempts("kubelet.service")), ("10000\n".to_owned(), String::new()));
        let calls = fs::read_to_string(host.path("calls")).unwrap();
        let reset = calls.find("reset-failed -- etcd.service").unwrap();
        assert!(reset < calls.find("start --no-block").unwrap(), "{calls}");
    }

    #[test]
    fn nothing_is_said_or_kept_of_a_healthy_host() {
        let host = FakeHost::new("");
        assert_eq!(host.run(10_000), (String::new(), Vec::new()));
        assert_eq!(fs::read_dir(host.path("state")).unwrap().count(), 0);
    }

    #[test]
    fn three_attempts_an_hour_and_no_more() {
        let host = FakeHost::new("etcd.service\n");
        for now in [10_000, 10_060, 10_120] {
            assert_eq!(host.run(now).1, ["etcd.service"], "{now}");
        }
        for now in [10_180, 13_599] {
            let (said, started) = host.run(now);
            assert!(started.is_empty() && said.contains("was started 3 times within an hour: it is left alone"), "{now}: {said}");
        }
        // The first attempt is an hour old.
        assert_eq!(host.run(13_600).1, ["etcd.service"]);
        assert_eq!(host.attempts("etcd.service"), "10060\n10120\n13600\n");
        assert!(host.run(13_630).1.is_empty());
    }

    #[test]
    fn attempts_are_forgotten_when_the_unit_stays_up() {
        let host = FakeHost::new("etcd.service\n");
        host.run(10_000);
        fs::write(host.path("failed"), "").unwrap();
        host.run(13_599);
        assert_eq!(host.attempts("etcd.service"), "10000\n");
        host.run(13_600);
        assert!(!host.path("state").join("etcd.service").exists());
    }

    #[test]
    fn a_masked_unit_is_left_alone() {
        let host = FakeHost::new("etcd.service\nkubelet.service\n");
        fs::write(host.path("masked"), "etcd.service\n").unwrap();
        assert_eq!(host.run(10_000).1, ["kubelet.service"]);
    }

    #[test]
    fn a_start_that_is_refused_counts_and_the_next_unit_has_its_turn() {
        let host = FakeHost::new("etcd.service\nkubelet.service\n");
        fs::write(host.path("refuse"), "").unwrap();
        let (said, started) = host.run(10_000);
        assert!(said.contains("etcd.service cannot be started\n"), "{said}");
        assert_eq!(started, ["etcd.service", "kubelet.service"]);
        assert_eq!(host.attempts("kubelet.service"), "10000\n");
    }

    #[test]
    fn a_damaged_count_is_no_obstacle() {
        let host = FakeHost::new("etcd.service\n");
        fs::create_dir(host.path("state")).unwrap();
        fs::write(host.path("state").join("etcd.service"), "garbage\n\n99999\n9900\n-5\n").unwrap();
        assert_eq!(host.run(10_000).1, ["etcd.service"]);
        assert_eq!(host.attempts("etcd.service"), "9900\n10000\n");
    }

    #[test]
    fn shellcheck_finds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watchdog.sh");
        fs::write(&path, rendered()).unwrap();
        // A gate of `cargo xtask ci` needs shellcheck too.
        let output = Command::new("shellcheck").arg("--shell=sh").arg(&path).output().expect("shellcheck is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
