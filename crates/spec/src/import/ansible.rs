//! From the groups and variables of an Ansible inventory to an outline.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use barque_model::{HostName, Role};

use super::groups::{HostEntry, Tree};
use super::login::{self, Effective, first};
use super::roles::{MASTER_GROUPS, Purpose, purpose};
use super::sources::{Origin, Sources};
use super::variables::Layers;
use super::{cluster_settings, naming, value};
use crate::outline::{Outline, OutlineHost, OutlineJump};

/// Variables that may hold the address at which other hosts reach one, the best first.
const ADDRESS: [&str; 4] = ["ip", "access_ip", "ansible_host", "ansible_ssh_host"];

/// What the inventory says; what cannot be mapped is reported.
pub(super) fn outline(layers: &Layers<'_>, start: Origin, sources: &mut Sources) -> Outline {
    layers.report_unread(sources);
    report_groups(layers.tree, sources);
    let mut outline = Outline::default();
    let jump = jump_host(layers, sources);
    let mut first_master = None;
    let mut balancers: Vec<(bool, OutlineHost, Origin, Effective<'_>)> = Vec::new();
    let mut taken = BTreeSet::new();
    let mut addresses: BTreeMap<Ipv4Addr, Origin> = BTreeMap::new();
    for entry in &layers.tree.hosts {
        let variables = layers.of(&entry.name);
        let Some(roles) = roles(entry, layers.tree, &variables, sources) else { continue };
        let Some(mut host) = host(entry, roles, &variables, &mut taken, sources) else { continue };
        host.ssh.jump.clone_from(&jump);
        if let Some(other) = addresses.insert(host.address, entry.origin) {
            let message = format!("address {} is given twice; the first is at {}", host.address, sources.label(other));
            sources.error(entry.origin, message, "give each host the address of its own interface, and use one name for it in all groups");
        }
        if host.roles.contains(&Role::Master) {
            first_master.get_or_insert_with(|| variables.clone());
        }
        if host.roles.contains(&Role::LoadBalancer) {
            let is_first = variables.get("LB_ROLE").and_then(|variable| value::text(&variable.node)) == Some("master");
            balancers.push((!is_first, host, entry.origin, variables));
        } else {
            outline.hosts.push(host);
        }
    }
    // keepalived's priorities follow the order of the balancers.
    balancers.sort_by_key(|(later, ..)| *later);
    for (_, _, origin, variables) in &balancers {
        balancer_settings(*origin, variables, &mut outline, sources);
    }
    outline.hosts.extend(balancers.into_iter().map(|(_, host, ..)| host));
    match first_master {
        Some(variables) => cluster_settings::read(&variables, &mut outline, sources),
        None => sources.error(start, "no host is a master", format!("put one host, or three, into the group {MASTER_GROUPS}")),
    }
    if outline.hosts.iter().any(|host| host.ssh.user.is_none()) {
        sources.note(start, "hosts without `ansible_user` are reached as root, unless `--user` names another");
    }
    if outline.with(Role::Etcd).next().is_none() && outline.with(Role::Master).next().is_some() {
        sources.note(start, "no host is in the group `etcd`; etcd runs on the masters");
        outline.stack_etcd();
    }
    outline
}

/// Says which groups with hosts are not taken over.
fn report_groups(tree: &Tree, sources: &mut Sources) {
    for (name, group) in tree.groups.iter().filter(|(_, group)| !group.hosts.is_empty()) {
        match purpose(name) {
            Some(Purpose::Aside(reason)) => sources.note(group.origin, format!("group `{name}` is left out: {reason}")),
            None => sources.note(group.origin, format!("group `{name}` is not a role of barque's")),
            Some(Purpose::Has(_) | Purpose::Structure | Purpose::Jump) => {}
        }
    }
}

fn jump_host(layers: &Layers<'_>, sources: &mut Sources) -> Option<OutlineJump> {
    let is_jump = |entry: &&HostEntry| layers.tree.groups_of(&entry.name).into_iter().any(|group| purpose(group) == Some(Purpose::Jump));
    let mut entries = layers.tree.hosts.iter().filter(is_jump);
    let entry = entries.next()?;
    for other in entries {
        sources.note(other.origin, format!("`{}` is left out: hosts are reached through `{}`", other.name, entry.name));
    }
    Some(login::jump(&entry.name, &layers.of(&entry.name), sources))
}

/// The roles of a host; `None` for one that is left out, or reported.
fn roles(entry: &HostEntry, tree: &Tree, variables: &Effective<'_>, sources: &mut Sources) -> Option<BTreeSet<Role>> {
    let groups = tree.groups_of(&entry.name);
    let purposes: Vec<Purpose> = groups.iter().filter_map(|group| purpose(group)).collect();
    let roles: BTreeSet<Role> =
        purposes.iter().filter_map(|purpose| if let Purpose::Has(role) = purpose { Some(*role) } else { None }).collect();
    if !roles.is_empty() {
        return is_by_ssh(entry, variables, sources).then_some(roles);
    }
    if purposes.iter().any(|purpose| matches!(purpose, Purpose::Aside(_) | Purpose::Jump)) {
        return None;
    }
    let connection = variables.get("ansible_connection").and_then(|variable| value::text(&variable.node));
    if entry.name == "localhost" || connection == Some("local") {
        sources.note(entry.origin, format!("`{}` is left out: barque runs where it is started", entry.name));
        return None;
    }
    let others: Vec<String> =
        groups.iter().filter(|group| purpose(group) != Some(Purpose::Structure)).map(|group| format!("`{group}`")).collect();
    let of = if others.is_empty() { "no group".to_owned() } else { others.join(", ") };
    let message = format!("host `{}` has no role: it is in {of}", entry.name);
    let hint = format!("put it into {MASTER_GROUPS}, `kube_node`, `etcd` or `ex_lb`, or take it out of the inventory");
    sources.error(entry.origin, message, hint);
    None
}

/// Whether Ansible reaches the host by SSH; another way is reported.
fn is_by_ssh(entry: &HostEntry, variables: &Effective<'_>, sources: &mut Sources) -> bool {
    let Some((variable, kind)) = variables.get("ansible_connection").and_then(|found| Some((*found, value::text(&found.node)?))) else {
        return true;
    };
    let is_ssh = matches!(kind, "ssh" | "smart" | "paramiko" | "paramiko_ssh");
    if !is_ssh {
        let message = format!("host `{}` is reached by `{kind}`; barque reaches hosts by SSH only", entry.name);
        sources.error(variable.origin, message, "remove `ansible_connection`, and see that `ssh` reaches the host");
    }
    is_ssh
}

fn host(
    entry: &HostEntry,
    roles: BTreeSet<Role>,
    variables: &Effective<'_>,
    taken: &mut BTreeSet<HostName>,
    sources: &mut Sources,
) -> Option<OutlineHost> {
    let address = address(entry, variables, sources);
    let mut ssh = login::ssh(variables, sources);
    let connect = first(variables, &login::HOST).and_then(|(name, variable)| value::needed(name, variable, sources));
    ssh.address = connect.map(str::to_owned).filter(|connect| address.is_some_and(|address| address.to_string() != *connect));
    let wanted = first(variables, &["k8s_nodename"]).and_then(|(name, variable)| value::needed(name, variable, sources));
    let written = wanted.unwrap_or(&entry.name);
    let name = naming::host_name(written, taken);
    if let Some(name) = &name {
        taken.insert(name.clone());
        if name.as_str() != written {
            sources.note(entry.origin, format!("host `{written}` becomes `{name}`: names are DNS labels"));
        }
    }
    Some(OutlineHost { name, address: address?, roles, ssh, origin: Some(sources.label(entry.origin)) })
}

/// The address that the other hosts use.
fn address(entry: &HostEntry, variables: &Effective<'_>, sources: &mut Sources) -> Option<Ipv4Addr> {
    if let Some((name, variable)) = first(variables, &ADDRESS[..2]) {
        return value::address(name, variable, sources);
    }
    let connect = first(variables, &ADDRESS[2..]);
    let written = match connect {
        Some((name, variable)) => value::needed(name, variable, sources)?,
        None => &entry.name,
    };
    if written.contains(':') {
        let (name, variable) = connect?;
        return value::address(name, variable, sources);
    }
    let parsed = written.parse().ok();
    if parsed.is_none() {
        let origin = connect.map_or(entry.origin, |(_, variable)| variable.origin);
        let hint =
            format!("give it `ip` (or `ansible_host`) with its IPv4 address; `getent ahostsv4 {written}` shows what the name stands for");
        sources.error(origin, format!("host `{}` has a name, but no address", entry.name), hint);
    }
    parsed
}

/// The virtual address and its port, on which all balancers must agree.
fn balancer_settings(origin: Origin, variables: &Effective<'_>, outline: &mut Outline, sources: &mut Sources) {
    if let Some((name, variable)) = first(variables, &["EX_APISERVER_VIP", "MASTER_IP"])
        && let Some(vip) = value::address(name, variable, sources)
    {
        match outline.vip {
            Some(other) if other != vip => {
                let message = format!("`{name}` is {vip} here and {other} for another balancer");
                sources.error(variable.origin, message, "balancers share one virtual address; write the same for all");
            }
            _ => outline.vip = Some(vip),
        }
    }
    if let Some((name, variable)) = first(variables, &["EX_APISERVER_PORT"])
        && let Some(port) = value::number::<u16>(name, variable, sources)
    {
        match outline.api_port {
            Some(other) if other != port => {
                let message = format!("`{name}` is {port} here and {other} for another balancer");
                sources.error(origin, message, "balancers share one port; write the same for all");
            }
            _ => outline.api_port = Some(port),
        }
    }
}
