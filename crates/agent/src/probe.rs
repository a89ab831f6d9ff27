//! Gates: an observation made again and again until it holds.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use barque_event::Failure;
use barque_host::{HostContext, addresses, journal_tail, unit_instability};
use barque_plan::Probe;
use hickory_resolver::Resolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{etcd, pull};

/// A DNS server inside the cluster answers within milliseconds.
const DNS_TIMEOUT: Duration = Duration::from_secs(1);
/// What the engine uses for its gates.
const DNS_INTERVAL: Duration = Duration::from_millis(250);
/// Lines of journal that a failure carries.
const JOURNAL_LINES: u32 = 20;

/// Repeats the observation every `interval` until it holds; fails with the last one after `timeout`.
pub(crate) async fn wait(context: &HostContext, probe: &Probe, timeout: Duration, interval: Duration) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    let mut last = "nothing was observed".to_owned();
    loop {
        match timeout_at(deadline, observe(context, probe)).await {
            Ok(None) => return Ok(()),
            Ok(Some(reason)) => last = reason,
            // The observation before tells more than that this one was cut short.
            Err(_elapsed) => return Err(failure(probe, timeout, last).await),
        }
        if Instant::now() + interval >= deadline {
            return Err(failure(probe, timeout, last).await);
        }
        sleep(interval).await;
    }
}

/// Asks the DNS server `server` for `name` until the answer has `address`, four times a second; fails with the last observation after
/// `timeout`. The same observation as the gate at the end of a deployment.
pub async fn wait_for_dns(server: IpAddr, name: &str, address: Ipv4Addr, timeout: Duration) -> Result<(), Failure> {
    let probe = Probe::DnsAnswers { server: server.to_string(), name: name.to_owned(), address: address.to_string() };
    wait(&HostContext::new("/"), &probe, timeout, DNS_INTERVAL).await
}

/// Says why the probe does not hold, or nothing when it does.
async fn observe(context: &HostContext, probe: &Probe) -> Option<String> {
    match probe {
        Probe::EtcdHealthy { endpoints, members } => {
            etcd::unhealthy(context, endpoints, *members).await.unwrap_or_else(|failure| Some(failure.message))
        }
        Probe::ApiReady { server, authority } => barque_kube::ready_anonymous(server, authority).await.err().map(|error| error.to_string()),
        Probe::HoldsAddress { address, held } => address_differs(address, *held),
        Probe::UnitStable { unit, seconds } => unit_instability(unit, *seconds).await.unwrap_or_else(|error| Some(error.to_string())),
        Probe::PathExists { path } => (!context.path(path).exists()).then(|| format!("`{path}` is not there")),
        Probe::ImagePulls { image, settings, .. } => pull::refused(image, settings).await,
        Probe::DnsAnswers { server, name, address } => dns_differs(server, name, address).await,
    }
}

fn address_differs(address: &str, held: bool) -> Option<String> {
    let Ok(wanted) = address.parse::<IpAddr>() else { return Some(format!("`{address}` is not an IP address")) };
    let interfaces = match addresses() {
        Ok(interfaces) => interfaces,
        Err(error) => return Some(error.to_string()),
    };
    let holder = interfaces.iter().find(|interface| interface.address == wanted);
    match (holder, held) {
        (Some(_), true) | (None, false) => None,
        (None, true) => Some(format!("no interface has {address}")),
        (Some(holder), false) => Some(format!("{} has {address}", holder.interface)),
    }
}

async fn dns_differs(server: &str, name: &str, address: &str) -> Option<String> {
    let Ok(server) = server.parse::<IpAddr>() else { return Some(format!("`{server}` is not an IP address")) };
    let Ok(wanted) = address.parse::<Ipv4Addr>() else { return Some(format!("`{address}` is not an IPv4 address")) };
    let mut options = ResolverOpts::default();
    options.timeout = DNS_TIMEOUT;
    options.attempts = 1;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    let config = ResolverConfig::from_name_servers(vec![NameServerConfig::udp(server)]);
    let resolver = match Resolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).build() {
        Ok(resolver) => resolver,
        Err(error) => return Some(error.to_string()),
    };
    // The dot keeps search domains out.
    match resolver.lookup_ip(format!("{}.", name.trim_end_matches('.'))).await {
        Ok(answer) if answer.iter().any(|found| found == IpAddr::V4(wanted)) => None,
        Ok(answer) => {
            Some(format!("{name} is {}, not {address}", answer.iter().map(|found| found.to_string()).collect::<Vec<_>>().join(", ")))
        }
        Err(error) => Some(format!("{server} does not answer for {name}: {error}")),
    }
}

