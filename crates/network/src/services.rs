//! The service range.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use crate::range::{Count, Family, first, last};

/// A service range may have at most this many bits for addresses: /12 of IPv4, /108 of IPv6.
///
/// kube-apiserver before 1.34 refuses larger ones (`maxCIDRBits`, cmd/kube-apiserver/app/options/validation.go), and so does kubeadm
/// (`MaximumBitsForServiceSubnet`).
pub const MAX_SERVICE_BITS: u8 = 20;

/// A service range needs at least this many bits: the tenth address, DNS's, must be one that a service can have.
pub const MIN_SERVICE_BITS: u8 = 4;

/// Which service address the cluster's DNS gets, counted from the network's; kubeadm does the same.
pub const DNS_INDEX: u128 = 10;

/// What a service range gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePlan {
    /// Its family.
    pub family: Family,
    /// The range.
    pub range: IpNet,
    /// Addresses of the range.
    pub addresses: Count,
    /// Addresses that services can have: without the network's and, with IPv4, the broadcast address (pkg/registry/core/service/ipallocator).
    pub services: Count,
    /// The API's own service, `kubernetes.default`: the first address.
    pub api_address: Option<IpAddr>,
    /// The cluster's DNS: the tenth address.
    pub dns_address: Option<IpAddr>,
    /// The lower band, which Kubernetes gives out last, so that a `clusterIP` that a manifest names is seldom taken (KEP-3070).
    pub static_band: Band,
    /// The upper band, which Kubernetes gives out first.
    pub dynamic_band: Band,
}

/// Some of a range's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Band {
    /// How many.
    pub addresses: Count,
    /// The first; `None` when there are none.
    pub first: Option<IpAddr>,
    /// The last.
    pub last: Option<IpAddr>,
}

impl Band {
    fn new(family: Family, first: u128, addresses: u128) -> Self {
        let at = |number| (addresses > 0).then(|| family.address(number));
        Self { addresses: Count(addresses), first: at(first), last: at(first.saturating_add(addresses).saturating_sub(1)) }
    }
}

/// The prefixes that a service range can have.
pub const fn possible_service_prefixes(family: Family) -> std::ops::RangeInclusive<u8> {
    family.bits() - MAX_SERVICE_BITS..=family.bits() - MIN_SERVICE_BITS
}

/// Works a service range out.
pub fn service_plan(range: IpNet) -> ServicePlan {
    let family = Family::of(range);
    let addresses = Count::power(family.bits() - range.prefix_len());
    let unusable = if family == Family::V4 { 2 } else { 1 };
    let services = addresses.less(unusable);
    let start = first(range).saturating_add(1);
    let reserved = static_addresses(addresses.0).min(services.0);
    let usable = |index: u128| (index <= services.0).then(|| family.address(first(range) + index)).filter(|_| last(range) > first(range));
    ServicePlan {
        family,
        range,
        addresses,
        services,
        api_address: usable(1),
        dns_address: usable(DNS_INDEX),
        static_band: Band::new(family, start, reserved),
        dynamic_band: Band::new(family, start.saturating_add(reserved), services.0 - reserved),
    }
}

/// `calculateRangeOffset` of pkg/registry/core/service/ipallocator: min(max(16, size / 16), 256), and none in ranges of 16 or fewer.
fn static_addresses(size: u128) -> u128 {
    if size <= 16 { 0 } else { (size / 16).clamp(16, 256) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn plan(range: &str) -> ServicePlan {
        service_plan(range.parse().unwrap())
    }

    fn text(address: Option<IpAddr>) -> String {
        address.map_or_else(|| "-".to_owned(), |address| address.to_string())
    }

    #[test]
    fn the_articles_figures() {
        let plan = plan("10.10.0.0/22");
        assert_eq!((plan.addresses, plan.services), (Count(1024), Count(1022)));
        assert_eq!((text(plan.api_address), text(plan.dns_address)), ("10.10.0.1".into(), "10.10.0.10".into()));
        assert_eq!((plan.static_band.addresses, text(plan.static_band.last)), (Count(64), "10.10.0.64".into()));
        assert_eq!((text(plan.dynamic_band.first), text(plan.dynamic_band.last)), ("10.10.0.65".into(), "10.10.3.254".into()));
    }

    #[test]
    fn bands_follow_the_kep() {
        // The examples of KEP-3070: /24, /20 and /16; and a range with nothing to divide.
        let bands = ["10.96.0.0/24", "10.96.0.0/20", "10.96.0.0/16", "10.96.0.0/28", "10.96.0.0/27"]
            .map(|range| plan(range).static_band.addresses.0);
        assert_eq!(bands, [16, 256, 256, 0, 16]);
        let six = plan("fd00:10:96::/112");
        assert_eq!((six.services, six.static_band.addresses), (Count(65535), Count(256)));
        assert_eq!(text(six.dynamic_band.last), "fd00:10:96::ffff");
        assert_eq!(text(six.dns_address), "fd00:10:96::a");
    }

    #[test]
    fn tiny_ranges_have_no_dns_address() {
        assert_eq!(text(plan("10.0.0.0/29").dns_address), "-");
        assert_eq!((plan("10.0.0.0/32").services, text(plan("10.0.0.0/32").api_address)), (Count(0), "-".into()));
        assert_eq!(possible_service_prefixes(Family::V4), 12..=28);
        assert_eq!(possible_service_prefixes(Family::V6), 108..=124);
    }

    proptest! {
        #[test]
        fn addresses_match_the_oracle(family in prop_oneof![Just(Family::V4), Just(Family::V6)], low: u16, bits in 0_u8..=13) {
            let range = family.range(0x0a00_0000 + u128::from(low), family.bits() - bits).unwrap();
            let plan = service_plan(range);
            let all: Vec<u128> = (first(range)..=last(range)).collect();
            let usable: Vec<u128> =
                all.iter().copied().filter(|address| *address != first(range) && !(family == Family::V4 && *address == last(range))).collect();
            prop_assert_eq!(plan.addresses.0, all.len() as u128);
            prop_assert_eq!(plan.services.0, usable.len() as u128);
            prop_assert_eq!(plan.api_address, usable.first().map(|address| family.address(*address)));
            prop_assert_eq!(plan.dns_address, usable.get(9).map(|address| family.address(*address)));
            let (lower, upper) = usable.split_at(usize::try_from(plan.static_band.addresses.0).unwrap());
            prop_assert_eq!((plan.static_band.first, plan.static_band.last), (lower.first().map(|a| family.address(*a)), lower.last().map(|a| family.address(*a))));
            prop_assert_eq!((plan.dynamic_band.first, plan.dynamic_band.last), (upper.first().map(|a| family.address(*a)), upper.last().map(|a| family.address(*a))));
        }
    }
}
