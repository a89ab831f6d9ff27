//! Hosts: names, addresses, roles, labels and taints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use barque_model::{CONTROL_PLANE_TAINT, Host, HostName, Role, Ssh, Taint};

use crate::field::Field;
use crate::file_host::{HostEntry, RoleWord, SshDefaults, TaintEntry};
use crate::report::{Located, Place, Report};
use crate::{cidr, labels, ssh};

/// A host as far as it could be understood.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Its name.
    pub(crate) name: Option<Located<HostName>>,
    /// Its address.
    pub(crate) address: Option<Located<Ipv4Addr>>,
    /// Its roles; `None` when one is missing or wrong.
    pub(crate) roles: Option<Located<BTreeSet<Role>>>,
    /// How it is reached.
    pub(crate) ssh: Option<Ssh>,
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
}

impl Draft {
    /// Whether it is known to have `role`.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles.as_ref().is_some_and(|roles| roles.value.contains(&role))
    }

    /// Its name for messages.
    pub(crate) fn label(&self) -> &str {
        self.name.as_ref().map_or("(without a name)", |name| name.value.as_str())
    }

    /// The finished host.
    pub(crate) fn finish(self) -> Option<Host> {
        Some(Host {
            name: self.name?.value,
            address: IpAddr::V4(self.address?.value),
            roles: self.roles?.value,
            ssh: self.ssh?,
            labels: self.labels,
            taints: self.taints,
        })
    }
}

/// Understands all hosts, and reports names and addresses that occur twice.
pub(crate) fn drafts(entries: Vec<Field<HostEntry>>, list: Place, defaults: SshDefaults, report: &mut Report) -> Vec<Draft> {
    let defaults = ssh::defaults(defaults, list, report);
    let mut drafts: Vec<Draft> = Vec::new();
    for entry in entries {
        let Some(entry) = entry.located(list) else { continue };
        let draft = draft(entry, &defaults, report);
        for other in &drafts {
            if let (Some(one), Some(two)) = (&other.name, &draft.name)
                && one.value == two.value
            {
                let message = format!("host name `{}` is used twice; the first is on line {}", two.value, one.place.line);
                report.error(two.place, message, "give each host a name of its own");
            }
            if let (Some(one), Some(two)) = (&other.address, &draft.address)
                && one.value == two.value
            {
                let message = format!("address {} is used twice; host `{}` has it on line {}", two.value, other.label(), one.place.line);
                report.error(two.place, message, "give each host the address of its own interface");
            }
        }
        drafts.push(draft);
    }
    drafts
}

fn draft(entry: Located<HostEntry>, defaults: &ssh::Defaults, report: &mut Report) -> Draft {
    let Located { value: entry, place } = entry;
    let name = entry.name.located(place).and_then(|name| host_name(&name, report));
    let address = entry.address.located(place).and_then(|address| host_address(&address, report));
    let roles = entry.roles.located(place).and_then(|roles| role_set(roles, report));
    let ssh = ssh::resolve(entry.ssh, place, address.map(|address| address.value), defaults, report);
    let is_node = roles.as_ref().is_none_or(|roles| roles.value.contains(&Role::Master) || roles.value.contains(&Role::Node));
    let labels = entry.labels.located(place).map(|labels| label_map(labels, is_node, report)).unwrap_or_default();
    let is_master = roles.as_ref().is_some_and(|roles| roles.value.contains(&Role::Master));
    let taints = entry.taints.located(place).map(|taints| taint_list(taints, is_node, is_master, report)).unwrap_or_default();
    Draft { name, address, roles, ssh, labels, taints }
}

fn host_name(name: &Located<String>, report: &mut Report) -> Option<Located<HostName>> {
    match name.value.parse() {
        Ok(value) => Some(Located { value, place: name.place }),
        Err(error) => {
            report.error(name.place, format!("the host's name {error}"), name_hint(&name.value));
            None
        }
    }
}

/// What to write instead of an invalid name.
pub(crate) fn name_hint(text: &str) -> String {
    let mapped: String =
        text.to_lowercase().chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '-' }).take(63).collect();
    let proposal = mapped.trim_matches('-');
    if proposal.is_empty() {
        "use 1 to 63 of a-z, 0-9 and `-`, such as `m1`".to_owned()
    } else {
        format!("use a-z, 0-9 and `-` only, at most 63: `{proposal}`")
    }
}

