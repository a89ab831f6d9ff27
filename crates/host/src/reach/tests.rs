//! Sender and listener on this machine's loopback.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};

use barque_firewall::{Attempt, Carrier, Listen, Listening, Outcome, SMALL};
use tokio::net::TcpListener;

use super::{Listener, attempt_all};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn attempt(nonce: u64, carrier: Carrier, port: u16, size: u16) -> Attempt {
    Attempt { nonce, carrier, to: HERE, port, size: Some(size), answer: carrier == Carrier::Tcp, in_use: false }
}

/// A port that nobody has at the moment.
async fn free_port() -> u16 {
    TcpListener::bind((HERE, 0)).await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn connections_with_short_and_long_packets_are_answered() {
    let (free, none) = (free_port().await, free_port().await);
    let other = TcpListener::bind((HERE, 0)).await.unwrap();
    let taken = other.local_addr().unwrap().port();
    let place = |port| Listen { carrier: Carrier::Tcp, port };
    let (listener, answers) = Listener::start(HERE, &[place(free), place(taken)]).await;
    assert_eq!(answers, [Listening::Ready, Listening::InUse]);
    let in_use = Attempt { in_use: true, ..attempt(3, Carrier::Tcp, taken, SMALL) };
    let attempts =
        vec![attempt(1, Carrier::Tcp, free, SMALL), attempt(2, Carrier::Tcp, free, 1500), in_use, attempt(4, Carrier::Tcp, none, SMALL)];
    let outcomes = attempt_all(HERE, attempts).await;
    assert_eq!(outcomes, [Outcome::Answered, Outcome::Answered, Outcome::Answered, Outcome::Refused]);
    let heard = listener.heard();
    assert_eq!((heard.nonces, heard.whole), ([1, 2].into(), [2].into()));
    assert!(heard.mtu >= 1500);
}
