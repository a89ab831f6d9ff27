//! ARP for IPv4 over Ethernet (RFC 826), and the probe of RFC 5227.

use std::net::Ipv4Addr;

use super::fault::{FrameFault, byte, bytes, number};
use super::{EtherType, Ethernet, MacAddress};

/// Question or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArpOperation {
    /// Who has the target address?
    Request,
    /// The sender has the sender's address.
    Reply,
}

/// An ARP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Question or answer.
    pub operation: ArpOperation,
    /// Hardware address of the sender.
    pub sender_mac: MacAddress,
    /// Address of the sender; unspecified in a probe.
    pub sender: Ipv4Addr,
    /// Hardware address of the target; zero in a question.
    pub target_mac: MacAddress,
    /// Address of the target.
    pub target: Ipv4Addr,
}

impl Arp {
    /// A probe (RFC 5227, section 2.1.1): a question by nobody, so that no cache takes anything from it.
    pub const fn probe(own: MacAddress, target: Ipv4Addr) -> Self {
        Self { operation: ArpOperation::Request, sender_mac: own, sender: Ipv4Addr::UNSPECIFIED, target_mac: MacAddress::ZERO, target }
    }

    /// Reads the message in a frame.
    pub fn parse(frame: &Ethernet<'_>) -> Result<Self, FrameFault> {
        let data = frame.payload;
        // Ethernet, IPv4, addresses of six and four bytes.
        let known = (number(data, 0)?, number(data, 2)?, byte(data, 4)?, byte(data, 5)?) == (1, EtherType::Ipv4.number(), 6, 4);
        if frame.kind != EtherType::Arp || !known {
            return Err(FrameFault::Kind);
        }
        let operation = match number(data, 6)? {
            1 => ArpOperation::Request,
            2 => ArpOperation::Reply,
            _ => return Err(FrameFault::Kind),
        };
        Ok(Self {
            operation,
            sender_mac: MacAddress(bytes(data, 8)?),
            sender: bytes::<4>(data, 14)?.into(),
            target_mac: MacAddress(bytes(data, 18)?),
            target: bytes::<4>(data, 24)?.into(),
        })
    }

    /// The bytes of the frame that carries it: a question to all, an answer to its target.
    pub fn to_frame(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(28);
        payload.extend_from_slice(&[0, 1, 0x08, 0x00, 6, 4]);
        let (operation, destination) = match self.operation {
            ArpOperation::Request => (1_u16, MacAddress::BROADCAST),
            ArpOperation::Reply => (2, self.target_mac),
        };
        payload.extend_from_slice(&operation.to_be_bytes());
        payload.extend_from_slice(&self.sender_mac.0);
        payload.extend_from_slice(&self.sender.octets());
        payload.extend_from_slice(&self.target_mac.0);
        payload.extend_from_slice(&self.target.octets());
        Ethernet { destination, source: self.sender_mac, kind: EtherType::Arp, payload: &payload }.to_bytes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

    #[test]
    fn a_probe_is_that_of_the_rfc() {
        let frame = Arp::probe(OWN, Ipv4Addr::new(10, 0, 0, 100)).to_frame();
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06, // Ethernet
            0, 1, 0x08, 0x00, 6, 4, 0, 1, // ARP request
            2, 0, 0, 0, 0, 1, 0, 0, 0, 0, // from nobody
            0, 0, 0, 0, 0, 0, 10, 0, 0, 100, // for this address
        ];
        assert_eq!(frame, expected);
    }

    #[test]
    fn an_answer_with_its_filling_is_read() {
        let answer = Arp {
            operation: ArpOperation::Reply,
            sender_mac: MacAddress([2, 0, 0, 0, 0, 9]),
            sender: Ipv4Addr::new(10, 0, 0, 100),
            target_mac: OWN,
            target: Ipv4Addr::UNSPECIFIED,
        };
        let mut frame = answer.to_frame();
        frame.resize(60, 0);
        assert_eq!(Arp::parse(&Ethernet::parse(&frame).unwrap()), Ok(answer));
        frame[21] = 3;
        assert_eq!(Arp::parse(&Ethernet::parse(&frame).unwrap()), Err(FrameFault::Kind));
        frame.truncate(40);
        frame[21] = 2;
        assert_eq!(Arp::parse(&Ethernet::parse(&frame).unwrap()), Err(FrameFault::Short));
    }
}
