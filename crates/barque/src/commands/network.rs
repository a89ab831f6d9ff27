//! `barque network`: the network plan worked out, from the cluster file or from flags alone.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use barque_engine::Context;
use barque_event::exit;
use barque_firewall::{Matrix, Party, Passage, matrix};
use barque_model::{Cluster, FlannelBackend, PortRange};
use barque_network::{End, Family, Link, NetworkInput, PodRange, Topology, picture, work_out};
use ipnet::{IpNet, Ipv4Net};

use super::asking::occupants;
use crate::arguments::{NetworkArguments, Output};
use crate::settings;
use crate::terminal::{network_text, note, print_error, print_json, say, warn_all};

/// kubelet's default limit of pods (kubelet.config.k8s.io/v1beta1, `maxPods`), which is the cluster file's too.
const MAX_PODS: u32 = 110;
/// Prefixes of a node's block, as kube-controller-manager has them by default.
const NODE_PREFIX_V4: u8 = 24;
/// The same for IPv6.
const NODE_PREFIX_V6: u8 = 64;

/// Prints the plan; exit code 1 when a cluster with it would not work.
pub(crate) fn run(arguments: &NetworkArguments) -> Result<u8> {
    let Some(file) = file(arguments) else {
        let wanted = [(arguments.picture.is_some(), "`--picture` shows"), (arguments.asking.ask_hosts, "`--ask-hosts` asks")];
        if let Some((_, words)) = wanted.into_iter().find(|(given, _)| *given) {
            print_error(&anyhow!("{words} the hosts of a cluster file, and none is read; name it with `-f FILE`"));
            return Ok(exit::USAGE);
        }
        return answer(arguments, &with_flags(arguments, defaults()));
    };
    let context = Context::load(settings::remote(&arguments.asking.remote(file), None, false)?)?;
    warn_all(&context)?;
    let mut input = with_flags(arguments, NetworkInput::of(&context.cluster));
    if arguments.asking.ask_hosts {
        input.occupied.extend(occupants(&context)?);
    }
    if let Some(path) = &arguments.picture {
        draw(&context.cluster, &input, path)?;
    }
    answer(arguments, &input)
}

/// The cluster file that is read, if any.
fn file(arguments: &NetworkArguments) -> Option<PathBuf> {
    arguments.file.clone().or_else(|| (!arguments.has_ranges()).then(|| "cluster.yaml".into()))
}

fn answer(arguments: &NetworkArguments, input: &NetworkInput) -> Result<u8> {
    let plan = work_out(input);
    if arguments.output == Output::Json {
        print_json(&plan)?;
    } else {
        say(&network_text(&plan))?;
    }
    Ok(if plan.has_errors() { exit::FAILED } else { exit::DONE })
}

/// What a cluster file means that says nothing of its network.
fn defaults() -> NetworkInput {
    let range = |first: [u8; 4], prefix| IpNet::V4(Ipv4Net::new_assert(first.into(), prefix));
    NetworkInput {
        pods: vec![PodRange { range: range([10, 244, 0, 0], 16), node_prefix: NODE_PREFIX_V4 }],
        services: vec![range([10, 96, 0, 0], 16)],
        node_ports: PortRange { first: 30000, last: 32767 },
        backend: FlannelBackend::Vxlan,
        pod_mtu: None,
        link_mtu: 1500,
        max_pods: MAX_PODS,
        nodes: 1,
        occupied: Vec::new(),
    }
}

fn with_flags(arguments: &NetworkArguments, input: NetworkInput) -> NetworkInput {
    let ranges: Vec<IpNet> = match arguments.pod_cidr.as_slice() {
        [] => input.pods.iter().map(|pods| pods.range).collect(),
        given => given.to_vec(),
    };
    let node_prefix = |index: usize, range: IpNet| {
        let before = input.pods.iter().find(|pods| Family::of(pods.range) == Family::of(range)).map(|pods| pods.node_prefix);
        let usual = if Family::of(range) == Family::V4 { NODE_PREFIX_V4 } else { NODE_PREFIX_V6 };
        arguments.node_prefix.get(index).copied().or(before).unwrap_or(usual)
    };
    NetworkInput {
        pods: ranges.iter().enumerate().map(|(index, range)| PodRange { range: *range, node_prefix: node_prefix(index, *range) }).collect(),
        services: if arguments.service_cidr.is_empty() { input.services } else { arguments.service_cidr.clone() },
        node_ports: arguments.node_ports.unwrap_or(input.node_ports),
        backend: arguments.backend.map_or(input.backend, FlannelBackend::from),
        link_mtu: arguments.mtu,
        max_pods: arguments.max_pods.unwrap_or(input.max_pods),
        nodes: arguments.nodes.unwrap_or(input.nodes),
        ..input
    }
}

fn draw(cluster: &Cluster, input: &NetworkInput, path: &Path) -> Result<()> {
    let drawn = picture(&Topology::of(cluster), &work_out(input), &links(&matrix(cluster)));
    fs_err::write(path, drawn)?;
    note(&format!("drawn into {}", path.display()))
}

/// What can be seen on the network, as the picture shows it.
fn links(matrix: &Matrix) -> Vec<Link> {
    let end = |party: &Party| match party {
        Party::Host(name) => End::Host(name.clone()),
        Party::VirtualAddress(_) => End::Vip,
        Party::Pods => End::Pods,
        Party::Network(_) | Party::Operator | Party::Anyone | Party::Outside(_) => End::Outside,
    };
    let ports = |range: PortRange| if range.first == range.last { range.first.to_string() } else { range.to_string() };
    let seen = matrix.flows.iter().filter(|flow| flow.passage == Passage::Network);
    let links = seen.map(|flow| Link {
        from: flow.from.iter().map(end).collect(),
        to: flow.to.iter().map(end).collect(),
        protocol: flow.protocol.to_string(),
        ports: flow.ports.map(ports).unwrap_or_default(),
    });
    links.collect()
}

#[cfg(test)]
mod tests;
