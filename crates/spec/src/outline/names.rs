//! Names for hosts that have none.

use std::collections::BTreeSet;

use barque_model::{HostName, Role};

use super::OutlineHost;

/// What a host is first of all; also the order in which hosts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Balancer,
    Etcd,
    Master,
    Node,
}

impl Kind {
    fn of(host: &OutlineHost) -> Self {
        if host.roles.contains(&Role::Master) {
            Self::Master
        } else if host.roles.contains(&Role::Node) {
            Self::Node
        } else if host.roles.contains(&Role::Etcd) {
            Self::Etcd
        } else {
            Self::Balancer
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Balancer => "lb",
            Self::Etcd => "etcd",
            Self::Master => "m",
            Self::Node => "n",
        }
    }
}

/// The hosts in the order in which they are written, each with a name: its own, or `m1`, `n1`, `lb1`, `etcd1` and so on.
pub(super) fn named(hosts: &[OutlineHost]) -> Vec<(HostName, &OutlineHost)> {
    let mut sorted: Vec<&OutlineHost> = hosts.iter().collect();
    sorted.sort_by_key(|host| Kind::of(host));
    let mut taken: BTreeSet<HostName> = hosts.iter().filter_map(|host| host.name.clone()).collect();
    let mut named = Vec::with_capacity(hosts.len());
    for host in sorted {
        let name = host.name.clone().unwrap_or_else(|| free(Kind::of(host), &taken));
        taken.insert(name.clone());
        named.push((name, host));
    }
    named
}

fn free(kind: Kind, taken: &BTreeSet<HostName>) -> HostName {
    let candidates = (1_u32..).filter_map(|number| format!("{}{number}", kind.prefix()).parse().ok());
    candidates.into_iter().find(|name| !taken.contains(name)).expect("there are more numbers than hosts")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Outline, parse_hosts};
    use super::*;

    #[test]
    fn names_follow_roles_and_avoid_those_taken() {
        let mut outline = Outline::default();
        for (role, list) in [
            (Role::Node, "10.0.0.6,m1=10.0.0.7"),
            (Role::Master, "10.0.0.1-2"),
            (Role::Etcd, "10.0.0.3"),
            (Role::LoadBalancer, "10.0.0.4-5,10.0.0.1"),
        ] {
            outline.give(role, parse_hosts(list).unwrap()).unwrap();
        }
        let shown: Vec<String> = named(&outline.hosts).iter().map(|(name, host)| format!("{name}={}", host.address)).collect();
        assert_eq!(shown, ["lb1=10.0.0.4", "lb2=10.0.0.5", "etcd1=10.0.0.3", "m2=10.0.0.1", "m3=10.0.0.2", "n1=10.0.0.6", "m1=10.0.0.7"]);
    }
}
