//! Networks of hosts, which a cluster's ranges must keep clear of.

use std::net::{IpAddr, Ipv4Addr};

use barque_agent::AgentClient;
use barque_check::{Depth, InspectRequest, Route};
use barque_model::Host;
use barque_network::{Occupant, Occupied, is_own_interface, merged};
use barque_plan::HostFacts;
use barque_store::StateDirectory;
use futures::future::join_all;
use ipnet::IpNet;

use crate::{Context, EngineError, Events, Sessions};

/// The networks in which the hosts have addresses and those that they route, asked of all hosts at once. Every host must answer: a network
/// that is not known may be the one that collides. Nothing of barque stays on the hosts.
///
/// What the cluster itself has made on its hosts is left out.
pub async fn host_networks(context: &Context, events: &Events) -> Result<Vec<Occupied>, EngineError> {
    let state = StateDirectory::open_or_create(&context.state)?;
    let (sessions, problems) = Sessions::connect_unseen(context, &state, events).await?;
    let result = if problems.is_empty() { ask(context, &sessions).await } else { Err(EngineError::Hosts(problems)) };
    sessions.close().await;
    Ok(merged(result?))
}

async fn ask(context: &Context, sessions: &Sessions) -> Result<Vec<Occupied>, EngineError> {
    let asking = context.cluster.hosts.iter().filter_map(|host| {
        let agent = sessions.agent(&host.name)?;
        Some(async move { (host, of_host(context, host, &agent).await) })
    });
    let mut networks = Vec::new();
    for (host, answer) in join_all(asking).await {
        networks.extend(answer.map_err(|message| EngineError::Observe { host: host.name.clone(), message })?);
    }
    Ok(networks)
}

/// A default route leads everywhere and is no network.
async fn of_host(context: &Context, host: &Host, agent: &AgentClient) -> Result<Vec<Occupied>, String> {
    let request = InspectRequest::of(&context.cluster, host, Depth::Facts);
    let inspection = agent.inspect(request).await.map_err(|error| error.to_string())?;
    let mut networks: Vec<Occupied> = of_addresses(&inspection.facts, host).collect();
    let strange = |route: &&Route| route.destination.prefix_len() > 0 && !is_own_interface(&route.interface) && !is_of_pods(context, route);
    for route in inspection.routes.iter().filter(strange) {
        let network = IpNet::V4(route.destination);
        // The kernel's own route to the network of an interface says the same once more.
        if networks.iter().all(|known| known.network != network) {
            networks.push(Occupied::new(network, Occupant::Route { hosts: vec![host.name.clone()] }));
        }
    }
    Ok(networks)
}

/// Whether it leads to the pods of another host of the cluster, as flannel's host-gw makes them.
fn is_of_pods(context: &Context, route: &Route) -> bool {
    let from_cluster = |gateway: Ipv4Addr| context.cluster.hosts.iter().any(|host| host.address == IpAddr::V4(gateway));
    context.cluster.network.pod_cidr.contains(&route.destination) && route.gateway.is_some_and(from_cluster)
}

/// Networks of the interfaces' addresses, but for loopback and what the cluster makes.
fn of_addresses(facts: &HostFacts, host: &Host) -> impl Iterator<Item = Occupied> {
    let outside = facts.addresses.iter().filter(|found| !found.address.is_loopback() && !is_own_interface(&found.interface));
    outside.filter_map(|found| {
        let network = IpNet::new(found.address, found.prefix).ok()?.trunc();
        let occupant = Occupant::Interface { interface: found.interface.clone(), hosts: vec![host.name.clone()] };
        Some(Occupied::new(network, occupant))
    })
}
