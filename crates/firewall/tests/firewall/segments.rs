//! Arithmetic of segments against counting.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use barque_firewall::segments;
use barque_model::{Cluster, HostName};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use crate::clusters::example;

/// A cluster whose hosts have these addresses, all in 10.0.0.0/16.
fn cluster(addresses: impl IntoIterator<Item = u16>) -> Cluster {
    let mut cluster = example("minimal.yaml");
    let model = cluster.hosts.remove(0);
    cluster.hosts = addresses
        .into_iter()
        .enumerate()
        .map(|(index, low)| {
            let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | u32::from(low)));
            barque_model::Host { name: format!("h{index}").parse().unwrap(), address, ..model.clone() }
        })
        .collect();
    cluster
}

fn bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(_) => panic!("{address}"),
    }
}

proptest! {
    #[test]
    fn with_one_prefix_hosts_share_a_segment_when_their_upper_bits_agree(low in btree_set(any::<u16>(), 1..12), prefix in 17_u8..=32) {
        let cluster = cluster(low);
        let segments = segments(&cluster, &BTreeMap::new(), prefix);
        for one in &cluster.hosts {
            for two in &cluster.hosts {
                let shift = 32 - u32::from(prefix);
                let together = bits(one.address) >> shift == bits(two.address) >> shift;
                prop_assert_eq!(segments.of_host(&one.name) == segments.of_host(&two.name), together);
            }
        }
    }

    #[test]
    fn with_any_prefixes_each_host_is_in_one_segment_and_segments_are_apart(
        low in btree_set(any::<u16>(), 1..12),
        prefixes in vec(option::of(any::<u8>()), 12),
        default in 0_u8..=40,
    ) {
        let cluster = cluster(low);
        let known: BTreeMap<HostName, u8> =
            cluster.hosts.iter().zip(prefixes).filter_map(|(host, prefix)| Some((host.name.clone(), prefix?))).collect();
        let segments = segments(&cluster, &known, default);
        for host in &cluster.hosts {
            let holding: Vec<_> = segments.iter().filter(|(_, hosts)| hosts.contains(&host.name)).collect();
            prop_assert_eq!(holding.len(), 1);
            prop_assert!(holding[0].0.contains(&host.address));
            // Nobody's own subnet is torn apart.
            let prefix = known.get(&host.name).copied().unwrap_or(default).min(32);
            prop_assert!(holding[0].0.prefix_len() <= prefix);
        }
        let networks: Vec<_> = segments.iter().map(|(network, _)| network).collect();
        for (index, one) in networks.iter().enumerate() {
            prop_assert!(networks[index + 1..].iter().all(|two| !one.contains(two) && !two.contains(one)));
        }
    }
}
