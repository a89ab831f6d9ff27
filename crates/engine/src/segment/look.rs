//! The look at the segments for verbs that only report.

use std::collections::{BTreeMap, BTreeSet};

use barque_store::StateDirectory;

use super::ask::{self, LISTENING};
use super::choice::{Choice, with_vrid};
use super::judge::{Found, judge, vip_holders};
use super::machines::Machines;
use super::{SegmentFinding, Unasked};
use crate::{Context, EngineError, Sessions};

/// What a look at the segments gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SegmentLook {
    /// What is wrong.
    pub findings: Vec<SegmentFinding>,
    /// Hosts from which nobody could be asked.
    pub unasked: Vec<Unasked>,
    /// Balancers that hold the VIP, by what they and their neighbours say.
    pub vip_holders: BTreeSet<String>,
}

/// Finds everything that is wrong on the hosts' segments. Asks all hosts that answer at once and takes 3.5 s where there are balancers,
/// 1.2 s elsewhere. Writes nothing.
pub async fn segment_look(context: &Context, state: &StateDirectory, sessions: &Sessions) -> Result<SegmentLook, EngineError> {
    let agents = sessions.agents();
    let cluster = &context.cluster;
    let (deployed, mut balancers, mut hosts) =
        tokio::join!(ask::deployed(cluster, &agents), ask::balancers(cluster, &agents, LISTENING), ask::own_addresses(cluster, &agents));
    let mut unasked = std::mem::take(&mut balancers.unasked);
    unasked.append(&mut hosts.unasked);
    let deployed = deployed.unwrap_or_else(|problem| {
        unasked.push(problem);
        BTreeMap::new()
    });
    unasked.sort_by(|one, other| one.host.cmp(&other.host));
    unasked.dedup();
    let (balancers, hosts) = (balancers.reports, hosts.reports);
    let settled = match &cluster.load_balancer {
        Some(balancer) => {
            let taken = Machines::new(cluster, &[&balancers, &hosts]).taken(&balancers);
            with_vrid(cluster, Choice::of(balancer, state.vrid()?, &deployed).vrid(&taken))
        }
        None => cluster.clone(),
    };
    let is_deployed = deployed.values().any(Option::is_some);
    let findings = judge(Found { cluster: &settled, balancers: &balancers, hosts: &hosts, deployed: is_deployed });
    let vip_holders = vip_holders(&settled, &balancers).into_iter().map(ToString::to_string).collect();
    Ok(SegmentLook { findings, unasked, vip_holders })
}
