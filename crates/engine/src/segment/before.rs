//! The look at the segment before balancers are set up.
//!
//! It listens only when a balancer that answers has yet to be told the VIP and the identifier: a run that changes nothing there, or only
//! haproxy, does not wait for it. What goes wrong later is for `status` and `check` to find.

use std::collections::BTreeSet;

use barque_model::{Cluster, Vrid, VridOrigin};
use barque_store::StateDirectory;
use tokio::task::JoinSet;

use super::SegmentFinding;
use super::ask::{self, LISTENING, Reports};
use super::choice::{Choice, with_vrid};
use super::judge::{Found, judge};
use super::machines::Machines;
use crate::{Context, EngineError, Sessions};

/// A look that has begun.
pub(crate) struct Segment {
    cluster: Cluster,
    deployed: bool,
    state: Listening,
}

enum Listening {
    /// Nothing is to be set up.
    NotNeeded,
    /// Goes on; ends when it is dropped.
    Running(JoinSet<Result<Reports, EngineError>>),
    /// Has ended.
    Done(Result<Reports, EngineError>),
}

impl Segment {
    /// Begins to listen if need be, and settles the virtual router identifier. Waits for what is heard only when the identifier depends on
    /// it; keeps the one that is chosen.
    pub(crate) async fn begin(context: &Context, sessions: &Sessions) -> Result<Self, EngineError> {
        let cluster = &context.cluster;
        let Some(balancer) = &cluster.load_balancer else {
            return Ok(Self { cluster: cluster.clone(), deployed: false, state: Listening::NotNeeded });
        };
        let agents = sessions.agents();
        let deployed = ask::deployed(cluster, &agents).await?;
        let state = StateDirectory::open_or_create(&context.state)?;
        let kept = state.vrid()?;
        let choice = Choice::of(balancer, kept, &deployed);
        let holds = |vrid| deployed.values().all(|held| held.is_some_and(|held| held.vip == balancer.vip && held.vrid == vrid));
        let is_deployed = deployed.values().any(Option::is_some);
        if let Choice::Fixed(vrid) = choice
            && holds(vrid)
        {
            keep(&state, balancer.vrid_origin, kept, vrid)?;
            return Ok(Self { cluster: with_vrid(cluster, vrid), deployed: is_deployed, state: Listening::NotNeeded });
        }
        let mut task = JoinSet::new();
        let asked = cluster.clone();
        task.spawn(async move {
            let asked = ask::balancers(&asked, &agents, LISTENING).await;
            asked.unasked.into_iter().next().map_or(Ok(asked.reports), |unasked| Err(unasked.into()))
        });
        let (listening, vrid) = match choice {
            Choice::Fixed(vrid) => (Listening::Running(task), vrid),
            Choice::FreeFrom(_) => {
                let reports = ended(task).await;
                // A fault of the host that keeps it from listening is told together with its other faults.
                let heard = reports.as_ref().map_or_else(|_| BTreeSet::new(), |reports| Machines::new(cluster, &[reports]).taken(reports));
                let vrid = choice.vrid(&heard);
                (Listening::Done(reports), vrid)
            }
        };
        // Without a balancer that answers nothing was heard, and nothing is chosen.
        if !deployed.is_empty() && !matches!(listening, Listening::Done(Err(_))) {
            keep(&state, balancer.vrid_origin, kept, vrid)?;
        }
        Ok(Self { cluster: with_vrid(cluster, vrid), deployed: is_deployed, state: listening })
    }

    /// The cluster with its virtual router identifier settled.
    pub(crate) const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What stands in the way of setting up balancers, but what the cluster file accepts. Waits for the end of listening.
    pub(crate) async fn obstacles(self) -> Result<Vec<SegmentFinding>, EngineError> {
        let balancers = match self.state {
            Listening::NotNeeded => return Ok(Vec::new()),
            Listening::Running(task) => ended(task).await?,
            Listening::Done(reports) => reports?,
        };
        let found = Found { cluster: &self.cluster, balancers: &balancers, hosts: &Reports::new(), deployed: self.deployed };
        let mut findings = judge(found);
        findings.retain(|finding| finding.kind.refuses() && !finding.is_accepted(&self.cluster));
        Ok(findings)
    }
}

fn keep(state: &StateDirectory, origin: VridOrigin, kept: Option<Vrid>, vrid: Vrid) -> Result<(), EngineError> {
    if origin == VridOrigin::Automatic && kept != Some(vrid) {
        state.keep_vrid(vrid)?;
    }
    Ok(())
}

async fn ended(mut task: JoinSet<Result<Reports, EngineError>>) -> Result<Reports, EngineError> {
    match task.join_next().await {
        Some(Ok(reports)) => reports,
        // It is never cancelled while somebody waits for it.
        Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        None => Ok(Reports::new()),
    }
}
