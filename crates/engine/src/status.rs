//! `status`: the health of every component, seen from the hosts.

use std::collections::{BTreeMap, BTreeSet};

use barque_agent::{AgentClient, KubeAnswer, KubeCall};
use barque_model::{Cluster, Component, Digest, Host, HostName, NodeState, Role};
use barque_pki::Vault;
use barque_plan::{HostFacts, Observed, OnChange, Resource, Unit};
use barque_render::{WATCHDOG_ATTEMPTS, WATCHDOG_STATE, WATCHDOG_WINDOW_SECONDS};
use barque_store::StateDirectory;
use futures::future::join_all;
use serde::Serialize;

use crate::{Context, EngineError, Events, SegmentFinding, SegmentLook, Sessions, Unasked, material, prepare, segment_look};

/// The cluster's state.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Its name.
    pub cluster: String,
    /// Hosts in file order.
    pub hosts: Vec<HostStatus>,
    /// The API's address and whether it answers there.
    pub api: ApiStatus,
    /// Balancers that hold the VIP; exactly one is right.
    pub vip_holders: Vec<String>,
    /// What is wrong on the hosts' network segments; nothing when it was not asked for.
    pub segment: Vec<SegmentFinding>,
    /// Hosts from whose segment nobody could be asked.
    pub unasked: Vec<Unasked>,
    /// etcd members.
    pub etcd: Vec<EtcdStatus>,
    /// Nodes as the API sees them.
    pub nodes: Vec<NodeState>,
    /// Certificates by days left, the soonest first.
    pub certificates: Vec<CertificateStatus>,
    /// Whether everything is as it should be.
    pub healthy: bool,
}

/// The API endpoint.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiStatus {
    /// URL.
    pub url: String,
    /// Whether `/readyz` answers there.
    pub ready: bool,
    /// Why not.
    pub message: Option<String>,
}

/// One host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostStatus {
    /// Name.
    pub name: String,
    /// Address.
    pub address: String,
    /// Why it could not be asked.
    pub unreachable: Option<String>,
    /// Its components.
    pub components: Vec<ComponentStatus>,
    /// Units that its watchdog started again within the last hour.
    pub watchdog: Vec<WatchdogStatus>,
}

/// A unit that systemd had given up on and the watchdog started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchdogStatus {
    /// The unit.
    pub unit: String,
    /// Attempts within the last hour, at least 1.
    pub attempts: u32,
    /// The latest one, by the host's clock.
    pub last: jiff::Timestamp,
    /// Whether the watchdog leaves the unit alone until the hour has passed.
    pub given_up: bool,
}

/// One component on one host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Program name.
    pub component: &'static str,
    /// systemd's `ActiveState`.
    pub state: String,
    /// systemd's `SubState`.
    pub sub_state: String,
    /// Whether it starts at boot.
    pub enabled: bool,
    /// Restarts since it was last started by hand.
    pub restarts: u32,
}

/// An etcd member.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdStatus {
    /// Name.
    pub name: String,
    /// Whether it leads.
    pub leader: bool,
    /// Whether it answers.
    pub healthy: bool,
    /// Version.
    pub version: String,
    /// Size of its database in bytes.
    pub db_size: u64,
}

/// A certificate's remaining time.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// Its name in the vault.
    pub name: String,
    /// Whole days left; negative when it has expired.
    pub days_left: i64,
}

/// Whether `status` asks and listens on the hosts' network segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// It does; that takes 3.5 s, alongside everything else.
    Yes,
    /// It does not.
    No,
}

/// Asks every host that answers; one that does not is part of the result.
pub async fn status(context: &Context, listen: Listen, events: &Events) -> Result<ClusterStatus, EngineError> {
    let state = StateDirectory::open_or_create(&context.state)?;
    let vault = material::open(context, &state)?.ok_or(EngineError::NotDeployed)?;
    let cluster = &context.cluster;
    let (sessions, problems) = Sessions::connect_some(context, &state, events).await?;
    let problems: BTreeMap<HostName, String> = problems.into_iter().map(|problem| (problem.host, problem.message)).collect();
    let segment = async {
        match listen {
            Listen::Yes => segment_look(context, &state, &sessions).await,
            Listen::No => Ok(SegmentLook::default()),
        }
    };
    let (segment, seen) = tokio::join!(segment, look(cluster, &sessions, &vault, &problems));
    let (segment, seen) = (segment?, seen?);
    let mut certificates: Vec<CertificateStatus> = barque_pki::expiry(&vault)?
        .into_iter()
        .map(|expiry| CertificateStatus { days_left: expiry.days_left(jiff::Timestamp::now()), name: expiry.name })
        .collect();
    certificates.sort_by_key(|certificate| certificate.days_left);
    sessions.close().await;
    let Seen { hosts, api, mut vip_holders, etcd, nodes } = seen;
    vip_holders.extend(segment.vip_holders);
    let expected_nodes = cluster.hosts.iter().filter(|host| host.is_node()).count();
    let healthy = api.ready
        && hosts.iter().all(HostStatus::is_healthy)
        && (cluster.load_balancer.is_none() || vip_holders.len() == 1)
        && segment.findings.iter().all(|finding| finding.is_accepted(cluster))
        && etcd.iter().filter(|member| member.leader).count() == 1
        && etcd.iter().filter(|member| member.healthy).count() == cluster.with_role(Role::Etcd).count()
        && nodes.iter().filter(|node| node.ready).count() == expected_nodes
        && certificates.iter().all(|certificate| certificate.days_left >= 0);
    Ok(ClusterStatus {
        cluster: cluster.name.to_string(),
        hosts,
        api,
        vip_holders: vip_holders.into_iter().collect(),
        segment: segment.findings,
        unasked: segment.unasked,
        etcd,
        nodes,
        certificates,
        healthy,
    })
}

