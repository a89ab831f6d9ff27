//! The unit that loads the rules at boot and when they change.

use barque_model::{HostFile, RUN_MARKER};

use crate::rule_set::FIREWALL_SCRIPT;

/// The unit's name.
pub const FIREWALL_UNIT: &str = "barque-firewall.service";
/// Where its file lies.
const PLACE: &str = "/etc/systemd/system/barque-firewall.service";

/// The unit's file. It loads before any interface is up, so that no packet comes before the rules; and after the dead-man switch, which may
/// have to take unconfirmed rules back first. A reload replaces the rules without a moment between.
pub fn service() -> HostFile {
    HostFile::public(
        PLACE,
        format!(
            "\
# Managed by barque, run {RUN_MARKER}. Edits here are lost: `barque firewall apply` writes it, `barque firewall remove` takes it away.
[Unit]
Description=Packet filter of the cluster
DefaultDependencies=no
RequiresMountsFor=/etc /usr
After=local-fs.target barque-dead-man.service
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={FIREWALL_SCRIPT} load
ExecReload={FIREWALL_SCRIPT} load
ExecStop={FIREWALL_SCRIPT} unload

[Install]
WantedBy=multi-user.target
"
        ),
    )
}
