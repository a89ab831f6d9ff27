//! Lists of hosts as they are written on a command line.

use std::net::{IpAddr, Ipv4Addr};

use barque_model::HostName;

use super::OutlineError;

/// Addresses in one range at most; more than any cluster barque has been tried with.
pub(super) const MAX_RANGE: u64 = 1024;

/// A host of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAddress {
    /// Its name, when one was given.
    pub name: Option<HostName>,
    /// Its address.
    pub address: Ipv4Addr,
}

/// Reads `a,b,c`: each an address, `NAME=ADDRESS`, or a range (`10.0.0.11..10.0.0.20`, `10.0.0.11-20`). Commas and blanks separate.
pub fn parse_hosts(text: &str) -> Result<Vec<HostAddress>, OutlineError> {
    let mut hosts = Vec::new();
    for word in text.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
        match word.split_once('=') {
            None => hosts.extend(addresses(word)?.into_iter().map(|address| HostAddress { name: None, address })),
            Some((name, rest)) => {
                let name = name.parse()?;
                let [address] = addresses(rest)?[..] else { return Err(OutlineError::NamedRange(word.to_owned())) };
                hosts.push(HostAddress { name: Some(name), address });
            }
        }
    }
    Ok(hosts)
}

/// One address or a range of them.
fn addresses(word: &str) -> Result<Vec<Ipv4Addr>, OutlineError> {
    let (first, last) = if let Some((first, last)) = word.split_once("..") {
        (address(first)?, address(last)?)
    } else if let Some((first, last)) = word.split_once('-').filter(|(first, _)| first.parse::<Ipv4Addr>().is_ok()) {
        let start = address(first)?;
        // `10.0.0.11-20` counts in the last number.
        let end = match last.parse::<u8>() {
            Ok(number) => Ipv4Addr::from_bits(start.to_bits() & 0xffff_ff00 | u32::from(number)),
            Err(_) => address(last)?,
        };
        (start, end)
    } else {
        let only = address(word)?;
        (only, only)
    };
    let (start, end) = (first.to_bits(), last.to_bits());
    if end < start {
        return Err(OutlineError::Backwards(word.to_owned()));
    }
    let count = u64::from(end - start) + 1;
    if count > MAX_RANGE {
        return Err(OutlineError::TooMany { text: word.to_owned(), count });
    }
    Ok((start..=end).map(Ipv4Addr::from_bits).collect())
}

fn address(text: &str) -> Result<Ipv4Addr, OutlineError> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(address),
        Ok(IpAddr::V6(_)) => Err(OutlineError::Ipv6(text.to_owned())),
        Err(_) => Err(OutlineError::NotAnAddress(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let host = |host: HostAddress| match host.name {
            Some(name) => format!("{name}={}", host.address),
            None => host.address.to_string(),
        };
        parse_hosts(text).unwrap().into_iter().map(host).collect()
    }

    #[test]
    fn addresses_names_and_ranges() {
        assert_eq!(shown("10.0.0.1,m2=10.0.0.2 10.0.0.3"), ["10.0.0.1", "m2=10.0.0.2", "10.0.0.3"]);
        assert_eq!(shown("10.0.0.254..10.0.1.1"), ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]);
        assert_eq!(shown("10.0.0.9-11"), ["10.0.0.9", "10.0.0.10", "10.0.0.11"]);
        assert_eq!(shown("10.0.0.9-10.0.0.10,"), ["10.0.0.9", "10.0.0.10"]);
        assert!(shown("").is_empty());
    }

    #[test]
    fn what_is_no_host_is_named() {
        let texts =
            ["m1", "10.0.0", "10.0.0.5-4", "10.0.0.1..10.9.0.1", "a=10.0.0.1-2", "A=10.0.0.1", "fd00::1", "10.0.0.1-300", "=10.0.0.1"];
        let shown: Vec<String> = texts.into_iter().map(|text| parse_hosts(text).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    proptest! {
        #[test]
        fn a_range_is_what_counting_gives(start: u32, length in 1_u32..=1024) {
            let end = start.saturating_add(length - 1);
            let text = format!("{}..{}", Ipv4Addr::from_bits(start), Ipv4Addr::from_bits(end));
            let hosts = parse_hosts(&text).unwrap();
            prop_assert_eq!(hosts.len(), (end - start) as usize + 1);
            prop_assert!(hosts.iter().zip(start..).all(|(host, bits)| host.address.to_bits() == bits));
        }

        #[test]
        fn never_panics(text in "[0-9a-z.,=-]{0,40}") {
            let _ = parse_hosts(&text);
        }
    }
}
