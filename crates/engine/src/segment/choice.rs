//! Which virtual router identifier the cluster has.

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{Cluster, HostName, LoadBalancer, Vrid, VridOrigin};
use barque_render::DeployedBalancer;

/// How far the identifier is known without listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It is this one, whatever is heard.
    Fixed(Vrid),
    /// It is the first free one from here on.
    FreeFrom(Vrid),
}

impl Choice {
    /// A written number is that number. `auto` is the one that a balancer holds already; before any does, a free one from the one that was
    /// `kept` on, or from the number that comes from the cluster's name.
    pub(crate) fn of(balancer: &LoadBalancer, kept: Option<Vrid>, deployed: &BTreeMap<HostName, Option<DeployedBalancer>>) -> Self {
        if balancer.vrid_origin == VridOrigin::Written {
            return Self::Fixed(balancer.vrid);
        }
        let held: BTreeSet<Vrid> = deployed.values().flatten().map(|deployed| deployed.vrid).collect();
        match kept {
            Some(kept) if held.is_empty() => Self::FreeFrom(kept),
            // A run that was stopped while it changed them may have left two: the one that was chosen counts.
            Some(kept) => Self::Fixed(kept),
            None => held.first().map_or(Self::FreeFrom(balancer.vrid), |held| Self::Fixed(*held)),
        }
    }

    /// The identifier, when `taken` are spoken by others.
    pub(crate) fn vrid(self, taken: &BTreeSet<Vrid>) -> Vrid {
        match self {
            Self::Fixed(vrid) => vrid,
            Self::FreeFrom(first) => first_free(first, taken),
        }
    }
}

/// The first identifier that is not `taken`, from `first` on and from 1 again after 255; `first` when all are.
pub(crate) fn first_free(first: Vrid, taken: &BTreeSet<Vrid>) -> Vrid {
    let circle = (first.0..=u8::MAX).chain(1..first.0).map(Vrid);
    circle.into_iter().find(|vrid| !taken.contains(vrid)).unwrap_or(first)
}

/// The cluster with that identifier.
pub(crate) fn with_vrid(cluster: &Cluster, vrid: Vrid) -> Cluster {
    let mut cluster = cluster.clone();
    if let Some(balancer) = &mut cluster.load_balancer {
        balancer.vrid = vrid;
    }
    cluster
}
