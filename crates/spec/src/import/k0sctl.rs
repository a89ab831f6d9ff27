//! k0sctl.yaml (k0sctl's README, "Configuration File Spec").

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use barque_model::{HostName, Role};

use super::groups::Variable;
use super::sources::{Origin, Sources};
use super::{naming, value};
use crate::outline::{Outline, OutlineHost, OutlineJump, OutlineSsh};
use crate::yaml::{Content, Node};

/// Fields of a host that are read; others are named as not read.
const HOST_FIELDS: [&str; 6] = ["role", "ssh", "openSSH", "hostname", "privateAddress", "localhost"];

/// Whether the file is one of k0sctl's.
pub(super) fn is(root: &Node) -> bool {
    root.get("apiVersion").and_then(value::text).is_some_and(|version| version.starts_with("k0sctl.k0sproject.io/"))
}

/// What the file says; what cannot be mapped is reported.
pub(super) fn outline(root: &Node, file: usize, sources: &mut Sources) -> Outline {
    let mut outline = Outline::default();
    let at = |node: &Node| Origin { file, place: node.key.unwrap_or(node.place) };
    let name = root.get("metadata").and_then(|metadata| metadata.get("name")).and_then(value::text);
    outline.name = name.and_then(|name| name.parse().ok());
    let Some(spec) = root.get("spec") else {
        sources.error(at(root), "there is no `spec`", "name a whole k0sctl.yaml; `k0sctl init` shows one");
        return outline;
    };
    let mut taken = BTreeSet::new();
    match spec.get("hosts").map(|hosts| &hosts.content) {
        Some(Content::List(hosts)) if !hosts.is_empty() => {
            for entry in hosts {
                outline.hosts.extend(host(entry, file, &mut taken, sources));
            }
        }
        _ => sources.error(at(spec), "there is no host in `spec.hosts`", "name a whole k0sctl.yaml; `k0sctl init` shows one"),
    }
    if let Some(version) = spec.get("k0s").and_then(|k0s| k0s.get("version")) {
        sources.note(at(version), "`version` of k0s is not taken over: name a version of Kubernetes with `--kubernetes-version`");
    }
    if let Some(config) = spec.get("k0s").and_then(|k0s| k0s.get("config")).and_then(|config| config.get("spec")) {
        settings(config, file, &mut outline, sources);
    }
    outline
}

fn host(entry: &Node, file: usize, taken: &mut BTreeSet<HostName>, sources: &mut Sources) -> Option<OutlineHost> {
    let origin = Origin { file, place: entry.place };
    let fields = if let Content::Map(fields) = &entry.content { &fields[..] } else { &[] };
    for (key, _) in fields.iter().filter(|(key, _)| !HOST_FIELDS.contains(&key.text.as_str()) && key.text != "winRM") {
        sources.unread(Origin { file, place: key.place }, &format!("host's {}", key.text));
    }
    let roles = roles(entry, origin, sources);
    let Some(connection) = entry.get("ssh").or_else(|| entry.get("openSSH")) else {
        let hint = "give it `ssh` with `address`, `user` and `keyPath`";
        sources.error(origin, "this host is not reached by SSH, the only way that barque has", hint);
        return None;
    };
    let text = |name: &str| connection.get(name).and_then(value::text).map(str::to_owned);
    let connect = text("address");
    let private = entry.get("privateAddress").and_then(value::text).map(str::to_owned);
    let address = address(private.as_deref().or(connect.as_deref()), origin, sources);
    let ssh = OutlineSsh {
        address: connect.filter(|connect| address.is_some_and(|address| address.to_string() != *connect)),
        user: text("user"),
        port: port(connection, file, sources),
        key: text("keyPath"),
        jump: connection.get("bastion").and_then(|bastion| jump(bastion, file, sources)),
        sudo: None,
    };
    let written = entry.get("hostname").and_then(value::text);
    let name = written.and_then(|name| naming::host_name(name, taken));
    if let (Some(name), Some(written)) = (&name, written) {
        taken.insert(name.clone());
        if name.as_str() != written {
            sources.note(origin, format!("host `{written}` becomes `{name}`: names are DNS labels"));
        }
    }
    Some(OutlineHost { name, address: address?, roles: roles?, ssh, origin: Some(sources.label(origin)) })
}