async fn failure(probe: &Probe, timeout: Duration, last: String) -> Failure {
    let seconds = timeout.as_secs();
    let (message, unit, hint) = match probe {
        Probe::EtcdHealthy { members, .. } => (
            format!("the etcd cluster of {members} is not healthy after {seconds} s: {last}"),
            Some("etcd.service".to_owned()),
            "look at `journalctl -u etcd.service -n 100` on the etcd hosts; members must reach each other on TCP port 2380 and have the same time".to_owned(),
        ),
        Probe::ApiReady { server, .. } => (
            format!("the API server at {server} is not ready after {seconds} s: {last}"),
            Some("kube-apiserver.service".to_owned()),
            "look at `journalctl -u kube-apiserver.service -n 100` on the masters; it waits for etcd on TCP port 2379".to_owned(),
        ),
        Probe::HoldsAddress { address, held: true } => (
            format!("the address {address} did not come up within {seconds} s: {last}"),
            Some("keepalived.service".to_owned()),
            "look at `journalctl -u keepalived.service -n 100` on the load balancers".to_owned(),
        ),
        Probe::HoldsAddress { address, held: false } => (
            format!("the address {address} is still here after {seconds} s: {last}"),
            Some("keepalived.service".to_owned()),
            "see who holds it with `ip -brief address` on the load balancers: two holders mean that VRRP packets do not pass between them".to_owned(),
        ),
        Probe::UnitStable { unit, .. } => (
            format!("{unit} does not run steadily after {seconds} s: {last}"),
            Some(unit.clone()),
            format!("look at `journalctl -u {unit} -n 100` on the host"),
        ),
        Probe::PathExists { path } => (
            format!("`{path}` is not there after {seconds} s"),
            path.starts_with("/run/flannel/").then(|| "flanneld.service".to_owned()),
            "look at the journal of the unit that makes it; flanneld waits until its node has a pod CIDR".to_owned(),
        ),
        Probe::ImagePulls { image, settings, asked } => (
            format!("{image} cannot be pulled: asked {}: {last}", asked.join(", then ")),
            None,
            format!("on that host run `ctr images pull --hosts-dir {settings} {image}`; look at `spec.registries` for the URLs, the authority and the password"),
        ),
        Probe::DnsAnswers { server, name, .. } => (
            format!("the DNS server {server} does not give {name} after {seconds} s: {last}"),
            None,
            "look at `kubectl -n kube-system get pods -o wide` and at `journalctl -u kube-proxy.service -n 100` on the host".to_owned(),
        ),
    };
    let journal = match &unit {
        Some(unit) => journal_tail(unit, JOURNAL_LINES).await,
        None => Vec::new(),
    };
    // A unit that does not run here has no journal here.
    let unit = unit.filter(|_| !journal.is_empty());
    Failure { output: vec![last], unit, journal, ..Failure::new(message).with_hint(hint) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn holds(address: &str, held: bool) -> Probe {
        Probe::HoldsAddress { address: address.into(), held }
    }

    #[tokio::test]
    async fn addresses_of_this_machine() {
        let context = HostContext::new("/");
        let (timeout, interval) = (Duration::from_millis(50), Duration::from_millis(10));
        wait(&context, &holds("127.0.0.1", true), timeout, interval).await.unwrap();
        wait(&context, &holds("192.0.2.7", false), timeout, interval).await.unwrap();
        let failure = wait(&context, &holds("192.0.2.7", true), timeout, interval).await.unwrap_err();
        assert_eq!(failure.output, ["no interface has 192.0.2.7"]);
        assert!(failure.hint.is_some());
    }

    #[tokio::test]
    async fn a_closed_port_does_not_answer() {
        let reason = dns_differs("127.0.0.1", "kubernetes.default.svc.cluster.local", "10.96.0.1").await;
        assert!(reason.is_some_and(|reason| reason.contains("127.0.0.1")));
    }
}
