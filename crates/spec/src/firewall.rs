//! Packet filter settings.

use std::collections::BTreeSet;

use barque_model::{ExtraFlow, ExtraSource, Firewall, PortRange, Role};
use ipnet::Ipv4Net;

use crate::field::{Field, Text};
use crate::file_firewall::{ExtraFlowEntry, FirewallEntry};
use crate::report::{Located, Place, Report};
use crate::structure::nearest;
use crate::{cidr, ports};

/// Longest name of an extra flow: with its prefix it fits into a rule's comment of every packet filter.
const MAX_NAME: usize = 40;

/// Understands `spec.firewall`.
pub(crate) fn resolve(section: Located<FirewallEntry>, report: &mut Report) -> Option<Firewall> {
    let Located { value: entry, place } = section;
    let operator_networks = networks(entry.operator_networks, place, report);
    let api_sources = networks(entry.api_sources, place, report);
    let node_port_sources = networks(entry.node_port_sources, place, report);
    let extra_flows = extra_flows(entry.extra_flows, place, report);
    Some(Firewall { backend: entry.backend.value?.into(), operator_networks, api_sources, node_port_sources, extra_flows })
}

fn networks(field: Field<Vec<Field<String>>>, parent: Place, report: &mut Report) -> Vec<Ipv4Net> {
    let Some(list) = field.located(parent) else { return Vec::new() };
    if list.value.is_empty() {
        // An empty list would read as "nobody" and mean "anyone".
        report.error(list.place, "the list is empty", "name one range or more, or remove the line");
    }
    let mut found: Vec<Ipv4Net> = Vec::new();
    for text in list.value {
        let Some(text) = text.located(list.place) else { continue };
        if let Some(range) = network(&text, report) {
            if found.contains(&range) {
                report.error(text.place, format!("{range} is there twice"), "remove one of the two");
            }
            found.push(range);
        }
    }
    found
}

fn network(text: &Located<String>, report: &mut Report) -> Option<Ipv4Net> {
    match cidr::parse(&text.value) {
        Ok(range) => Some(range),
        Err(error) => {
            report.error(text.place, error.to_string(), error.hint());
            None
        }
    }
}

fn extra_flows(field: Field<Vec<Field<ExtraFlowEntry>>>, parent: Place, report: &mut Report) -> Vec<ExtraFlow> {
    let Some(list) = field.located(parent) else { return Vec::new() };
    let mut flows: Vec<ExtraFlow> = Vec::new();
    for entry in list.value {
        let Some(Located { value: entry, place }) = entry.located(list.place) else { continue };
        let name = entry.name.located(place).and_then(|name| flow_name(name, &flows, report));
        let to = entry.to.located(place).map(|roles| roles_of(roles, report));
        let from = entry.from.located(place).map_or_else(Vec::new, |words| sources(words, report));
        let ports = entry.ports.located(place).and_then(|text| port_range(&text, report));
        if let (Some(name), Some(to), Some(ports), Some(protocol)) = (name, to, ports, entry.protocol.value) {
            flows.push(ExtraFlow { name, to, from, protocol: protocol.into(), ports });
        }
    }
    flows
}

fn flow_name(name: Located<String>, flows: &[ExtraFlow], report: &mut Report) -> Option<String> {
    let Located { value: text, place } = name;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(allowed) {
        report.error(place, format!("`{text}` is not the name of a flow"), "write 1 to 40 of a-z, 0-9 and `-`, such as node-exporter");
        return None;
    }
    if flows.iter().any(|flow| flow.name == text) {
        report.error(place, format!("flow `{text}` is there twice"), "give each flow a name of its own");
        return None;
    }
    Some(text)
}

fn roles_of(roles: Located<Vec<Field<crate::file_host::RoleWord>>>, report: &mut Report) -> BTreeSet<Role> {
    if roles.value.is_empty() {
        report.error(roles.place, "the flow leads to no host", "name one role or more, such as `to: [master, node]`");
    }
    roles.value.into_iter().filter_map(|role| role.value).map(Role::from).collect()
}

fn sources(words: Located<Vec<Field<String>>>, report: &mut Report) -> Vec<ExtraSource> {
    if words.value.is_empty() {
        report.error(words.place, "the flow comes from nobody", "name one source or more, or remove the line: it then comes from anyone");
    }
    let mut found: Vec<ExtraSource> = Vec::new();
    for word in words.value {
        let Some(word) = word.located(words.place) else { continue };
        let Some(source) = source(&word, report) else { continue };
        if found.contains(&source) {
            report.error(word.place, format!("`{}` is there twice", word.value), "remove one of the two");
        }
        found.push(source);
    }
    found
}

fn source(word: &Located<String>, report: &mut Report) -> Option<ExtraSource> {
    if word.value == "pods" {
        return Some(ExtraSource::Pods);
    }
    if let Some(role) = Role::ALL.into_iter().find(|role| role.as_str() == word.value) {
        return Some(ExtraSource::Role(role));
    }
    if word.value.contains(['/', '.', ':']) {
        return network(word, report).map(ExtraSource::Network);
    }
    let words = Role::ALL.into_iter().map(Role::as_str).chain(["pods"]);
    let hint = match nearest(&word.value, words) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a range such as 192.0.2.0/24, a role, or `pods`".to_owned(),
    };
    report.error(word.place, format!("`{}` is no source of a flow", word.value), hint);
    None
}

fn port_range(text: &Located<Text>, report: &mut Report) -> Option<PortRange> {
    let written = &text.value.0;
    let range = if written.contains('-') { ports::range(written) } else { ports::range(&format!("{written}-{written}")) };
    if range.is_err() {
        let message = format!("`{written}` is neither a port nor a range of ports");
        report.error(text.place, message, "write a port such as 9100, or 9100-9110");
    }
    range.ok()
}
