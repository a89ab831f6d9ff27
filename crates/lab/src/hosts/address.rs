//! The address plan: one private /24 for a lab, chosen where this machine has no route.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// Second octets that are tried: clear of what clusters (10.96, 10.244) and most home networks (10.0, 10.1) use.
const SECOND_OCTETS: std::ops::RangeInclusive<u8> = 40..=79;
const FIRST_HOST: u8 = 11;
const VIP: u8 = 100;

/// Whether `subnet` is a /24 below 10.0.0.0/8.
pub(crate) fn is_private_24(subnet: Ipv4Net) -> bool {
    subnet.prefix_len() == 24 && subnet.trunc() == subnet && subnet.addr().octets()[0] == 10
}

fn at(subnet: Ipv4Net, last: u8) -> Ipv4Addr {
    let [first, second, third, _] = subnet.network().octets();
    Ipv4Addr::new(first, second, third, last)
}

/// The bridge's own address: this machine as the hosts see it.
pub(crate) fn gateway(subnet: Ipv4Net) -> Ipv4Addr {
    at(subnet, 1)
}

/// The address kept free for a virtual IP.
pub(crate) fn vip(subnet: Ipv4Net) -> Ipv4Addr {
    at(subnet, VIP)
}

/// The address of the host at `index`, counted from 0.
pub(crate) fn host(subnet: Ipv4Net, index: usize) -> Ipv4Addr {
    let offset = u8::try_from(index).unwrap_or(u8::MAX);
    at(subnet, FIRST_HOST.saturating_add(offset))
}

/// A locally administered hardware address that follows from the IP, so that neighbours find a rebooted host at once.
pub(crate) fn hardware(address: Ipv4Addr) -> String {
    let [first, second, third, last] = address.octets();
    format!("02:62:{first:02x}:{second:02x}:{third:02x}:{last:02x}")
}

#[derive(Deserialize)]
struct Route {
    #[serde(default)]
    dst: String,
}

/// The networks that this machine has routes to, from `ip -j -4 route show table all`; the default route is not one.
pub(crate) fn routed(json: &[u8]) -> Result<Vec<Ipv4Net>, serde_json::Error> {
    let routes: Vec<Route> = serde_json::from_slice(json)?;
    let parse = |text: &str| text.parse().ok().or_else(|| Some(Ipv4Net::from(text.parse::<Ipv4Addr>().ok()?)));
    Ok(routes.iter().filter_map(|route| parse(&route.dst)).filter(|net: &Ipv4Net| net.prefix_len() > 0).collect())
}

/// Whether two networks share an address.
pub(crate) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// A free /24 for the lab `name`: the same one every time as long as it is free.
pub(crate) fn choose(name: &str, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    let digest = Sha256::digest(name);
    let seconds = usize::from(SECOND_OCTETS.end() - SECOND_OCTETS.start()) + 1;
    let count = seconds * 256;
    let begin = (usize::from(digest[0]) * 256 + usize::from(digest[1])) % count;
    (0..count).find_map(|step| {
        let number = (begin + step) % count;
        let second = SECOND_OCTETS.start() + u8::try_from(number / 256).ok()?;
        let third = u8::try_from(number % 256).ok()?;
        let candidate = Ipv4Net::new(Ipv4Addr::new(10, second, third, 0), 24).ok()?;
        (!taken.iter().any(|net| overlap(*net, candidate))).then_some(candidate)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn the_plan_of_a_subnet() {
        let subnet = net("10.61.7.0/24");
        assert_eq!(gateway(subnet).to_string(), "10.61.7.1");
        assert_eq!(host(subnet, 0).to_string(), "10.61.7.11");
        assert_eq!(host(subnet, super::super::topology::MOST_HOSTS - 1).to_string(), "10.61.7.90");
        assert_eq!(vip(subnet).to_string(), "10.61.7.100");
        assert_eq!(hardware(host(subnet, 0)), "02:62:0a:3d:07:0b");
    }

    #[test]
    fn only_a_private_24_will_do() {
        assert!(is_private_24(net("10.61.7.0/24")));
        for text in ["10.61.0.0/16", "10.61.7.1/24", "192.168.1.0/24", "11.0.0.0/24"] {
            assert!(!is_private_24(net(text)), "{text}");
        }
    }

    #[test]
    fn the_choice_is_stable_and_avoids_routes() {
        let first = choose("demo", &[]).unwrap();
        assert_eq!(choose("demo", &[]), Some(first));
        assert!(is_private_24(first));
        let second = choose("demo", &[first]).unwrap();
        assert_ne!(first, second);
        let whole: Ipv4Net = net("10.0.0.0/8");
        assert_eq!(choose("demo", &[whole]), None);
        let single = Ipv4Net::from(host(first, 3));
        assert_ne!(choose("demo", &[single]), Some(first), "one address inside is enough to avoid it");
    }

    #[test]
    fn routes_are_read_without_the_default() {
        let json = br#"[{"dst":"default","gateway":"192.0.2.1"},{"dst":"192.0.2.0/24"},{"type":"local","dst":"127.0.0.1"}]"#;
        assert_eq!(routed(json).unwrap(), [net("192.0.2.0/24"), net("127.0.0.1/32")]);
        assert!(routed(b"nonsense").is_err());
    }
}
