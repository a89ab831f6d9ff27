//! What follows from what was sent and what arrived.

use std::net::IpAddr;

use super::question::Question;
use super::report::{Direction, Fault};
use super::wire::{Carrier, Heard, Listening, Outcome};

/// What was seen of one question.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Whether the destination listened.
    pub listening: &'a Listening,
    /// Address of the source.
    pub source: IpAddr,
    /// What the destination heard.
    pub heard: &'a Heard,
    /// Nonce of the short packet or the connection, and what the source saw.
    pub short: (u64, &'a Outcome),
    /// Nonce of the long packet, what the source saw, and its size; `None` where no long one is sent.
    pub long: Option<(u64, &'a Outcome, u16)>,
}

/// Judges a question: nothing when all gets through, a fault, or why it cannot be told.
pub fn judge(question: &Question, evidence: &Evidence<'_>) -> Result<Option<Fault>, String> {
    if let Listening::Failed(reason) = evidence.listening {
        return Err(format!("{} cannot listen: {reason}", question.to));
    }
    if let Some(fault) = whole(question, evidence, evidence.short)? {
        return Ok(Some(fault));
    }
    let Some((nonce, outcome, full)) = evidence.long else { return Ok(None) };
    let too_long = |direction| Some(Fault::TooLong { direction, full, largest: None });
    Ok(match (outcome, whole(question, evidence, (nonce, outcome))?) {
        (Outcome::TooLong, _) | (_, Some(Fault::RequestLost)) => too_long(Direction::Request),
        (_, Some(Fault::AnswerLost)) => too_long(Direction::Answer),
        (Outcome::Stalled, _) if evidence.heard.whole.contains(&nonce) => too_long(Direction::Answer),
        (Outcome::Stalled, _) => too_long(Direction::Request),
        (_, other) => other,
    })
}

/// Judges one attempt.
fn whole(question: &Question, evidence: &Evidence<'_>, (nonce, outcome): (u64, &Outcome)) -> Result<Option<Fault>, String> {
    let heard = evidence.heard.nonces.contains(&nonce);
    Ok(match outcome {
        Outcome::Answered | Outcome::Stalled | Outcome::TooLong => None,
        Outcome::Silent if heard && !question.answers => None,
        Outcome::Silent if heard => Some(Fault::AnswerLost),
        Outcome::Silent if question.carrier == Carrier::Tcp && evidence.heard.half_open.contains(&(evidence.source, question.port)) => {
            Some(Fault::AnswerLost)
        }
        Outcome::Silent => Some(Fault::RequestLost),
        Outcome::Refused => Some(Fault::Refused),
        Outcome::Unreachable(message) => Some(Fault::Unreachable { message: message.clone() }),
        Outcome::Failed(reason) => return Err(format!("{} cannot send: {reason}", question.from)),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::flow::FlowId;

    fn question(carrier: Carrier, answers: bool) -> Question {
        let (from, to) = ("m1".parse().unwrap(), "n1".parse().unwrap());
        Question { flows: vec![FlowId::Kubelet], from, to, carrier, port: 10250, answers }
    }

    fn verdict(question: &Question, heard: &Heard, short: &Outcome, long: Option<&Outcome>) -> Result<Option<Fault>, String> {
        let long = long.map(|outcome| (2, outcome, 1500));
        let source = "10.0.0.1".parse().unwrap();
        judge(question, &Evidence { listening: &Listening::Ready, source, heard, short: (1, short), long })
    }

    fn heard(nonces: &[u64]) -> Heard {
        Heard { nonces: nonces.iter().copied().collect(), ..Heard::default() }
    }

    #[test]
    fn a_lost_request_is_told_from_a_lost_answer() {
        let (tcp, udp) = (question(Carrier::Tcp, true), question(Carrier::Udp, true));
        let (nothing, arrived) = (heard(&[]), heard(&[1]));
        assert_eq!(verdict(&udp, &nothing, &Outcome::Silent, None), Ok(Some(Fault::RequestLost)));
        assert_eq!(verdict(&udp, &arrived, &Outcome::Silent, None), Ok(Some(Fault::AnswerLost)));
        assert_eq!(verdict(&udp, &arrived, &Outcome::Answered, None), Ok(None));
        assert_eq!(verdict(&tcp, &nothing, &Outcome::Silent, None), Ok(Some(Fault::RequestLost)));
        let half = Heard { half_open: [("10.0.0.1".parse().unwrap(), 10250)].into(), ..Heard::default() };
        assert_eq!(verdict(&tcp, &half, &Outcome::Silent, None), Ok(Some(Fault::AnswerLost)));
        let other = Heard { half_open: [("10.0.0.2".parse().unwrap(), 10250)].into(), ..Heard::default() };
        assert_eq!(verdict(&tcp, &other, &Outcome::Silent, None), Ok(Some(Fault::RequestLost)));
        assert_eq!(verdict(&tcp, &nothing, &Outcome::Refused, None), Ok(Some(Fault::Refused)));
    }

    #[test]
    fn what_knows_no_answer_needs_none() {
        let vxlan = question(Carrier::Udp, false);
        assert_eq!(verdict(&vxlan, &heard(&[1]), &Outcome::Silent, None), Ok(None));
        assert_eq!(verdict(&vxlan, &heard(&[]), &Outcome::Silent, None), Ok(Some(Fault::RequestLost)));
    }

    #[test]
    fn long_packets_fail_in_a_direction() {
        let too_long = |direction| Ok(Some(Fault::TooLong { direction, full: 1500, largest: None }));
        let (udp, vxlan) = (question(Carrier::Udp, true), question(Carrier::Udp, false));
        assert_eq!(verdict(&vxlan, &heard(&[1]), &Outcome::Silent, Some(&Outcome::Silent)), too_long(Direction::Request));
        assert_eq!(verdict(&vxlan, &heard(&[1, 2]), &Outcome::Silent, Some(&Outcome::Silent)), Ok(None));
        assert_eq!(verdict(&udp, &heard(&[1]), &Outcome::Answered, Some(&Outcome::Silent)), too_long(Direction::Request));
        assert_eq!(verdict(&udp, &heard(&[1, 2]), &Outcome::Answered, Some(&Outcome::Silent)), too_long(Direction::Answer));
        assert_eq!(verdict(&udp, &heard(&[1]), &Outcome::Answered, Some(&Outcome::TooLong)), too_long(Direction::Request));
        let tcp = question(Carrier::Tcp, true);
        assert_eq!(verdict(&tcp, &heard(&[1, 2]), &Outcome::Answered, Some(&Outcome::Stalled)), too_long(Direction::Request));
        let whole = Heard { whole: [2].into(), ..heard(&[1, 2]) };
        assert_eq!(verdict(&tcp, &whole, &Outcome::Answered, Some(&Outcome::Stalled)), too_long(Direction::Answer));
        assert_eq!(verdict(&tcp, &whole, &Outcome::Answered, Some(&Outcome::Answered)), Ok(None));
    }

    #[test]
    fn what_cannot_be_sent_or_heard_is_not_called_blocked() {
        let udp = question(Carrier::Udp, true);
        assert!(verdict(&udp, &heard(&[]), &Outcome::Failed("no socket".into()), None).unwrap_err().starts_with("m1 cannot send"));
        let failed = Listening::Failed("no socket".into());
        let (nothing, silent) = (heard(&[]), Outcome::Silent);
        let evidence =
            Evidence { listening: &failed, source: "10.0.0.1".parse().unwrap(), heard: &nothing, short: (1, &silent), long: None };
        assert!(judge(&udp, &evidence).unwrap_err().starts_with("n1 cannot listen"));
    }
}
