//! SSH limits and proxies.

use std::net::IpAddr;

use barque_model::TransportKind;
use ipnet::IpNet;

use crate::evaluate::HostView;
use crate::inspection::ProxySetting;
use crate::{CheckId, Finding};

/// barque's agent, and a person who looks at the same time.
const SESSIONS: u32 = 2;
/// The system's `ssh` shares one connection among the master, the agent and look-ups.
const SESSIONS_SYSTEM: u32 = 4;
/// Connections that barque, a jump and people may be opening at the same time.
const STARTUPS: u32 = 3;

pub(crate) fn find(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    if let Some(limits) = &view.inspection.ssh {
        let sessions = if view.host.ssh.transport == TransportKind::System { SESSIONS_SYSTEM } else { SESSIONS };
        if limits.max_sessions < sessions {
            findings.push(view.finding(
                CheckId::SshSessions,
                format!("`MaxSessions` of sshd is {}: a connection needs at least {sessions} sessions", limits.max_sessions),
                "set `MaxSessions 10` in /etc/ssh/sshd_config on the host, and run `systemctl reload ssh`",
            ));
        }
        if limits.startups_begin < STARTUPS {
            findings.push(view.finding(
                CheckId::SshStartups,
                format!(
                    "`MaxStartups` of sshd begins with {}: connections are refused once so many are not logged in yet",
                    limits.startups_begin
                ),
                "set `MaxStartups 10:30:100` in /etc/ssh/sshd_config on the host, and run `systemctl reload ssh`",
            ));
        }
    }
    for proxy in &view.inspection.proxies {
        proxies(view, proxy, findings);
    }
}

fn proxies(view: &HostView<'_>, proxy: &ProxySetting, findings: &mut Vec<Finding>) {
    let network = &view.cluster.network;
    let vip = view.cluster.load_balancer.as_ref().map(|balancer| balancer.vip);
    let addresses = view.cluster.hosts.iter().map(|host| host.address).chain(vip).map(IpNet::from);
    let ranges = [network.service_cidr, network.pod_cidr].map(IpNet::from);
    let caught: Vec<String> = addresses
        .chain(ranges)
        .filter(|target| !excepted(&proxy.no_proxy, target))
        .map(|target| if target.prefix_len() == target.max_prefix_len() { target.addr().to_string() } else { target.to_string() })
        .collect();
    if caught.is_empty() {
        return;
    }
    findings.push(view.finding(
        CheckId::Proxy,
        format!("{} sets {}, and its NO_PROXY does not except {}", proxy.source, proxy.variable, caught.join(", ")),
        format!("add them to NO_PROXY in {}, separated by commas, or remove the proxy", proxy.source),
    ));
}

/// Whether a value of `NO_PROXY` excepts all of `target`: addresses, ranges, or `*` (golang.org/x/net/http/httpproxy).
fn excepted(no_proxy: &str, target: &IpNet) -> bool {
    no_proxy.split(',').map(str::trim).any(|entry| {
        entry == "*"
            || entry.parse::<IpNet>().is_ok_and(|range| range.contains(target))
            || entry.parse::<IpAddr>().is_ok_and(|address| IpNet::from(address).contains(target))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        let target = |text: &str| text.parse::<IpNet>().unwrap();
        assert!(excepted("localhost, 10.0.0.0/8", &target("10.1.2.3/32")));
        assert!(excepted("10.1.2.3", &target("10.1.2.3/32")) && excepted("*", &target("10.96.0.0/16")));
        assert!(!excepted("10.96.0.0/24", &target("10.96.0.0/16")) && !excepted("", &target("10.1.2.3/32")));
    }
}
