//! The Internet checksum (RFC 1071).

use std::net::IpAddr;

/// The one's complement of the one's complement sum of all 16-bit words; zero over data that holds its own right checksum.
pub(super) fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            // A last odd byte is filled up with a zero.
            let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            sum += u32::from(word);
            sum = (sum & 0xffff) + (sum >> 16);
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "the carry was folded into 16 bits")]
    let folded = sum as u16;
    !folded
}

/// What is summed before the payload: addresses, length and protocol (RFC 9293, section 3.1; RFC 8200, section 8.1). Its length is even.
pub(super) fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(40);
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => header.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => header.extend_from_slice(&address.octets()),
        }
    }
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    if source.is_ipv4() {
        header.extend_from_slice(&[0, protocol, length[2], length[3]]);
    } else {
        header.extend_from_slice(&length);
        header.extend_from_slice(&[0, 0, 0, protocol]);
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_as_the_rfc_does() {
        // RFC 1071, section 3: the sum is ddf2.
        assert_eq!(checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
        assert_eq!(
            checksum(&[&[0x00, 0x01, 0xf2, 0x03], &[0xf4, 0xf5, 0xf6, 0xf7, 0xdd]]),
            checksum(&[&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7, 0xdd, 0]])
        );
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn pseudo_headers_have_the_lengths_of_their_rfcs() {
        let [v4, v6] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        assert_eq!(pseudo_header(v4, v4, 112, 20), [10, 0, 0, 1, 10, 0, 0, 1, 0, 112, 0, 20]);
        assert_eq!(pseudo_header(v6, v6, 58, 24)[32..], [0, 0, 0, 24, 0, 0, 0, 58]);
    }
}
