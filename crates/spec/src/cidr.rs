//! IPv4 ranges.

use barque_network::parse_range;
use ipnet::{IpNet, Ipv4Net};

/// What to do about an IPv6 address.
pub(crate) const IPV6_HINT: &str = "use an IPv4 address; docs/cluster-file.md lists the limits of this version";

/// Why a text is not a range that this version takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRange {
    /// IPv6.
    #[error("`{0}` is IPv6, which this version does not support")]
    Ipv6(String),
    /// Not a range, or not on its boundary.
    #[error(transparent)]
    Invalid(#[from] barque_network::InvalidRange),
}

impl InvalidRange {
    /// What to write instead.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Ipv6(_) => IPV6_HINT.to_owned(),
            Self::Invalid(invalid) => invalid.hint(),
        }
    }
}

/// Reads a canonical IPv4 range.
pub(crate) fn parse(text: &str) -> Result<Ipv4Net, InvalidRange> {
    match parse_range(text) {
        Ok(IpNet::V4(range)) => Ok(range),
        Ok(IpNet::V6(_)) | Err(barque_network::InvalidRange::NotCanonical { canonical: IpNet::V6(_), .. }) => {
            Err(InvalidRange::Ipv6(text.to_owned()))
        }
        Err(invalid) => Err(invalid.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_ipv4_is_taken() {
        assert_eq!(parse("10.10.0.0/22").unwrap().to_string(), "10.10.0.0/22");
        assert_eq!(parse("10.10.1.0/22").unwrap_err().hint(), "write 10.10.0.0/22");
        assert!(matches!(parse("fd00::/64"), Err(InvalidRange::Ipv6(_))) && matches!(parse("fd00::1/64"), Err(InvalidRange::Ipv6(_))));
        assert!(matches!(parse("10.0.0.0"), Err(InvalidRange::Invalid(_))));
    }
}
