//! Rules for iptables and ip6tables, as `iptables-restore --noflush` reads them.
//!
//! They stand in table `mangle`, whose chains INPUT and FORWARD see the same packets as those of `filter`, and before them. In `filter` an accept of
//! kube-proxy's or flannel's that happens to stand first would be the last word; from `mangle` a packet that may pass goes on to `filter`,
//! whatever stands there.

use std::fmt::Write as _;

use barque_model::PortRange;
use ipnet::IpNet;

use crate::flow::Protocol;
use crate::rule::{Chain, Rule, Target, Test, Verdict};

/// The chain of packets to the host.
pub(crate) const INPUT: &str = "BARQUE-INPUT";
/// The chain of packets through the host.
pub(crate) const FORWARD: &str = "BARQUE-FORWARD";

/// Which of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// iptables.
    V4,
    /// ip6tables.
    V6,
}

/// The chains' text. Loading it replaces the chains' rules in one transaction, and nothing else.
pub(crate) fn chains(rules: &[Rule], family: Family) -> String {
    let forwards = rules.iter().any(|rule| rule.chain == Chain::Forward) && family == Family::V4;
    let mut text = format!("*mangle\n:{INPUT} - [0:0]\n");
    if forwards {
        let _ = writeln!(text, ":{FORWARD} - [0:0]");
    }
    for rule in rules.iter().filter(|rule| rule.chain != Chain::Forward) {
        lines(&mut text, INPUT, rule, family);
    }
    let _ = writeln!(text, "-A {INPUT} -m comment --comment closed -j DROP");
    if forwards {
        let (closing, opening): (Vec<&Rule>, Vec<&Rule>) =
            rules.iter().filter(|rule| rule.chain == Chain::Forward).partition(|rule| rule.verdict == Verdict::Drop);
        let published = rules.iter().filter(|rule| rule.chain == Chain::Published);
        for rule in opening.into_iter().chain(published).chain(closing) {
            lines(&mut text, FORWARD, rule, family);
        }
    }
    text.push_str("COMMIT\n");
    text
}

/// A line per source and variant.
fn lines(text: &mut String, chain: &str, rule: &Rule, family: Family) {
    let own = |network: &&IpNet| network.addr().is_ipv4() == (family == Family::V4);
    let sources: Vec<String> = if rule.from.is_empty() {
        vec![String::new()]
    } else {
        rule.from.iter().filter(own).map(|network| format!("-s {network} ")).collect()
    };
    let verdict = match rule.verdict {
        // Back to the chain that called: what else stands there is somebody else's.
        Verdict::Accept => "RETURN",
        Verdict::Drop => "DROP",
    };
    for source in sources {
        for variant in variants(&rule.test, family) {
            let _ = writeln!(text, "-A {chain} {source}{variant}-m comment --comment {} -j {verdict}", rule.comment);
        }
    }
}

/// What the rule looks at; several where one rule cannot say it, none where the family has nothing of it.
fn variants(test: &Test, family: Family) -> Vec<String> {
    let v4 = family == Family::V4;
    match test {
        Test::Established => vec!["! -p 112 -m conntrack --ctstate ESTABLISHED,RELATED ".to_owned()],
        Test::Loopback => vec!["-i lo ".to_owned()],
        // Destination unreachable, echo request, time exceeded, parameter problem.
        Test::Icmp if v4 => [3, 8, 11, 12].iter().map(|kind| format!("-p icmp -m icmp --icmp-type {kind} ")).collect(),
        // The four reports, echo request, listener query, router advertisement, neighbour solicitation and advertisement.
        Test::Icmp6 if !v4 => {
            [1, 2, 3, 4, 128, 130, 134, 135, 136].iter().map(|kind| format!("-p ipv6-icmp -m icmp6 --icmpv6-type {kind} ")).collect()
        }
        Test::Dhcp if v4 => vec!["-p udp -m udp --sport 67 --dport 68 ".to_owned()],
        Test::Dhcp6 if !v4 => vec!["-s fe80::/10 -p udp -m udp --sport 547 --dport 546 ".to_owned()],
        Test::Icmp | Test::Icmp6 | Test::Dhcp | Test::Dhcp6 => Vec::new(),
        Test::Vrrp => vec!["-p 112 ".to_owned()],
        Test::Ports(protocol, ports) => vec![format!("-p {protocol} -m {protocol} --dport {} ", range(*ports))],
        Test::Published(protocol, ports, addresses) => addresses
            .iter()
            .filter(|address| address.is_ipv4() == v4)
            .map(|address| published(*protocol, *ports, &address.to_string()))
            .collect(),
        Test::Route(interfaces, target) => {
            let target = match target {
                Target::In(network) => format!("-d {network} "),
                Target::NotIn(network) => format!("! -d {network} "),
                Target::Any => String::new(),
            };
            if interfaces.is_empty() { vec![target] } else { interfaces.iter().map(|name| format!("-i {name} {target}")).collect() }
        }
    }
}

fn published(protocol: Protocol, ports: PortRange, address: &str) -> String {
    format!("-p {protocol} -m conntrack --ctorigdst {address} --ctorigdstport {} ", range(ports))
}

fn range(ports: PortRange) -> String {
    if ports.first == ports.last { ports.first.to_string() } else { format!("{}:{}", ports.first, ports.last) }
}
