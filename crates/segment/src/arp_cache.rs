//! What the kernel knows of its neighbours.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::MacAddress;

/// IPv4 addresses by hardware address, of one interface (`/proc/net/arp`, proc_pid_net(5)). Nothing when it cannot be read: what stands
/// there only helps to name a machine.
pub(crate) fn read(interface: &str) -> BTreeMap<MacAddress, BTreeSet<IpAddr>> {
    parse(&fs_err::read_to_string("/proc/net/arp").unwrap_or_default(), interface)
}

fn parse(text: &str, interface: &str) -> BTreeMap<MacAddress, BTreeSet<IpAddr>> {
    let mut known: BTreeMap<MacAddress, BTreeSet<IpAddr>> = BTreeMap::new();
    for line in text.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [address, _, _, mac, _, device] = columns.as_slice() else { continue };
        if let (Ok(address), Ok(mac)) = (address.parse(), mac.parse())
            && *device == interface
            && mac != MacAddress::ZERO
        {
            known.entry(mac).or_default().insert(address);
        }
    }
    known
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_complete_entries_of_the_interface_count() {
        let text = "IP address       HW type     Flags       HW address            Mask     Device\n\
            10.77.0.1        0x1         0x2         02:00:0a:4d:00:01     *        eth0\n\
            10.77.0.12       0x1         0x0         00:00:00:00:00:00     *        eth0\n\
            10.77.0.15       0x1         0x2         02:00:0a:4d:00:01     *        eth0\n\
            10.9.0.3         0x1         0x2         02:00:0a:4d:00:02     *        eth1\n";
        let known = parse(text, "eth0");
        assert_eq!(known.len(), 1);
        let addresses: Vec<String> = known[&"02:00:0a:4d:00:01".parse().unwrap()].iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.77.0.1", "10.77.0.15"]);
        assert!(parse("", "eth0").is_empty());
    }
}
