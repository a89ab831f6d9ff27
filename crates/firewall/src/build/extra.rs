//! Flows that the cluster file adds.

use barque_model::{Cluster, ExtraFlow, ExtraSource, Host, Role, TransportProtocol};

use super::parties;
use crate::flow::{Flow, FlowId, Party, Passage, Protocol};

pub(crate) fn flows(cluster: &Cluster) -> Vec<Flow> {
    cluster.firewall.extra_flows.iter().map(|extra| flow(cluster, extra)).collect()
}

fn flow(cluster: &Cluster, extra: &ExtraFlow) -> Flow {
    let comes_from = |host: &&Host| Role::ALL.into_iter().any(|role| host.has(role) && extra.from.contains(&ExtraSource::Role(role)));
    let mut from = parties(cluster.hosts.iter().filter(comes_from));
    from.extend(extra.from.iter().filter_map(|source| match source {
        ExtraSource::Pods => Some(Party::Pods),
        ExtraSource::Network(network) => Some(Party::Network((*network).into())),
        ExtraSource::Role(_) => None,
    }));
    if extra.from.is_empty() {
        from.push(Party::Anyone);
    }
    Flow {
        id: FlowId::extra(&extra.name),
        from,
        to: parties(cluster.hosts.iter().filter(|host| extra.to.iter().any(|role| host.has(*role)))),
        protocol: match extra.protocol {
            TransportProtocol::Tcp => Protocol::Tcp,
            TransportProtocol::Udp => Protocol::Udp,
        },
        ports: Some(extra.ports),
        passage: Passage::Network,
    }
}
