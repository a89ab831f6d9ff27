//! What is wrong on a segment.

use barque_check::Finding;
use barque_model::{CheckId, Cluster, HostName};
use serde::Serialize;

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SegmentKind {
    /// A machine that is no balancer of the cluster has the VIP.
    VipInUse,
    /// Several balancers have the VIP at once.
    VipHeldTwice,
    /// No machine has the VIP although balancers are deployed.
    VipHeldByNobody,
    /// The VIP lies in no network of a balancer.
    VipOutside,
    /// A machine that is no balancer of the cluster speaks for the cluster's virtual router.
    VridInUse,
    /// Another machine has a host's own address.
    AddressConflict,
}

impl SegmentKind {
    /// The check that it belongs to.
    pub const fn check(self) -> CheckId {
        match self {
            Self::VipInUse | Self::VipHeldTwice | Self::VipHeldByNobody => CheckId::VipInUse,
            Self::VipOutside => CheckId::VipOutside,
            Self::VridInUse => CheckId::VridInUse,
            Self::AddressConflict => CheckId::AddressConflict,
        }
    }

    /// Whether `up` refuses to set up balancers. What a run may put right itself is no reason.
    pub const fn refuses(self) -> bool {
        match self {
            Self::VipInUse | Self::VipOutside | Self::VridInUse => true,
            Self::VipHeldTwice | Self::VipHeldByNobody | Self::AddressConflict => false,
        }
    }
}

/// Something wrong on a segment, and its remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentFinding {
    /// What kind of thing it is.
    pub kind: SegmentKind,
    /// The host that it is about, or from which it was seen.
    pub host: HostName,
    /// What is wrong: names machines by hardware address and address.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl From<SegmentFinding> for Finding {
    fn from(SegmentFinding { kind, host, message, remedy }: SegmentFinding) -> Self {
        Self::new(kind.check(), &host, message, remedy)
    }
}

impl SegmentFinding {
    /// Whether the cluster file accepts it.
    pub(crate) fn is_accepted(&self, cluster: &Cluster) -> bool {
        let covers = |rule: &barque_model::AcceptedCheck| {
            rule.check == self.kind.check() && (rule.hosts.is_empty() || rule.hosts.contains(&self.host))
        };
        cluster.accepted_checks.iter().any(covers)
    }
}
