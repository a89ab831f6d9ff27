//! keepalived: one balancer at a time holds the VIP.

use std::fmt::Write as _;
use std::net::IpAddr;

use barque_model::{Cluster, Component, Host, HostFile, Vrid};

use crate::args::Args;
use crate::component::RenderFacts;
use crate::header::{OPENING, managed};

/// keepalived's configuration.
pub const KEEPALIVED_FILE: &str = "/etc/keepalived/keepalived.conf";
const CHECK: &str = "/etc/keepalived/check-haproxy";
/// Lines of `[Service]` on every host.
const SERVICE: &str = "EnvironmentFile=/etc/keepalived/keepalived.env\nRestart=always\nRestartSec=1\n";

/// Priority of the first balancer; each further one has one less. With it the VIP moves 3 x `advert_int` + (256 - priority) / 256 seconds
/// after the holder's last word, that is within 3.5 s.
const FIRST_PRIORITY: usize = 200;

/// Says what Debian's unit says and [`SERVICE`], for hosts that have no unit. The shell's `kill`, since small systems have no other.
fn whole_unit() -> HostFile {
    let text = format!(
        "\
[Unit]
Description=keepalived, which holds the address of the API on one load balancer
Documentation=man:keepalived(8) https://keepalived.org
After=network-online.target haproxy.service
Wants=network-online.target haproxy.service
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=/usr/local/sbin/keepalived --dont-fork $DAEMON_ARGS
ExecReload=/bin/sh -c \"kill -HUP $MAINPID\"
{SERVICE}
[Install]
WantedBy=multi-user.target
"
    );
    HostFile::public("/etc/systemd/system/keepalived.service", managed(&text))
}

pub(crate) fn files(cluster: &Cluster, host: &Host, facts: &RenderFacts) -> Vec<HostFile> {
    let Some(balancer) = &cluster.load_balancer else {
        return Vec::new();
    };
    let environment = Args::new().merged(cluster, Component::Keepalived).environment_file("DAEMON_ARGS");
    let drop_in = format!("[Unit]\nStartLimitIntervalSec=0\nWants=haproxy.service\nAfter=haproxy.service\n\n[Service]\n{SERVICE}");
    let mut files = vec![
        HostFile::public("/etc/keepalived/keepalived.env", environment),
        HostFile::public(KEEPALIVED_FILE, managed(&config(cluster, host, balancer, facts))).with_mode(0o600),
        HostFile::public(CHECK, format!("#!/bin/sh\n{}", managed(&check(balancer.port)))).with_mode(0o755),
    ];
    if facts.whole_units {
        files.push(whole_unit());
        // Debian's program does not start without the file that says how it was built, whatever that says.
        files.push(HostFile::public("/etc/keepalived/keepalived.config-opts", managed("as Debian builds it\n")));
    } else {
        files.push(HostFile::public("/etc/systemd/system/keepalived.service.d/10-barque.conf", managed(&drop_in)));
    }
    files
}

/// What a balancer has been told to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeployedBalancer {
    /// The VIP.
    pub vip: IpAddr,
    /// Its virtual router.
    pub vrid: Vrid,
}

/// Reads a configuration that barque wrote, of this or an earlier version. `None` when somebody else wrote it.
pub fn deployed_balancer(text: &str) -> Option<DeployedBalancer> {
    if !text.starts_with(OPENING) {
        return None;
    }
    let mut words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let vrid = words.by_ref().find(|words| words.first() == Some(&"virtual_router_id"))?.get(1)?.parse().ok()?;
    words.by_ref().find(|words| words.first() == Some(&"virtual_ipaddress"))?;
    let (vip, _prefix) = words.next()?.first()?.split_once('/')?;
    Some(DeployedBalancer { vip: vip.parse().ok()?, vrid: Vrid(vrid) })
}

/// Needs sh and grep only: haproxy's master process is alive, and somebody listens on the API's port.
fn check(port: u16) -> String {
    format!(
        "# Succeeds while haproxy runs and listens on port {port}. keepalived runs it every second; after two failures the VIP moves.
read -r pid < /run/haproxy.pid || exit 1
kill -0 \"$pid\" || exit 1
# In /proc/net the port is hexadecimal and state 0A is LISTEN.
exec grep -qsiE '^ *[0-9]+: [0-9A-F]+:{port:04X} [0-9A-F]+:0000 0A ' /proc/net/tcp /proc/net/tcp6
"
    )
}

fn config(cluster: &Cluster, host: &Host, balancer: &barque_model::LoadBalancer, facts: &RenderFacts) -> String {
    let interface = balancer.interface.as_ref().or(facts.interface.as_ref());
    let position = cluster.running(Component::Keepalived).position(|other| other.name == host.name).unwrap_or(0);
    let priority = FIRST_PRIORITY.saturating_sub(position).max(1);
    let mut peers = String::new();
    for peer in cluster.running(Component::Keepalived).filter(|peer| peer.name != host.name) {
        let _ = writeln!(peers, "        {}", peer.address);
    }
    let prefix = if balancer.vip.is_ipv6() { 128 } else { 32 };
    let (interface_line, device) =
        interface.map_or((String::new(), String::new()), |name| (format!("    interface {name}\n"), format!(" dev {name}")));
    format!(
        "\
global_defs {{
    router_id {name}
    # Scripts must be writable by root alone.
    enable_script_security
    script_user root
    vrrp_version 3
    # Repeats the VIP's place to switches that forgot it.
    vrrp_garp_master_refresh 60
}}

vrrp_script haproxy {{
    # No weight: a failure is a fault, and the VIP goes to any other balancer even though nobody preempts.
    script \"{CHECK}\"
    interval 1
    timeout 0.9
    fall 2
    rise 2
}}

vrrp_instance kubernetes-api {{
    # All begin as backup and a returning host takes nothing away: each move of the VIP resets every connection.
    state BACKUP
    nopreempt
{interface_line}    virtual_router_id {vrid}
    priority {priority}
    advert_int 1
    # Unicast: works where multicast is filtered, and a foreign router with the same VRID cannot interfere.
    unicast_src_ip {address}
    unicast_peer {{
{peers}    }}
    virtual_ipaddress {{
        {vip}/{prefix}{device}
    }}
    track_script {{
        haproxy
    }}
}}
",
        name = host.name,
        address = host.address,
        vrid = balancer.vrid.0,
        vip = balancer.vip,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;

    #[test]
    fn what_was_written_is_read_back() {
        let cluster = testing::cluster();
        let host = cluster.running(Component::Keepalived).next().unwrap();
        let balancer = cluster.load_balancer.as_ref().unwrap();
        let text = managed(&config(&cluster, host, balancer, &RenderFacts::default()));
        assert_eq!(deployed_balancer(&text), Some(DeployedBalancer { vip: balancer.vip, vrid: balancer.vrid }));
        assert_eq!(deployed_balancer(text.trim_start_matches('#')), None);
        assert_eq!(deployed_balancer(""), None);
        assert_eq!(deployed_balancer(OPENING), None);
    }
}