fn roles(entry: &Node, origin: Origin, sources: &mut Sources) -> Option<BTreeSet<Role>> {
    let written = entry.get("role").and_then(value::text);
    Some(match written {
        Some("controller") => [Role::Etcd, Role::Master].into(),
        Some("controller+worker" | "single") => [Role::Etcd, Role::Master, Role::Node].into(),
        Some("worker") => [Role::Node].into(),
        _ => {
            let message = format!("the host has the role `{}`", written.unwrap_or_default());
            let place = entry.get("role").map_or(origin.place, |role| role.place);
            sources.error(Origin { place, ..origin }, message, "possible: `controller`, `controller+worker`, `single`, `worker`");
            return None;
        }
    })
}

fn address(text: Option<&str>, origin: Origin, sources: &mut Sources) -> Option<Ipv4Addr> {
    let parsed = text.and_then(|text| text.parse().ok());
    if parsed.is_none() {
        let message = format!("the host has no IPv4 address: `{}`", text.unwrap_or_default());
        sources.error(origin, message, "give it `privateAddress`, the address that the other hosts use");
    }
    parsed
}

fn port(node: &Node, file: usize, sources: &mut Sources) -> Option<u16> {
    let port = node.get("port")?;
    let variable = Variable { node: port.clone(), origin: Origin { file, place: port.place } };
    value::number("port", &variable, sources)
}

fn jump(bastion: &Node, file: usize, sources: &mut Sources) -> Option<OutlineJump> {
    let text = |name: &str| bastion.get(name).and_then(value::text).map(str::to_owned);
    let Some(address) = text("address") else {
        sources.error(Origin { file, place: bastion.place }, "the bastion has no address", "give it `address`");
        return None;
    };
    Some(OutlineJump { address, user: text("user"), port: port(bastion, file, sources), key: text("keyPath") })
}

/// Networks and names of k0s's own configuration (`ClusterConfig`).
fn settings(config: &Node, file: usize, outline: &mut Outline, sources: &mut Sources) {
    if let Some(network) = config.get("network") {
        let mut range = |name: &str| {
            let node = network.get(name)?;
            value::range(name, value::text(node)?, Origin { file, place: node.place }, sources)
        };
        outline.pods = range("podCIDR");
        outline.services = range("serviceCIDR");
        outline.dns_domain = network.get("clusterDomain").and_then(value::text).map(str::to_owned);
        if let Some(provider) = network.get("provider") {
            let text = value::text(provider).unwrap_or_default();
            let origin = Origin { file, place: provider.place };
            sources.note(origin, format!("`provider: {text}` is not taken over: the pod network is flannel"));
        }
        let balancing = ["controlPlaneLoadBalancing", "nodeLocalLoadBalancing"];
        for node in balancing.into_iter().filter_map(|name| network.get(name)) {
            let origin = Origin { file, place: node.place };
            sources.note(origin, "load balancing is not taken over: name balancers of barque's own with `--lb` and `--vip`");
        }
    }
    let Some(api) = config.get("api") else { return };
    if let Some(Content::List(names)) = api.get("sans").map(|sans| &sans.content) {
        outline.extra_sans.extend(names.iter().filter_map(value::text).map(str::to_owned));
    }
    if let Some(external) = api.get("externalAddress").and_then(value::text).map(str::to_owned)
        && !outline.extra_sans.contains(&external)
    {
        let origin = Origin { file, place: api.get("externalAddress").map_or(api.place, |node| node.place) };
        sources
            .note(origin, format!("`externalAddress: {external}` becomes a name of the API's certificate; it is no balancer of barque's"));
        outline.extra_sans.push(external);
    }
}
