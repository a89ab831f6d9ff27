//! Hardware addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A hardware address of Ethernet, EUI-48. Written as `ip link` writes it: `02:00:0a:4d:01:0b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

/// A text that is no hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no hardware address")]
pub struct InvalidMacAddress(String);

impl MacAddress {
    /// All hosts of the segment.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// Nobody; stands where an address is not known.
    pub const ZERO: Self = Self([0; 6]);

    /// The address to which an IPv4 group is sent (RFC 1112, section 6.4): the group's low 23 bits.
    pub const fn of_group_v4(group: std::net::Ipv4Addr) -> Self {
        let [_, second, third, fourth] = group.octets();
        Self([0x01, 0x00, 0x5e, second & 0x7f, third, fourth])
    }

    /// The address to which an IPv6 group is sent (RFC 2464, section 7): the group's last four bytes.
    pub const fn of_group_v6(group: std::net::Ipv6Addr) -> Self {
        let [.., first, second, third, fourth] = group.octets();
        Self([0x33, 0x33, first, second, third, fourth])
    }

    /// Whether it names many hosts.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, fourth, fifth, sixth] = self.0;
        write!(formatter, "{first:02x}:{second:02x}:{third:02x}:{fourth:02x}:{fifth:02x}:{sixth:02x}")
    }
}

impl FromStr for MacAddress {
    type Err = InvalidMacAddress;

    fn from_str(text: &str) -> Result<Self, InvalidMacAddress> {
        let invalid = || InvalidMacAddress(text.to_owned());
        let mut parsed = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut parsed {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit()));
            *byte = u8::from_str_radix(part.ok_or_else(invalid)?, 16).map_err(|_| invalid())?;
        }
        if parts.next().is_some() { Err(invalid()) } else { Ok(Self(parsed)) }
    }
}

impl Serialize for MacAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn is_written_and_read_as_ip_link_does() {
        let mac = MacAddress([2, 0, 0x0a, 0x4d, 1, 0xff]);
        assert_eq!(mac.to_string(), "02:00:0a:4d:01:ff");
        assert_eq!("02:00:0A:4D:01:FF".parse(), Ok(mac));
        for wrong in ["", "02:00:0a:4d:01", "02:00:0a:4d:01:ff:00", "02:00:0a:4d:01:+f", "02:00:0a:4d:01:f", "xx:00:0a:4d:01:ff"] {
            assert!(wrong.parse::<MacAddress>().is_err(), "{wrong}");
        }
        assert_eq!(serde_json::to_string(&mac).unwrap(), "\"02:00:0a:4d:01:ff\"");
        let bytes = postcard::to_stdvec(&mac).unwrap();
        assert_eq!(postcard::from_bytes::<MacAddress>(&bytes).unwrap(), mac);
    }

    #[test]
    fn groups_have_their_own() {
        assert_eq!(MacAddress::of_group_v4([224, 0, 0, 18].into()).to_string(), "01:00:5e:00:00:12");
        assert_eq!(MacAddress::of_group_v6("ff02::12".parse().unwrap()).to_string(), "33:33:00:00:00:12");
        assert!(MacAddress::BROADCAST.is_group() && !MacAddress::ZERO.is_group());
    }
}
