//! Routes to other hosts' pods, which flannel's host-gw backend makes over the hosts' own interface, so that no link takes them along.

use std::net::IpAddr;

use super::network::CALL;
use crate::command::Command;
use crate::context::HostContext;

/// What flannel tells the CNI plugin about the pods' network.
const SUBNET: &str = "/run/flannel/subnet.env";

/// Removes routes within the pods' network that lead over other hosts. Answers with notes.
pub(super) async fn remove(context: &HostContext) -> Vec<String> {
    let text = fs_err::read_to_string(context.path(SUBNET)).unwrap_or_default();
    let mut notes = Vec::new();
    for network in networks(&text) {
        let family = if network.contains(':') { "-6" } else { "-4" };
        // With vxlan there is none anyhow.
        let Ok(listed) = Command::new("ip", [family, "route", "show", "root", network.as_str()]).timeout(CALL).run().await else {
            notes.push(format!("routes within {network} could not be looked for; any that is left is gone after a reboot"));
            continue;
        };
        for route in listed.stdout.lines().filter_map(over_a_host) {
            let words = [family, "route", "delete"].into_iter().chain(route.iter().copied());
            if Command::new("ip", words).timeout(CALL).run().await.is_err() {
                notes.push(format!("the route {} could not be removed; it is gone after a reboot", route.join(" ")));
            }
        }
    }
    notes
}

/// `FLANNEL_NETWORK=10.244.0.0/16` and its like for IPv6; several are separated by commas.
fn networks(text: &str) -> Vec<String> {
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        ["FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"].contains(&key.trim()).then(|| value.trim().trim_matches('"').to_owned())
    };
    let all: Vec<String> = text.lines().filter_map(value).collect();
    all.iter().flat_map(|value| value.split(',')).map(str::trim).filter(|network| is_network(network)).map(str::to_owned).collect()
}

/// An address and a length of at least eight bits: a default route is nobody's pods' network.
fn is_network(text: &str) -> bool {
    let parts = text.split_once('/').and_then(|(address, length)| Some((address.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?)));
    parts.is_some_and(|(_, length)| length >= 8)
}

/// `10.244.1.0/24 via 10.0.0.12 dev eth0 …`: what names the route, when it leads over a host.
fn over_a_host(line: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        [subnet, "via", gateway, "dev", interface, ..] if gateway.parse::<IpAddr>().is_ok() => {
            Some(vec![subnet, "via", gateway, "dev", interface])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_routes_over_hosts_within_the_pods_network() {
        let text = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.0.1/24\nFLANNEL_IPV6_NETWORK=fd00:244::/48\nFLANNEL_MTU=1450\n";
        assert_eq!(networks(text), ["10.244.0.0/16", "fd00:244::/48"]);
        assert!(networks("").is_empty() && networks("FLANNEL_NETWORK=0.0.0.0/0\nFLANNEL_IPV6_NETWORK=-x\n").is_empty());
        assert_eq!(
            over_a_host("10.244.1.0/24 via 10.0.0.12 dev eth0 proto 30 onlink"),
            Some(vec!["10.244.1.0/24", "via", "10.0.0.12", "dev", "eth0"])
        );
        assert_eq!(over_a_host("10.244.0.0/24 dev cni0 proto kernel scope link src 10.244.0.1"), None);
        assert_eq!(over_a_host(""), None);
    }
}
