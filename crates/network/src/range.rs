//! Ranges of IPv4 and IPv6 addresses as numbers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::Serialize;

/// A version of the Internet Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Family {
    /// IPv4: 32 bits.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6: 128 bits.
    #[serde(rename = "IPv6")]
    V6,
}

impl Family {
    /// The family of a range.
    pub const fn of(network: IpNet) -> Self {
        match network {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// Bits of an address.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The address with this number; bits beyond the family's are cut off.
    pub fn address(self, number: u128) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number & u128::from(u32::MAX)).unwrap_or(u32::MAX))),
            Self::V6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
        }
    }

    /// The range that begins at `first` and has `prefix` bits in common; `None` when the prefix is too long.
    pub fn range(self, first: u128, prefix: u8) -> Option<IpNet> {
        IpNet::new(self.address(first), prefix).ok().map(|range| range.trunc())
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The number of an address.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The number of the first address.
pub(crate) fn first(network: IpNet) -> u128 {
    number(network.network())
}

/// The number of the last address.
pub(crate) fn last(network: IpNet) -> u128 {
    number(network.broadcast())
}

/// The range of one address.
pub(crate) fn single(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

/// Whether two ranges share an address. Ranges of different families never do.
pub fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// A number of addresses, nodes or pods.
///
/// As JSON it is a number up to 2^53, which every reader holds exactly, and a string of digits beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(pub u128);

impl Count {
    /// Largest number that a JSON reader with 64-bit floating point holds exactly.
    const EXACT: u128 = 1 << 53;
    /// From here on powers of two are shown as such.
    const LONG: u128 = 1 << 40;

    /// 2 to the power of `bits`. 2^128 is shown as the largest number there is.
    pub const fn power(bits: u8) -> Self {
        Self(if bits >= 128 { u128::MAX } else { 1 << bits })
    }

    /// Less `few`, at least 0.
    #[must_use]
    pub const fn less(self, few: u128) -> Self {
        Self(self.0.saturating_sub(few))
    }
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Self::LONG {
            return self.0.fmt(formatter);
        }
        let bits = 128 - (self.0 - 1).leading_zeros();
        let missing = 1_u128.checked_shl(bits).map_or(u128::MAX - self.0, |power| power - self.0);
        match missing {
            0 => formatter.pad(&format!("2^{bits}")),
            1..=16 => formatter.pad(&format!("2^{bits} - {missing}")),
            _ => self.0.fmt(formatter),
        }
    }
}

impl Serialize for Count {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match u64::try_from(self.0) {
            Ok(small) if self.0 <= Self::EXACT => serializer.serialize_u64(small),
            _ => serializer.collect_str(&self.0),
        }
    }
}

/// Why a text is not a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// Not `address/prefix`.
    #[error("`{0}` is not a range of addresses")]
    Syntax(String),
    /// The address has bits beyond the prefix.
    #[error("`{given}` is not canonical: its prefix of {} bits covers {canonical}", canonical.prefix_len())]
    NotCanonical {
        /// As written.
        given: String,
        /// The range that contains it.
        canonical: IpNet,
    },
}

impl InvalidRange {
    /// What to write instead.
    pub fn hint(&self) -> String {
        match self {
            Self::Syntax(_) => "write an address and a prefix length, such as 10.244.0.0/16".to_owned(),
            Self::NotCanonical { canonical, .. } => format!("write {canonical}"),
        }
    }
}

/// Reads a canonical range of either family.
pub fn parse_range(text: &str) -> Result<IpNet, InvalidRange> {
    let syntax = || InvalidRange::Syntax(text.to_owned());
    let (address, prefix) = text.split_once('/').ok_or_else(syntax)?;
    let address: IpAddr = address.parse().map_err(|_| syntax())?;
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u8 = prefix.parse().ok().filter(|_| digits).ok_or_else(syntax)?;
    let range = IpNet::new(address, prefix).map_err(|_| syntax())?;
    let canonical = range.trunc();
    if canonical == range { Ok(range) } else { Err(InvalidRange::NotCanonical { given: text.to_owned(), canonical }) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// The first address of the block of 2^`free` addresses in which `number` lies, found by counting.
    fn oracle(number: u128, free: u8) -> u128 {
        let mut start = number;
        while !start.is_multiple_of(1 << free) {
            start -= 1;
        }
        start
    }

    fn family() -> impl Strategy<Value = Family> {
        prop_oneof![Just(Family::V4), Just(Family::V6)]
    }

    proptest! {
        #[test]
        fn canonical_ranges_match_the_oracle(family in family(), low: u16, free in 0_u8..=12) {
            let number = number("10.1.0.0".parse().unwrap()) + u128::from(low);
            let text = format!("{}/{}", family.address(number), family.bits() - free);
            let start = oracle(number, free);
            match parse_range(&text) {
                Ok(range) => prop_assert!(start == number && first(range) == start),
                Err(InvalidRange::NotCanonical { canonical, .. }) => prop_assert!(start != number && first(canonical) == start),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }

        #[test]
        fn overlap_matches_the_oracle(family in family(), one: u8, other: u8, one_free in 0_u8..=8, other_free in 0_u8..=8) {
            let range = |low: u8, free: u8| family.range(0x0a00_0000 + u128::from(low), family.bits() - free).unwrap();
            let (one, other) = (range(one, one_free), range(other, other_free));
            let shared = (first(one)..=last(one)).any(|address| (first(other)..=last(other)).contains(&address));
            prop_assert_eq!(overlap(one, other), shared);
        }

        #[test]
        fn never_panics(text in "\\PC{0,24}") {
            let _ = parse_range(&text);
        }

        #[test]
        fn counts_are_shown_exactly(number: u128) {
            let shown = Count(number).to_string();
            let back = match shown.split_once('^') {
                None => shown.parse().unwrap(),
                Some((_, rest)) => {
                    let (bits, less) = rest.split_once(" - ").unwrap_or((rest, "0"));
                    Count::power(bits.parse().unwrap()).0 - less.parse::<u128>().unwrap()
                }
            };
            prop_assert_eq!(back, number);
        }
    }

    #[test]
    fn counts_are_readable_and_json_holds_them() {
        let shown = |bits, few| Count::power(bits).less(few).to_string();
        assert_eq!([shown(10, 0), shown(64, 0), shown(64, 2), shown(40, 1)], ["1024", "2^64", "2^64 - 2", "1099511627775"]);
        let json = |bits| serde_json::to_string(&Count::power(bits)).unwrap();
        assert_eq!([json(16), json(53), json(64)], ["65536", "9007199254740992", "\"18446744073709551616\""]);
        assert_eq!(Count(3).less(5), Count(0));
    }

    #[test]
    fn the_articles_range_is_corrected() {
        assert_eq!(parse_range("10.10.1.0/22").unwrap_err().hint(), "write 10.10.0.0/22");
        assert_eq!(parse_range("fd00:1::/16").unwrap_err().hint(), "write fd00::/16");
        for bad in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/+8", "/8", "a/8", "10.0.0.0/", "10.0.0.0/255.0.0.0", "fd00::/129"] {
            assert!(matches!(parse_range(bad), Err(InvalidRange::Syntax(_))), "{bad}");
        }
    }
}
