//! IPv4 routes.

use std::net::Ipv4Addr;

use barque_check::Route;
use ipnet::Ipv4Net;

use super::read::text;
use crate::context::HostContext;

/// Flag of a route that refuses packets (RTF_REJECT, linux/route.h).
const REJECT: u32 = 0x0200;

/// The main table, as /proc/net/route shows it. Routes that refuse packets lead nowhere and are left out.
pub(super) fn routes(context: &HostContext) -> Vec<Route> {
    text(context, "/proc/net/route").lines().skip(1).filter_map(parse).collect()
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, addresses as hexadecimal numbers in the machine's byte order.
fn parse(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let address = |index: usize| Some(Ipv4Addr::from(u32::from_str_radix(fields.get(index)?, 16).ok()?.to_ne_bytes()));
    let flags = u32::from_str_radix(fields.get(3)?, 16).ok()?;
    let destination = Ipv4Net::with_netmask(address(1)?, address(7)?).ok()?;
    let gateway = address(2).filter(|gateway| !gateway.is_unspecified());
    (flags & REJECT == 0).then(|| Route { destination, gateway, interface: fields[0].to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_the_kernels_table() {
        let route = parse("eth0\t00000000\t0101000A\t0003\t0\t0\t0\t00000000\t0\t0\t0").unwrap();
        assert_eq!((route.destination.to_string().as_str(), route.gateway), ("0.0.0.0/0", Some(Ipv4Addr::new(10, 0, 1, 1))));
        let route = parse("docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0").unwrap();
        assert_eq!((route.destination.to_string().as_str(), route.gateway), ("172.17.0.0/16", None));
        assert_eq!(parse("*\t0000F40A\t00000000\t0200\t0\t0\t0\t0000FFFF\t0\t0\t0"), None);
    }
}
