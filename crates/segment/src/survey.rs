//! Listens and asks at the same time.

use tokio::time::Instant;

use crate::interface::Interfaces;
use crate::listen::listen;
use crate::probe::{PROBE_TIME, probe};
use crate::{AddressReport, Holder, SegmentError, SegmentQuestion, SegmentReport};

/// Finds out what the question asks. Takes as long as VRRP is listened to, and [`PROBE_TIME`] at least. Needs root; can be dropped at
/// any time.
pub async fn survey(question: &SegmentQuestion) -> Result<SegmentReport, SegmentError> {
    let interfaces = Interfaces::read()?;
    let interface = match &question.interface {
        Some(name) => interfaces.named(name)?,
        None => interfaces.with(question.own)?,
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
