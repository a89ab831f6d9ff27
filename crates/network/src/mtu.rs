//! How large pods' packets may be.

use barque_model::FlannelBackend;
use serde::Serialize;

use crate::range::Family;

/// Bytes that flannel takes off the link's MTU with VXLAN, for either family (pkg/backend/vxlan: `encapOverhead`, device.go).
const FLANNEL_TAKES: u16 = 50;

/// MTU of a link that says nothing else (Ethernet).
pub const USUAL_LINK_MTU: u16 = 1500;

/// MTU of pods in one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MtuPlan {
    /// Family of the hosts' addresses, between which packets travel.
    pub family: Family,
    /// flannel's backend.
    pub backend: FlannelBackend,
    /// MTU of the hosts' link in bytes.
    pub link: u16,
    /// Bytes that the backend adds to each packet.
    pub overhead: u16,
    /// The largest MTU of pods with which no packet is larger than the link's.
    pub largest: u16,
    /// The MTU that pods get.
    pub pods: u16,
    /// Whether the cluster file says so; else flannel works it out.
    pub is_set: bool,
}

impl MtuPlan {
    /// Whether a pod's largest packet passes the link in one piece.
    pub const fn fits(&self) -> bool {
        self.pods <= self.largest
    }
}

/// Bytes that a backend adds to each packet between hosts of `family`.
///
/// VXLAN adds an Ethernet header of 14, VXLAN's of 8, UDP's of 8, and IP's: 20 with IPv4, 40 with IPv6 (RFC 7348, section 5).
pub const fn overhead(backend: FlannelBackend, family: Family) -> u16 {
    match (backend, family) {
        (FlannelBackend::Vxlan, Family::V4) => 50,
        (FlannelBackend::Vxlan, Family::V6) => 70,
        (FlannelBackend::HostGw, _) => 0,
    }
}

/// Works the MTU out. `set` is the one that the cluster file names.
pub fn mtu_plan(backend: FlannelBackend, family: Family, link: u16, set: Option<u16>) -> MtuPlan {
    let overhead = overhead(backend, family);
    let taken = match backend {
        FlannelBackend::Vxlan => FLANNEL_TAKES,
        FlannelBackend::HostGw => 0,
    };
    MtuPlan {
        family,
        backend,
        link,
        overhead,
        largest: link.saturating_sub(overhead),
        pods: set.unwrap_or_else(|| link.saturating_sub(taken)),
        is_set: set.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_backend_has_its_overhead() {
        let plan = |backend, family, set| {
            let plan = mtu_plan(backend, family, USUAL_LINK_MTU, set);
            (plan.pods, plan.largest, plan.fits())
        };
        assert_eq!(plan(FlannelBackend::Vxlan, Family::V4, None), (1450, 1450, true));
        // flannel takes 50 off for IPv6 as well, which is 20 too few.
        assert_eq!(plan(FlannelBackend::Vxlan, Family::V6, None), (1450, 1430, false));
        assert_eq!(plan(FlannelBackend::Vxlan, Family::V6, Some(1430)), (1430, 1430, true));
        assert_eq!(plan(FlannelBackend::HostGw, Family::V6, None), (1500, 1500, true));
        assert_eq!(plan(FlannelBackend::HostGw, Family::V4, Some(9000)), (9000, 1500, false));
    }
}
