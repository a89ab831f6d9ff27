//! Rules for nftables.

use std::fmt::Write as _;
use std::net::IpAddr;

use barque_model::PortRange;
use ipnet::IpNet;

use crate::rule::{Chain, Rule, Target, Test, Verdict};

/// The table's text. It replaces the table as a whole, in one transaction.
pub(crate) fn table(rules: &[Rule]) -> String {
    let forwards = rules.iter().any(|rule| rule.chain == Chain::Forward);
    let mut text = String::from(
        "# Whether or not the table is there, it is gone after these two lines. nft does all of this file or nothing.\ntable inet barque\ndelete table inet barque\n\ntable inet barque {\n",
    );
    let published: Vec<&Rule> = rules.iter().filter(|rule| rule.chain == Chain::Published).collect();
    if !published.is_empty() {
        text.push_str("    # Ports of this host, as the sender named them: the kernel may have sent the packet on to a pod by now.\n    chain published {\n");
        chain(&mut text, &published);
        text.push_str("    }\n\n");
    }
    text.push_str("    # To this host.\n    chain input {\n        type filter hook input priority filter; policy drop;\n");
    chain(&mut text, &rules.iter().filter(|rule| rule.chain == Chain::Input).collect::<Vec<_>>());
    jump(&mut text, rules);
    text.push_str("    }\n");
    if forwards {
        text.push_str("\n    # Through this host: what has to do with pods must be meant to, everything else is not ours.\n    chain forward {\n        type filter hook forward priority filter; policy accept;\n");
        let (closing, opening): (Vec<&Rule>, Vec<&Rule>) =
            rules.iter().filter(|rule| rule.chain == Chain::Forward).partition(|rule| rule.verdict == Verdict::Drop);
        chain(&mut text, &opening);
        jump(&mut text, rules);
        chain(&mut text, &closing);
        text.push_str("    }\n");
    }
    text.push_str("}\n");
    text
}

fn chain(text: &mut String, rules: &[&Rule]) {
    for rule in rules {
        lines(text, rule);
    }
}

fn jump(text: &mut String, rules: &[Rule]) {
    if rules.iter().any(|rule| rule.chain == Chain::Published) {
        text.push_str("        jump published comment \"published\"\n");
    }
}

/// A line per address family among the sources.
fn lines(text: &mut String, rule: &Rule) {
    let (four, six): (Vec<&IpNet>, Vec<&IpNet>) = rule.from.iter().partition(|network| network.addr().is_ipv4());
    let sources = match (four.is_empty(), six.is_empty()) {
        (true, true) => vec![String::new()],
        (false, true) => vec![format!("ip saddr {} ", set(&four))],
        (true, false) => vec![format!("ip6 saddr {} ", set(&six))],
        (false, false) => vec![format!("ip saddr {} ", set(&four)), format!("ip6 saddr {} ", set(&six))],
    };
    let verdict = match rule.verdict {
        Verdict::Accept => "accept",
        Verdict::Drop => "drop",
    };
    for source in sources {
        let _ = writeln!(text, "        {}{source}{}{verdict} comment \"{}\"", before(&rule.test), after(&rule.test), rule.comment);
    }
}

/// What stands before the source: interfaces.
fn before(test: &Test) -> String {
    match test {
        Test::Route([], _) => String::new(),
        Test::Route([interface], _) => format!("iifname \"{interface}\" "),
        Test::Route(interfaces, _) => format!("iifname {{ \"{}\" }} ", interfaces.join("\", \"")),
        _ => String::new(),
    }
}

fn after(test: &Test) -> String {
    match test {
        Test::Established => "meta l4proto != 112 ct state established,related ".to_owned(),
        Test::Loopback => "iifname \"lo\" ".to_owned(),
        Test::Icmp => "icmp type { destination-unreachable, time-exceeded, parameter-problem, echo-request } ".to_owned(),
        Test::Icmp6 => "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request, mld-listener-query, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ".to_owned(),
        Test::Dhcp => "udp sport 67 udp dport 68 ".to_owned(),
        Test::Dhcp6 => "ip6 saddr fe80::/10 udp sport 547 udp dport 546 ".to_owned(),
        Test::Vrrp => "meta l4proto 112 ".to_owned(),
        Test::Ports(protocol, ports) => format!("{protocol} dport {} ", range(*ports)),
        Test::Published(protocol, ports, addresses) => {
            let address = |address: &IpAddr| address.to_string();
            let (four, six): (Vec<&IpAddr>, Vec<&IpAddr>) = addresses.iter().partition(|address| address.is_ipv4());
            let (family, own) = if four.is_empty() { ("ip6", six) } else { ("ip", four) };
            let own: Vec<String> = own.into_iter().map(address).collect();
            let own = if own.len() == 1 { own.concat() } else { format!("{{ {} }}", own.join(", ")) };
            format!("meta l4proto {protocol} ct original {family} daddr {own} ct original proto-dst {} ", range(*ports))
        }
        Test::Route(_, Target::In(network)) => format!("{} daddr {network} ", family(network)),
        Test::Route(_, Target::NotIn(network)) => format!("{} daddr != {network} ", family(network)),
        Test::Route(_, Target::Any) => String::new(),
    }
}

const fn family(network: &IpNet) -> &'static str {
    match network {
        IpNet::V4(_) => "ip",
        IpNet::V6(_) => "ip6",
    }
}

fn range(ports: PortRange) -> String {
    if ports.first == ports.last { ports.first.to_string() } else { ports.to_string() }
}

fn set(networks: &[&IpNet]) -> String {
    let words: Vec<String> = networks.iter().map(|network| element(network)).collect();
    if words.len() == 1 { words.concat() } else { format!("{{ {} }}", words.join(", ")) }
}

/// A single address goes without its prefix.
fn element(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() { network.addr().to_string() } else { network.to_string() }
}