/// What the hosts and the API say.
struct Seen {
    hosts: Vec<HostStatus>,
    api: ApiStatus,
    vip_holders: BTreeSet<String>,
    etcd: Vec<EtcdStatus>,
    nodes: Vec<NodeState>,
}

async fn look(cluster: &Cluster, sessions: &Sessions, vault: &Vault, problems: &BTreeMap<HostName, String>) -> Result<Seen, EngineError> {
    let facts = join_all(sessions.agents().iter().map(|(name, agent)| async move { (name.clone(), agent.facts().await.ok()) })).await;
    let clocks: BTreeMap<&HostName, i64> =
        facts.iter().filter_map(|(host, facts)| Some((host, facts.as_ref()?.clock_millis.div_euclid(1000)))).collect();
    let hosts = join_all(cluster.hosts.iter().map(|host| {
        let clock = clocks.get(&host.name).copied();
        host_status(host, clock, sessions, problems)
    }))
    .await;
    Ok(Seen {
        hosts,
        vip_holders: vip_holders(cluster, &facts),
        etcd: etcd_status(cluster, sessions).await,
        nodes: nodes(cluster, sessions, vault).await?,
        api: api_status(cluster, sessions, vault).await,
    })
}

impl HostStatus {
    fn is_healthy(&self) -> bool {
        self.unreachable.is_none()
            && self.components.iter().all(|component| component.state == "active")
            && !self.watchdog.iter().any(|unit| unit.given_up)
    }
}

async fn host_status(host: &Host, clock: Option<i64>, sessions: &Sessions, problems: &BTreeMap<HostName, String>) -> HostStatus {
    let mut status = HostStatus {
        name: host.name.to_string(),
        address: host.address.to_string(),
        unreachable: None,
        components: Vec::new(),
        watchdog: Vec::new(),
    };
    let Some(agent) = sessions.agent(&host.name) else {
        status.unreachable = Some(problems.get(&host.name).cloned().unwrap_or_else(|| "not connected".into()));
        return status;
    };
    let components: Vec<Component> = Component::ALL.into_iter().filter(|component| host.runs(*component)).collect();
    let units = components.iter().map(|component| unit(*component)).collect();
    match agent.observe(units).await {
        Ok(observed) => {
            status.components =
                components.iter().zip(observed).map(|(component, observed)| component_status(*component, observed)).collect();
        }
        Err(error) => status.unreachable = Some(error.to_string()),
    }
    let paths = components.iter().map(|component| format!("{WATCHDOG_STATE}/{}", component.unit())).collect();
    match agent.contents(paths).await {
        Ok(contents) => {
            let counted = components.iter().zip(contents);
            status.watchdog =
                counted.filter_map(|(component, content)| watchdog_status(component.unit(), content?.expose(), clock)).collect();
        }
        Err(error) => status.unreachable = Some(error.to_string()),
    }
    status
}

/// Reads the times of a unit's attempts, one line each. Those that the watchdog would not count any more at `clock` are left out: it may
/// have been stopped before it forgot them.
fn watchdog_status(unit: String, content: &[u8], clock: Option<i64>) -> Option<WatchdogStatus> {
    let text = String::from_utf8_lossy(content);
    let counts = |time: &i64| clock.is_none_or(|now| *time > now - i64::from(WATCHDOG_WINDOW_SECONDS) && *time <= now);
    let times: Vec<i64> = text.lines().filter_map(|line| line.parse().ok()).filter(counts).collect();
    let last = jiff::Timestamp::from_second(times.iter().copied().max()?).ok()?;
    let attempts = u32::try_from(times.len()).unwrap_or(u32::MAX);
    Some(WatchdogStatus { unit, attempts, last, given_up: attempts >= WATCHDOG_ATTEMPTS })
}

