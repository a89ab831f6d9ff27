//! Listens and asks at the same time.

use std::net::IpAddr;

use tokio::time::Instant;

use crate::interface::Interfaces;
use crate::listen::listen;
use crate::probe::{PROBE_TIME, probe};
use crate::{AddressReport, Holder, MacAddress, SegmentError, SegmentQuestion, SegmentReport};

/// Finds out what the question asks. Takes as long as VRRP is listened to, and [`PROBE_TIME`] at least. Needs root; can be dropped at
/// any time.
///
/// Where the address lies on no Ethernet (a loopback whose address is routed, a tunnel), there is nobody to ask who else has it: the answer
/// is empty. Only who wants to hear VRRP, which needs one, gets an error.
pub async fn survey(question: &SegmentQuestion) -> Result<SegmentReport, SegmentError> {
    let interfaces = Interfaces::read()?;
    let interface = match &question.interface {
        Some(name) => interfaces.named(name)?,
        None => match interfaces.with(question.own) {
            Err(SegmentError::NotEthernet(name)) if question.listen.is_none() => return Ok(nobody_to_ask(&interfaces, name, question)),
            other => other?,
        },
    };
    let begun = Instant::now();
    let end = begun + question.listen.unwrap_or_default().max(PROBE_TIME);
    let listening = async {
        match question.listen {
            Some(time) => listen(&interface, begun + time).await,
            None => Ok(Vec::new()),
        }
    };
    let (speakers, answers) = tokio::try_join!(listening, probe(&interface, &question.addresses, end))?;
    // Looked at afterwards: an address may have come or gone meanwhile.
    let interfaces = Interfaces::read()?;
    let own_macs = interfaces.macs();
    let addresses = question.addresses.iter().map(|address| {
        let others = answers.holders(*address).filter(|mac| !own_macs.contains(mac));
        AddressReport {
            address: *address,
            here: interfaces.have(*address),
            holders: others.map(|mac| Holder { mac, also: answers.also(mac, *address) }).collect(),
        }
    });
    Ok(SegmentReport {
        addresses: addresses.collect(),
        mac: interface.mac,
        networks: interfaces.networks(&interface.name),
        own_macs: own_macs.into_iter().collect(),
        speakers,
        interface: interface.name,
    })
}

fn nobody_to_ask(interfaces: &Interfaces, interface: String, question: &SegmentQuestion) -> SegmentReport {
    let unheld = |address: &IpAddr| AddressReport { address: *address, here: interfaces.have(*address), holders: Vec::new() };
    SegmentReport {
        addresses: question.addresses.iter().map(unheld).collect(),
        mac: MacAddress::ZERO,
        networks: interfaces.networks(&interface),
        own_macs: interfaces.macs().into_iter().collect(),
        speakers: Vec::new(),
        interface,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn on_a_loopback_there_is_nobody_to_ask() {
        let own: IpAddr = [127, 0, 0, 1].into();
        let question = SegmentQuestion { interface: None, own, addresses: vec![own], listen: None };
        let report = survey(&question).await.unwrap();
        assert!(report.addresses[0].here && report.addresses[0].holders.is_empty() && report.interface == "lo");
        let listening = SegmentQuestion { listen: Some(std::time::Duration::from_millis(1)), ..question };
        assert!(matches!(survey(&listening).await, Err(SegmentError::NotEthernet(_))));
    }
}
