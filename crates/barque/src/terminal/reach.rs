//! The words of `firewall test`.

use std::fmt::Write as _;

use barque_engine::FirewallTest;
use barque_firewall::{FlowId, Untested};

use super::{many, plain, table};

/// What does not get through, what could not be tested, and a verdict.
pub(crate) fn report(test: &FirewallTest) -> String {
    let (report, seconds) = (&test.report, test.millis as f64 / 1000.0);
    let mut text = String::new();
    if !report.blocked.is_empty() {
        let mut rows = table(["FROM", "TO", "PROTOCOL", "PORT", "FLOW", "FAULT"]);
        for blocked in &report.blocked {
            let port = blocked.port.map_or_else(|| "-".to_owned(), |port| port.to_string());
            let protocol = blocked.protocol.to_string();
            let cells = [blocked.from.as_str(), blocked.to.as_str(), &protocol, &port, &names(&blocked.flows), &blocked.fault.to_string()];
            rows.add_row(cells);
        }
        let _ = writeln!(text, "{rows}\n");
    }
    for Untested { flows, from, to, reason } in &report.untested {
        let between = match (from, to) {
            (Some(from), Some(to)) => format!(" from {from} to {to}"),
            _ => String::new(),
        };
        let _ = writeln!(text, "not tested: {}{between}: {reason}", names(flows));
    }
    for pending in &test.pending {
        let _ = writeln!(text, "{} does not answer: {}", pending.host, pending.message);
    }
    let ways = many(report.tested, "way");
    let _ = match report.blocked.len() {
        0 => write!(text, "{ways} between {} tested: all get through ({seconds:.1} s)", many(test.hosts, "host")),
        blocked => write!(text, "{ways} between {} tested: {blocked} blocked ({seconds:.1} s)", many(test.hosts, "host")),
    };
    plain(&text)
}

fn names(flows: &[FlowId]) -> String {
    flows.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_engine::Pending;
    use barque_firewall::{Blocked, Carrier, Direction, Fault, ReachReport};

    use super::*;

    #[test]
    fn blocked_ways_are_a_table() {
        let blocked = |flow, from: &str, to: &str, protocol, port, fault| Blocked {
            flows: vec![flow],
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            protocol,
            port,
            fault,
        };
        let too_long = Fault::TooLong { direction: Direction::Request, full: 1500, largest: Some(1400) };
        let report = ReachReport {
            tested: 64,
            blocked: vec![
                blocked(FlowId::Kubelet, "m1", "n1", Carrier::Tcp, Some(10250), Fault::RequestLost),
                blocked(FlowId::NodePortsUdp, "n1", "n2", Carrier::Udp, Some(30000), Fault::AnswerLost),
                blocked(FlowId::Vxlan, "n1", "n2", Carrier::Udp, Some(8472), too_long),
                blocked(FlowId::Vrrp, "lb1", "lb2", Carrier::Vrrp, None, Fault::Refused),
            ],
            untested: vec![Untested {
                flows: vec![FlowId::Api],
                from: Some("n1".parse().unwrap()),
                to: Some("m2".parse().unwrap()),
                reason: "m2 does not answer".into(),
            }],
        };
        let pending = vec![Pending { host: "m2".parse().unwrap(), message: "no route to host".into(), hint: None }];
        let mut test = FirewallTest { hosts: 4, report, pending, millis: 3210 };
        let trimmed = |text: String| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(trimmed(super::report(&test)));
        (test.report, test.pending) = (ReachReport { tested: 64, ..ReachReport::default() }, Vec::new());
        assert_eq!(super::report(&test), "64 ways between 4 hosts tested: all get through (3.2 s)");
    }
}
