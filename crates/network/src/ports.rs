//! Ports that components use, and ranges of ports.

use barque_model::{Component, PortRange};

/// Ports that components listen on: port, component, use.
pub const COMPONENT_PORTS: [(u16, Component, &str); 11] = [
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

/// Ports that Linux gives to outgoing connections by default (`net.ipv4.ip_local_port_range`).
pub(crate) const EPHEMERAL: PortRange = PortRange { first: 32768, last: 60999 };

/// Why a text is not a range of ports. The message goes on from the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPorts {
    /// No hyphen.
    #[error("is not a range of ports")]
    NoRange,
    /// Something that is no port.
    #[error("is not two ports from 1 to 65535 with a hyphen between them")]
    NoPorts,
    /// First and last are the wrong way round.
    #[error("begins after its end")]
    Reversed,
}

/// Reads `first-last`, both inclusive.
pub fn parse_ports(text: &str) -> Result<PortRange, InvalidPorts> {
    let port = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0).ok_or(InvalidPorts::NoPorts)
    };
    let (first, last) = text.split_once('-').ok_or(InvalidPorts::NoRange)?;
    let (first, last) = (port(first.trim())?, port(last.trim())?);
    if first > last { Err(InvalidPorts::Reversed) } else { Ok(PortRange { first, last }) }
}

/// Whether `port` lies in `range`.
pub fn contains_port(range: PortRange, port: u16) -> bool {
    (range.first..=range.last).contains(&port)
}

/// Ports of a range; both ends belong to it.
pub fn port_count(range: PortRange) -> u32 {
    (u32::from(range.last) + 1).saturating_sub(u32::from(range.first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_inclusive() {
        let ports = parse_ports("30000-32767");
        assert_eq!(ports, Ok(PortRange { first: 30000, last: 32767 }));
        assert!(ports.is_ok_and(|ports| contains_port(ports, 32767) && contains_port(ports, 30000) && !contains_port(ports, 32768)));
        assert_eq!(ports.map(port_count), Ok(2768));
        assert_eq!(parse_ports("1-65535").map(port_count), Ok(65535));
        for bad in ["", "30000", "2-1", "0-5", "1-65536", "a-b", "-", "+1-5"] {
            assert!(parse_ports(bad).is_err(), "{bad}");
        }
    }
}
