//! `barque status`: the health of every component on every host.

use std::fmt::Write as _;

use anyhow::Result;
use barque_engine::{ClusterStatus, Context, Events, HostStatus, Listen};
use barque_event::exit;

use crate::arguments::{Output, StatusArguments};
use crate::settings;
use crate::terminal::{print_json, say, segment_text, table};

/// Certificates with fewer days left than this are listed.
const SOON_DAYS: i64 = 30;

/// Prints the state; exit code 1 when something is not as it should be.
pub(crate) fn run(arguments: &StatusArguments) -> Result<u8> {
    let context = Context::load(settings::remote(&arguments.remote, None, false)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (events, _reader) = Events::new();
    let listen = if arguments.no_listen { Listen::No } else { Listen::Yes };
    let status = runtime.block_on(barque_engine::status(&context, listen, &events))?;
    if arguments.remote.cluster.output == Output::Json {
        print_json(&status)?;
    } else {
        say(&text(&status))?;
    }
    Ok(if status.healthy { exit::DONE } else { exit::FAILED })
}

fn text(status: &ClusterStatus) -> String {
    let mut hosts = table(["HOST", "ADDRESS", "COMPONENT", "STATE", "AT BOOT", "RESTARTS"]);
    for host in &status.hosts {
        if let Some(reason) = &host.unreachable {
            hosts.add_row([host.name.as_str(), &host.address, "-", &format!("unreachable: {reason}"), "-", "-"]);
        }
        for component in &host.components {
            let state = format!("{} ({})", component.state, component.sub_state);
            let boot = if component.enabled { "yes" } else { "NO" };
            hosts.add_row([host.name.as_str(), &host.address, component.component, &state, boot, &component.restarts.to_string()]);
        }
    }
    let mut etcd = table(["ETCD MEMBER", "HEALTHY", "LEADER", "VERSION", "DATABASE"]);
    for member in &status.etcd {
        let size = format!("{:.1} MB", member.db_size as f64 / 1e6);
        etcd.add_row([member.name.as_str(), yes(member.healthy), yes(member.leader), &member.version, &size]);
    }
    let mut nodes = table(["NODE", "READY", "VERSION", "ADDRESS"]);
    for node in &status.nodes {
        let ready = if node.ready { "yes".to_owned() } else { format!("NO: {}", node.message) };
        nodes.add_row([node.name.as_str(), &ready, &node.version, &node.addresses.join(", ")]);
    }
    let api = match &status.api.message {
        None => format!("API {}: ready", status.api.url),
        Some(message) => format!("API {}: NOT ready ({message})", status.api.url),
    };
    let vip = match status.vip_holders.as_slice() {
        [] => "VIP: held by no balancer".to_owned(),
        [holder] => format!("VIP: held by {holder}"),
        several => format!("VIP: held by {} at once", several.join(" and ")),
    };
    let soon: Vec<String> = status
        .certificates
        .iter()
        .filter(|certificate| certificate.days_left < SOON_DAYS)
        .map(|certificate| format!("{} ({} days)", certificate.name, certificate.days_left))
        .collect();
    let soonest = status.certificates.first().map_or(0, |certificate| certificate.days_left);
    let certificates = if soon.is_empty() {
        format!("certificates: {}, the first to expire in {soonest} days", status.certificates.len())
    } else {
        format!("certificates that expire soon: {}", soon.join(", "))
    };
    let watchdog = watchdog_text(&status.hosts);
    let segment = segment_lines(status);
    let verdict = if status.healthy { "healthy" } else { "NOT healthy" };
    format!("{hosts}\n\n{etcd}\n\n{nodes}\n\n{api}\n{vip}\n{segment}{certificates}\n{watchdog}\ncluster `{}` is {verdict}", status.cluster)
}

/// What is wrong on the network segments, nothing when all is well there.
fn segment_lines(status: &ClusterStatus) -> String {
    let mut text = String::new();
    if !status.segment.is_empty() {
        let _ = write!(text, "network segment:\n{}", segment_text(&status.segment));
    }
    for unasked in &status.unasked {
        let _ = writeln!(text, "network segment: nobody could be asked from {}: {}", unasked.host, unasked.message);
    }
    text
}

/// A line for each unit that a watchdog started again, nothing when there is none.
fn watchdog_text(hosts: &[HostStatus]) -> String {
    let mut text = String::new();
    for host in hosts {
        for unit in &host.watchdog {
            let times = if unit.attempts == 1 { "once".to_owned() } else { format!("{} times", unit.attempts) };
            let then = if unit.given_up {
                format!("; GIVEN UP until the hour has passed, see `journalctl -u {}`", unit.unit)
            } else {
                String::new()
            };
            let _ = writeln!(
                text,
                "watchdog on {}: started {} {times} within the last hour, last at {}{then}",
                host.name, unit.unit, unit.last
            );
        }
    }
    text
}

const fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use barque_engine::WatchdogStatus;

    use super::*;

    #[test]
    fn what_a_watchdog_did_is_shown() {
        let started = |unit: &str, attempts, given_up| WatchdogStatus {
            unit: unit.to_owned(),
            attempts,
            last: jiff::Timestamp::UNIX_EPOCH,
            given_up,
        };
        let host = |watchdog| HostStatus {
            name: "m1".to_owned(),
            address: "10.0.0.1".to_owned(),
            unreachable: None,
            components: Vec::new(),
            watchdog,
        };
        let shown = watchdog_text(&[host(vec![started("etcd.service", 1, false), started("kubelet.service", 3, true)])]);
        insta::assert_snapshot!(shown, @r"
        watchdog on m1: started etcd.service once within the last hour, last at 1970-01-01T00:00:00Z
        watchdog on m1: started kubelet.service 3 times within the last hour, last at 1970-01-01T00:00:00Z; GIVEN UP until the hour has passed, see `journalctl -u kubelet.service`
        ");
        assert_eq!(watchdog_text(&[host(Vec::new())]), "");
    }
}