/// A unit to ask about; its fingerprint does not matter here.
fn unit(component: Component) -> Resource {
    Resource::Unit(Unit {
        name: component.unit(),
        fingerprint: Digest::from_bytes([0; 32]),
        on_change: OnChange::Restart,
        start_timeout_seconds: 1,
        restart_limit: 1,
    })
}

fn component_status(component: Component, observed: Observed) -> ComponentStatus {
    match observed {
        Observed::Unit(state) => ComponentStatus {
            component: component.program(),
            state: if state.loaded { state.active } else { "not installed".into() },
            sub_state: state.sub,
            enabled: state.enabled,
            restarts: state.restarts,
        },
        _ => ComponentStatus {
            component: component.program(),
            state: "not installed".into(),
            sub_state: String::new(),
            enabled: false,
            restarts: 0,
        },
    }
}

fn vip_holders(cluster: &Cluster, facts: &[(HostName, Option<HostFacts>)]) -> BTreeSet<String> {
    let Some(balancer) = &cluster.load_balancer else { return BTreeSet::new() };
    let holds = |facts: &HostFacts| facts.addresses.iter().any(|found| found.address == balancer.vip);
    facts.iter().filter(|(_, facts)| facts.as_ref().is_some_and(holds)).map(|(host, _)| host.to_string()).collect()
}

async fn etcd_status(cluster: &Cluster, sessions: &Sessions) -> Vec<EtcdStatus> {
    let endpoints: Vec<String> = cluster.with_role(Role::Etcd).map(|host| format!("https://{}:2379", host.address)).collect();
    for host in cluster.with_role(Role::Etcd) {
        let Some(agent) = sessions.agent(&host.name) else { continue };
        if let Ok(members) = agent.etcd_status(endpoints.clone()).await {
            let rows = members.into_iter().map(|member| EtcdStatus {
                name: member.name,
                leader: member.leader,
                healthy: member.healthy,
                version: member.version,
                db_size: member.db_size,
            });
            return rows.collect();
        }
    }
    Vec::new()
}

async fn nodes(cluster: &Cluster, sessions: &Sessions, vault: &Vault) -> Result<Vec<NodeState>, EngineError> {
    for (host, access) in prepare::masters(cluster, vault)? {
        let Some(agent) = sessions.agent(&host) else { continue };
        if let Ok(KubeAnswer::Nodes(nodes)) = agent.kube(access, KubeCall::Nodes).await {
            return Ok(nodes);
        }
    }
    Ok(Vec::new())
}

async fn api_status(cluster: &Cluster, sessions: &Sessions, vault: &Vault) -> ApiStatus {
    let url = cluster.api_url();
    let from: Option<AgentClient> =
        cluster.hosts.iter().rev().filter(|host| !host.has(Role::LoadBalancer)).find_map(|host| sessions.agent(&host.name));
    let Some(agent) = from else { return ApiStatus { url, ready: false, message: Some("no host could be asked".into()) } };
    let probe = barque_plan::Probe::ApiReady { server: url.clone(), authority: material::authority(vault) };
    let answer = agent.probe(probe, std::time::Duration::from_secs(3), std::time::Duration::from_millis(200)).await;
    ApiStatus { url, ready: answer.is_ok(), message: answer.err().map(|failure| failure.to_string()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(content: &str, clock: Option<i64>) -> Option<(u32, i64, bool)> {
        let status = watchdog_status("etcd.service".into(), content.as_bytes(), clock)?;
        Some((status.attempts, status.last.as_second(), status.given_up))
    }

    #[test]
    fn only_attempts_of_the_last_hour_count() {
        assert_eq!(read("10000\n10060\n", Some(10_100)), Some((2, 10_060, false)));
        assert_eq!(read("10000\n10060\n10120\n", Some(10_120)), Some((3, 10_120, true)));
        assert_eq!(read("10000\n10060\n10120\n", Some(13_600)), Some((2, 10_120, false)));
        assert_eq!(read("10000\n", Some(13_600)), None);
        assert_eq!(read("10000\n10060\n10120\n", None), Some((3, 10_120, true)));
        assert_eq!(read("", Some(10_000)), None);
        assert_eq!(read("garbage\n99999\n", Some(10_000)), None);
    }

    #[test]
    fn a_unit_that_was_given_up_is_not_healthy() {
        let host = |given_up| HostStatus {
            name: "m1".into(),
            address: "10.0.0.1".into(),
            unreachable: None,
            components: Vec::new(),
            watchdog: vec![WatchdogStatus {
                unit: "etcd.service".into(),
                attempts: if given_up { WATCHDOG_ATTEMPTS } else { 1 },
                last: jiff::Timestamp::UNIX_EPOCH,
                given_up,
            }],
        };
        assert!(host(false).is_healthy());
        assert!(!host(true).is_healthy());
    }
}
