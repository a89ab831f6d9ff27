//! Ports that components use, and ranges of ports.

use barque_model::{Component, PortRange};

/// Ports that components listen on: port, component, use.
pub(crate) const USED: [(u16, Component, &str); 11] = [
    (2379, Component::Etcd, "clients"),
    (2380, Component::Etcd, "peers"),
    (2381, Component::Etcd, "health and metrics, loopback"),
    (6443, Component::KubeApiserver, "the API"),
    (10257, Component::KubeControllerManager, "health and metrics"),
    (10259, Component::KubeScheduler, "health and metrics"),
    (10248, Component::Kubelet, "health, loopback"),
    (10250, Component::Kubelet, "the kubelet's API"),
    (10249, Component::KubeProxy, "metrics, loopback"),
    (10256, Component::KubeProxy, "health"),
    (8472, Component::Flanneld, "VXLAN, UDP"),
];

/// Reads `first-last`; the error says what is wrong.
pub(crate) fn range(text: &str) -> Result<PortRange, &'static str> {
    let port = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0).ok_or("is not two ports from 1 to 65535 with a hyphen between them")
    };
    let (first, last) = text.split_once('-').ok_or("is not a range of ports")?;
    let (first, last) = (port(first.trim())?, port(last.trim())?);
    if first > last { Err("begins after its end") } else { Ok(PortRange { first, last }) }
}

/// Whether `port` lies in `range`.
pub(crate) fn contains(range: PortRange, port: u16) -> bool {
    (range.first..=range.last).contains(&port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_inclusive() {
        let ports = range("30000-32767");
        assert_eq!(ports, Ok(PortRange { first: 30000, last: 32767 }));
        assert!(ports.is_ok_and(|ports| contains(ports, 32767) && contains(ports, 30000) && !contains(ports, 32768)));
        for bad in ["", "30000", "2-1", "0-5", "1-65536", "a-b", "-", "+1-5"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
