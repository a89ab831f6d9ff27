//! Networks of hosts before there is a cluster, for `init`.

use std::collections::BTreeSet;

use barque_agent::AgentClient;
use barque_check::{Depth, InspectRequest};
use barque_model::Host;
use barque_plan::HostFacts;
use barque_store::StateDirectory;
use futures::future::join_all;
use ipnet::IpNet;

use crate::{Context, EngineError, Events, Sessions};

/// The networks in which the hosts have addresses and those that they route, asked of all hosts at once. Every host must answer: a network
/// that is not known may be the one that collides. Nothing of barque stays on the hosts.
pub async fn host_networks(context: &Context, events: &Events) -> Result<Vec<IpNet>, EngineError> {
    let state = StateDirectory::open_or_create(&context.state)?;
    let (sessions, problems) = Sessions::connect_unseen(context, &state, events).await?;
    let result = if problems.is_empty() { ask(context, &sessions).await } else { Err(EngineError::Hosts(problems)) };
    sessions.close().await;
    Ok(result?.into_iter().collect())
}

async fn ask(context: &Context, sessions: &Sessions) -> Result<BTreeSet<IpNet>, EngineError> {
    let asking = context.cluster.hosts.iter().filter_map(|host| {
        let agent = sessions.agent(&host.name)?;
        Some(async move { (host, of_host(context, host, &agent).await) })
    });
    let mut networks = BTreeSet::new();
    for (host, answer) in join_all(asking).await {
        networks.extend(answer.map_err(|message| EngineError::Observe { host: host.name.clone(), message })?);
    }
    Ok(networks)
}

/// A default route leads everywhere and is no network.
async fn of_host(context: &Context, host: &Host, agent: &AgentClient) -> Result<Vec<IpNet>, String> {
    let request = InspectRequest::of(&context.cluster, host, Depth::Facts);
    let inspection = agent.inspect(request).await.map_err(|error| error.to_string())?;
    let routes = inspection.routes.iter().map(|route| IpNet::V4(route.destination)).filter(|network| network.prefix_len() > 0);
    Ok(of_addresses(&inspection.facts).chain(routes).collect())
}

/// Networks of the interfaces' addresses, but for loopback.
fn of_addresses(facts: &HostFacts) -> impl Iterator<Item = IpNet> {
    let outside = facts.addresses.iter().filter(|found| !found.address.is_loopback());
    outside.filter_map(|found| Some(IpNet::new(found.address, found.prefix).ok()?.trunc()))
}
