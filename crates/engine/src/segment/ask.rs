//! Asks the agents.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use barque_agent::{AgentClient, AgentError};
use barque_check::Finding;
use barque_event::Failure;
use barque_model::{CheckId, Cluster, Component, Host, HostName};
use barque_render::{DeployedBalancer, KEEPALIVED_FILE, deployed_balancer};
use barque_segment::{SegmentQuestion, SegmentReport};
use futures::future::join_all;
use serde::Serialize;

use crate::EngineError;

/// How long VRRP is listened to: three advertisements at the usual second between them, and half of one more. Those of a router that
/// is set to speak more seldom may be missed.
pub(crate) const LISTENING: Duration = Duration::from_millis(3500);

/// An answer comes right after the time of listening; a host that is busy gets more.
const PATIENCE: Duration = Duration::from_secs(30);

/// The agents of the hosts that answer.
pub(crate) type Agents = BTreeMap<HostName, AgentClient>;

/// What was found from each host.
pub(crate) type Reports = BTreeMap<HostName, SegmentReport>;

/// A host from which nobody could be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unasked {
    /// The host.
    pub host: HostName,
    /// Why, and what to do about it.
    pub message: String,
}

impl From<Unasked> for EngineError {
    fn from(Unasked { host, message }: Unasked) -> Self {
        Self::Observe { host, message }
    }
}

impl From<Unasked> for Finding {
    fn from(Unasked { host, message }: Unasked) -> Self {
        let message = format!("its network segment could not be asked: {message}");
        Self::new(CheckId::HostUnreachable, &host, message, "put that right, then run `barque check` again")
    }
}

/// What was asked from several hosts.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) reports: Reports,
    pub(crate) unasked: Vec<Unasked>,
}

/// What the balancers that answer have been told to hold, read from their configuration.
pub(crate) async fn deployed(cluster: &Cluster, agents: &Agents) -> Result<BTreeMap<HostName, Option<DeployedBalancer>>, Unasked> {
    let reading = answering(cluster.running(Component::Keepalived), agents)
        .map(|(host, agent)| async move { (host, answer(host, agent.contents(vec![KEEPALIVED_FILE.to_owned()])).await) });
    let mut deployed = BTreeMap::new();
    for (host, contents) in join_all(reading).await {
        let contents = contents?;
        let text = contents.first().and_then(Option::as_ref).map(|content| String::from_utf8_lossy(content.expose()).into_owned());
        deployed.insert(host.name.clone(), text.as_deref().and_then(deployed_balancer));
    }
    Ok(deployed)
}

/// Asks from every balancer who holds the VIP and the balancers' addresses, and listens to VRRP meanwhile.
pub(crate) async fn balancers(cluster: &Cluster, agents: &Agents, listen: Duration) -> Asked {
    let Some(balancer) = &cluster.load_balancer else { return Asked::default() };
    let question = |host: &Host| {
        let others = cluster.running(Component::Keepalived).filter(|other| other.name != host.name).map(|other| other.address);
        let addresses: Vec<IpAddr> = std::iter::once(balancer.vip).chain(others).collect();
        SegmentQuestion { interface: balancer.interface.clone(), own: host.address, addresses, listen: Some(listen) }
    };
    ask(answering(cluster.running(Component::Keepalived), agents), question).await
}

/// Asks from every host who else has its own address.
pub(crate) async fn own_addresses(cluster: &Cluster, agents: &Agents) -> Asked {
    let question = |host: &Host| SegmentQuestion { interface: None, own: host.address, addresses: vec![host.address], listen: None };
    ask(answering(cluster.hosts.iter(), agents), question).await
}

async fn ask<'a>(hosts: impl Iterator<Item = (&'a Host, &'a AgentClient)>, question: impl Fn(&Host) -> SegmentQuestion) -> Asked {
    let asking = hosts.map(|(host, agent)| {
        let question = question(host);
        async move { (host, answer(host, agent.segment(question)).await) }
    });
    let mut asked = Asked::default();
    for (host, answer) in join_all(asking).await {
        match answer {
            Ok(report) => drop(asked.reports.insert(host.name.clone(), report)),
            Err(unasked) => asked.unasked.push(unasked),
        }
    }
    asked
}

fn answering<'a>(hosts: impl Iterator<Item = &'a Host>, agents: &'a Agents) -> impl Iterator<Item = (&'a Host, &'a AgentClient)> {
    hosts.filter_map(|host| Some((host, agents.get(&host.name)?)))
}

async fn answer<Answer>(host: &Host, call: impl Future<Output = Result<Answer, AgentError>>) -> Result<Answer, Unasked> {
    let message = match tokio::time::timeout(PATIENCE, call).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => {
            let failure = Failure::from(error);
            failure.hint.map_or_else(|| failure.message.clone(), |hint| format!("{}; {hint}", failure.message))
        }
        Err(_elapsed) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    Err(Unasked { host: host.name.clone(), message })
}
