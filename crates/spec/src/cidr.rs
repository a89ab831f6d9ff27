//! IPv4 ranges.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

/// What to do about an IPv6 address.
pub(crate) const IPV6_HINT: &str = "use an IPv4 address; docs/cluster-file.md lists the limits of this version";

/// Why a text is not a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRange {
    /// IPv6.
    #[error("`{0}` is IPv6, which this version does not support")]
    Ipv6(String),
    /// Not `address/prefix`.
    #[error("`{0}` is not a range of addresses")]
    Syntax(String),
    /// The address has bits beyond the prefix.
    #[error("`{given}` is not canonical: its prefix of {} bits covers {canonical}", canonical.prefix_len())]
    NotCanonical {
        /// As written.
        given: String,
        /// The range that contains it.
        canonical: Ipv4Net,
    },
}

impl InvalidRange {
    /// What to write instead.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Ipv6(_) => IPV6_HINT.to_owned(),
            Self::Syntax(_) => "write an address and a prefix length, such as 10.244.0.0/16".to_owned(),
            Self::NotCanonical { canonical, .. } => format!("write {canonical}"),
        }
    }
}

/// Reads a canonical IPv4 range.
pub(crate) fn parse(text: &str) -> Result<Ipv4Net, InvalidRange> {
    let syntax = || InvalidRange::Syntax(text.to_owned());
    let (address, prefix) = text.split_once('/').ok_or_else(syntax)?;
    let address: Ipv4Addr = match address.parse() {
        Ok(IpAddr::V4(address)) => address,
        Ok(IpAddr::V6(_)) => return Err(InvalidRange::Ipv6(text.to_owned())),
        Err(_) => return Err(syntax()),
    };
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u8 = prefix.parse().ok().filter(|_| digits).ok_or_else(syntax)?;
    let range = Ipv4Net::new(address, prefix).map_err(|_| syntax())?;
    let canonical = range.trunc();
    if canonical == range { Ok(range) } else { Err(InvalidRange::NotCanonical { given: text.to_owned(), canonical }) }
}

/// Whether two ranges share an address.
pub(crate) fn overlap(one: Ipv4Net, two: Ipv4Net) -> bool {
    one.contains(&two) || two.contains(&one)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// The first address of the block of 2^(32-prefix) addresses in which `address` lies, found by counting.
    fn oracle(address: u32, prefix: u8) -> u32 {
        let size = 1_u64 << (32 - prefix);
        let mut start = u64::from(address);
        while !start.is_multiple_of(size) {
            start -= 1;
        }
        u32::try_from(start).unwrap()
    }

    proptest! {
        #[test]
        fn canonical_ranges_match_the_oracle(address: u32, prefix in 14_u8..=32) {
            let text = format!("{}/{prefix}", Ipv4Addr::from_bits(address));
            let start = oracle(address, prefix);
            let right = Ipv4Net::new(Ipv4Addr::from_bits(start), prefix).unwrap();
            match parse(&text) {
                Ok(range) => prop_assert!(start == address && range == right),
                Err(InvalidRange::NotCanonical { canonical, .. }) => prop_assert!(start != address && canonical == right),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }

        #[test]
        fn overlap_matches_the_oracle(one: u16, two: u16, one_prefix in 20_u8..=32, two_prefix in 20_u8..=32) {
            let range = |low: u16, prefix| Ipv4Net::new(Ipv4Addr::from_bits(0x0a00_0000 | u32::from(low)), prefix).unwrap().trunc();
            let (one, two) = (range(one, one_prefix), range(two, two_prefix));
            let addresses = |range: Ipv4Net| range.network().to_bits()..=range.broadcast().to_bits();
            let shared = addresses(one).any(|address| addresses(two).contains(&address));
            prop_assert_eq!(overlap(one, two), shared);
        }

        #[test]
        fn never_panics(text in "\\PC{0,24}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn the_articles_range_is_corrected() {
        let error = parse("10.10.1.0/22").unwrap_err();
        assert_eq!(error.hint(), "write 10.10.0.0/22");
        assert!(matches!(parse("fd00::/64"), Err(InvalidRange::Ipv6(_))));
        for bad in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/+8", "/8", "a/8", "10.0.0.0/", "10.0.0.0/255.0.0.0"] {
            assert!(matches!(parse(bad), Err(InvalidRange::Syntax(_))), "{bad}");
        }
    }
}