/// An IPv4 address that a host (or a VIP) can have.
pub(crate) fn host_address(text: &Located<String>, report: &mut Report) -> Option<Located<Ipv4Addr>> {
    let parsed = match text.value.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address,
        Ok(IpAddr::V6(_)) => {
            report.error(text.place, format!("`{}` is IPv6, which this version does not support", text.value), cidr::IPV6_HINT);
            return None;
        }
        Err(_) => {
            let message = format!("`{}` is not an IPv4 address", text.value);
            report.error(text.place, message, "write four numbers, such as 192.0.2.11; a name to connect to goes into `ssh.address`");
            return None;
        }
    };
    let kind = match parsed {
        address if address.is_unspecified() => "the unspecified address",
        address if address.is_loopback() => "a loopback address",
        address if address.is_multicast() => "a multicast address",
        address if address.is_broadcast() => "the broadcast address",
        address if address.is_link_local() => "a link-local address",
        _ => return Some(Located { value: parsed, place: text.place }),
    };
    report.error(text.place, format!("{parsed} is {kind}"), "use an address at which the other hosts reach this one");
    None
}

fn role_set(words: Located<Vec<Field<RoleWord>>>, report: &mut Report) -> Option<Located<BTreeSet<Role>>> {
    if words.value.is_empty() {
        report.error(words.place, "the host has no role", "possible: `etcd`, `loadBalancer`, `master`, `node`");
        return None;
    }
    let mut roles = BTreeSet::new();
    let mut complete = true;
    for word in words.value {
        match word.located(words.place) {
            None => complete = false,
            Some(Located { value, place }) => {
                let role = Role::from(value);
                if !roles.insert(role) {
                    report.error(place, format!("role `{role}` is given twice"), "remove one of the two");
                }
            }
        }
    }
    complete.then_some(Located { value: roles, place: words.place })
}

fn label_map(map: Located<BTreeMap<String, Field<String>>>, is_node: bool, report: &mut Report) -> BTreeMap<String, String> {
    if !is_node && !map.value.is_empty() {
        let message = "the labels have no effect: the host is not a Kubernetes node";
        report.warn(map.place, message, "remove them, or give the host the role `master` or `node`");
    }
    let mut result = BTreeMap::new();
    for (key, field) in map.value {
        let key_place = field.key.unwrap_or(map.place);
        if let Some(fault) = labels::key_fault(&key) {
            report.error(key_place, format!("label key `{key}` {fault}"), labels::KEY_HINT);
        } else if labels::KUBELET_OWN.contains(&key.as_str()) {
            report.error(key_place, format!("label `{key}` is set by kubelet itself"), "remove it");
        }
        let Some(value) = field.located(map.place) else { continue };
        if let Some(fault) = labels::value_fault(&value.value) {
            report.error(value.place, format!("label value `{}` {fault}", value.value), labels::VALUE_HINT);
        }
        result.insert(key, value.value);
    }
    result
}

fn taint_list(list: Located<Vec<Field<TaintEntry>>>, is_node: bool, is_master: bool, report: &mut Report) -> Vec<Taint> {
    if !is_node && !list.value.is_empty() {
        let message = "the taints have no effect: the host is not a Kubernetes node";
        report.warn(list.place, message, "remove them, or give the host the role `master` or `node`");
    }
    let mut taints: Vec<Taint> = Vec::new();
    for entry in list.value {
        let Some(Located { value: entry, place }) = entry.located(list.place) else { continue };
        let (Some(key), Some(value), Some(effect)) = (entry.key.located(place), entry.value.located(place), entry.effect.value) else {
            continue;
        };
        if let Some(fault) = labels::key_fault(&key.value) {
            report.error(key.place, format!("taint key `{}` {fault}", key.value), labels::KEY_HINT);
        }
        if let Some(fault) = labels::value_fault(&value.value) {
            report.error(value.place, format!("taint value `{}` {fault}", value.value), labels::VALUE_HINT);
        }
        let taint = Taint { key: key.value, value: value.value, effect: effect.into() };
        if taints.iter().any(|other| (&other.key, other.effect) == (&taint.key, taint.effect)) {
            let message = format!("taint `{}` with effect {} is given twice", taint.key, taint.effect);
            report.error(key.place, message, "keep one; a node has each key and effect once");
        }
        if is_master && taint.key == CONTROL_PLANE_TAINT {
            report.error(key.place, format!("taint `{CONTROL_PLANE_TAINT}` is given to every master already"), "remove it");
        }
        taints.push(taint);
    }
    taints
}
