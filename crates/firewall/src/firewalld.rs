//! Rules as policies of firewalld (0.9 or later).
//!
//! firewalld lets answers, the loopback interface, and everything that the kernel has redirected to a pod pass before any policy: sources of
//! node ports cannot be held to with it.

use std::fmt::Write as _;

use barque_model::PortRange;
use ipnet::IpNet;

use crate::rule::{Chain, Rule, Target, Test, Verdict};

/// A policy for packets to the host: what no rule takes is dropped.
pub(crate) fn host_policy(rules: &[Rule]) -> String {
    let mut body = String::new();
    for rule in rules.iter().filter(|rule| rule.chain != Chain::Forward) {
        let elements: Vec<String> = match &rule.test {
            Test::Established | Test::Loopback | Test::Route(..) => continue,
            Test::Icmp => ["destination-unreachable", "time-exceeded", "parameter-problem", "echo-request"].map(icmp).to_vec(),
            Test::Icmp6 => {
                ["packet-too-big", "router-advertisement", "neighbour-solicitation", "neighbour-advertisement"].map(icmp).to_vec()
            }
            Test::Dhcp => vec!["<port port=\"68\" protocol=\"udp\"/>".to_owned()],
            Test::Dhcp6 => vec!["<port port=\"546\" protocol=\"udp\"/>".to_owned()],
            Test::Vrrp => vec!["<protocol value=\"112\"/>".to_owned()],
            Test::Ports(protocol, ports) | Test::Published(protocol, ports, _) => {
                vec![format!("<port port=\"{}\" protocol=\"{protocol}\"/>", range(*ports))]
            }
        };
        for element in elements {
            rich_rules(&mut body, rule, "", &element);
        }
    }
    policy("HOST", "DROP", -200, "To this host: what is not named here is dropped.", &body)
}

/// A policy for packets through the host; `None` when it has no pods.
pub(crate) fn pods_policy(rules: &[Rule]) -> Option<String> {
    let mut body = String::new();
    for rule in rules.iter().filter(|rule| rule.chain == Chain::Forward) {
        let Test::Route(_, target) = &rule.test else { continue };
        let destination = match target {
            Target::In(network) => format!("<destination address=\"{network}\"/>"),
            Target::NotIn(network) => format!("<destination address=\"{network}\" invert=\"true\"/>"),
            Target::Any => String::new(),
        };
        rich_rules(&mut body, rule, &destination, "");
    }
    (!body.is_empty()).then(|| policy("ANY", "CONTINUE", -199, "Through this host, to and from pods.", &body))
}

fn icmp(kind: &str) -> String {
    format!("<icmp-type name=\"{kind}\"/>")
}

fn rich_rules(body: &mut String, rule: &Rule, destination: &str, element: &str) {
    let verdict = match rule.verdict {
        Verdict::Accept => "<accept/>",
        Verdict::Drop => "<drop/>",
    };
    let family = |source: &IpNet| if matches!(source, IpNet::V4(_)) { "ipv4" } else { "ipv6" };
    let mut lines: Vec<String> = Vec::new();
    if rule.from.is_empty() {
        let family = if destination.is_empty() { "" } else { " family=\"ipv4\"" };
        lines.push(format!("  <rule{family}>{destination}{element}{verdict}</rule>\n"));
    }
    for source in &rule.from {
        let family = family(source);
        lines.push(format!("  <rule family=\"{family}\"><source address=\"{source}\"/>{destination}{element}{verdict}</rule>\n"));
    }
    // firewalld warns of a rule that is there already, which two flows to one port may come to.
    lines.retain(|line| !body.contains(line.as_str()));
    if !lines.is_empty() {
        let _ = writeln!(body, "  <!-- {} -->", rule.comment);
        body.push_str(&lines.concat());
    }
}

fn policy(to: &str, target: &str, priority: i16, description: &str, body: &str) -> String {
    format!(
        "<policy version=\"1.0\" target=\"{target}\" priority=\"{priority}\">\n  <description>{description}</description>\n  \
         <ingress-zone name=\"ANY\"/>\n  <egress-zone name=\"{to}\"/>\n{body}</policy>\n"
    )
}

fn range(ports: PortRange) -> String {
    if ports.first == ports.last { ports.first.to_string() } else { ports.to_string() }
}
