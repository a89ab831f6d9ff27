//! Sends packets and makes connections of a test.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use barque_firewall::{Attempt, Carrier, Outcome, SMALL};
use futures::future::join_all;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::packet::{self, Kind, WORDS, Words};

/// How long a connection and an answer are waited for: the first packet of a connection is sent again after 1 s.
const PATIENCE: Duration = Duration::from_millis(2500);
/// The same for datagrams, each of which is sent several times.
const DATAGRAM_PATIENCE: Duration = Duration::from_millis(1200);
/// Pauses between repetitions: one lost packet is not a network that lets none through.
const REPEATED: [Duration; 3] = [Duration::ZERO, Duration::from_millis(120), Duration::from_millis(350)];
/// Attempts of a host at a time.
const AT_ONCE: usize = 256;
/// Bytes sent each way in long packets: several of any size.
pub(super) const LONG: usize = 32 << 10;
/// `IPPROTO_RAW`: the IP header comes from here.
const RAW: i32 = 255;
/// Headers of IPv4 and TCP without options.
const TCP_V4: u16 = 40;
/// Headers of IPv6 and TCP without options.
const TCP_V6: u16 = 60;

/// Makes all attempts at the same time from `source`, which is the host's address; answers in their order.
pub async fn attempt_all(source: IpAddr, attempts: Vec<Attempt>) -> Vec<Outcome> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let sender = match source {
        IpAddr::V4(address) => raw_sender(address).map(Arc::new),
        IpAddr::V6(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "datagrams are tested over IPv4 only")),
    };
    let attempts = attempts.into_iter().map(|attempt| {
        let (places, sender) = (Arc::clone(&places), sender.as_ref().map(Arc::clone).map_err(ToString::to_string));
        async move {
            let _place = places.acquire().await;
            match (attempt.carrier, source, attempt.to) {
                (Carrier::Tcp, ..) => tcp(source, &attempt).await,
                (_, IpAddr::V4(from), IpAddr::V4(to)) => match sender {
                    Ok(sender) => datagram(&sender, from, to, &attempt).await.unwrap_or_else(|error| failed(&error)),
                    Err(reason) => Outcome::Failed(reason),
                },
                _ => Outcome::Failed("datagrams are tested over IPv4 only".to_owned()),
            }
        }
    });
    join_all(attempts).await
}

/// A socket that sends packets with the headers they have.
pub(super) fn raw_sender(address: Ipv4Addr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW)))?;
    socket.bind(&SockAddr::from(SocketAddrV4::new(address, 0)))?;
    Ok(socket)
}

async fn datagram(sender: &Socket, from: Ipv4Addr, to: Ipv4Addr, attempt: &Attempt) -> io::Result<Outcome> {
    let size = attempt.size.unwrap_or(SMALL).max(SMALL);
    let kind = if attempt.answer { Kind::Ask } else { Kind::Notice };
    let words = Words { kind, nonce: attempt.nonce };
    // Bound for its port: what comes back, comes here.
    let ear = UdpSocket::bind(SocketAddr::new(from.into(), 0)).await?;
    let target = SocketAddrV4::new(to, attempt.port);
    let packet = match attempt.carrier {
        Carrier::Vrrp => packet::vrrp(from, to, words, size),
        _ => packet::udp(SocketAddrV4::new(from, ear.local_addr()?.port()), target, words, size),
    };
    let send = async {
        for pause in REPEATED {
            sleep(pause).await;
            match sender.send_to(&packet, &SockAddr::from(SocketAddrV4::new(to, 0))) {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EMSGSIZE as i32) => return Ok(Outcome::TooLong),
                // The host's own packet filter: lost like any other.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) if is_unreachable(&error) => return Ok(Outcome::Unreachable(error.to_string())),
                Err(error) => return Err(error),
            }
        }
        Ok(Outcome::Silent)
    };
    if !attempt.answer {
        return send.await;
    }
    let wanted = Words { kind: Kind::Answer, nonce: attempt.nonce };
    let deadline = Instant::now() + DATAGRAM_PATIENCE;
    let hear = async {
        let mut buffer = vec![0; usize::from(size)];
        loop {
            let received = ear.recv_from(&mut buffer).await;
            if let Ok((length, _)) = received
                && Words::parse(&buffer[..length]) == Some(wanted)
            {
                return Outcome::Answered;
            }
        }
    };
    let sent_all = async {
        match send.await {
            Ok(Outcome::Silent) => {
                tokio::time::sleep_until(deadline).await;
                Ok(Outcome::Silent)
            }
            other => other,
        }
    };
    tokio::select! {
        outcome = hear => Ok(outcome),
        outcome = sent_all => outcome,
    }
}

async fn tcp(source: IpAddr, attempt: &Attempt) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    let socket = match prepared(source, attempt) {
        Ok(socket) => socket,
        Err(error) => return failed(&error),
    };
    let mut stream = match timeout_at(deadline, socket.connect(SocketAddr::new(attempt.to, attempt.port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return failed(&error),
        Err(_elapsed) => return Outcome::Silent,
    };
    // Whoever listens there was not asked: nothing is said, and the connection ends.
    if attempt.in_use {
        return Outcome::Answered;
    }
    let long = attempt.size.is_none_or(|size| size > SMALL);
    let words = Words { kind: if long { Kind::AskLong } else { Kind::Ask }, nonce: attempt.nonce };
    let mut answer = [0; WORDS];
    let first = async {
        stream.write_all(&words.bytes()).await?;
        stream.read_exact(&mut answer).await
    };
    match timeout_at(deadline, first).await {
        Ok(Ok(_)) if Words::parse(&answer) == Some(Words { kind: Kind::Answer, ..words }) => {}
        Ok(Ok(_)) => return Outcome::Failed("somebody else answered".to_owned()),
        Ok(Err(error)) => return failed(&error),
        Err(_elapsed) => return Outcome::Silent,
    }
    if !long {
        return Outcome::Answered;
    }
    let mut bytes = vec![0; LONG];
    let rest = async {
        stream.write_all(&bytes).await?;
        stream.read_exact(&mut bytes).await
    };
    match timeout_at(deadline, rest).await {
        Ok(Ok(_)) => Outcome::Answered,
        Ok(Err(_)) | Err(_) => Outcome::Stalled,
    }
}

fn prepared(source: IpAddr, attempt: &Attempt) -> io::Result<TcpSocket> {
    let (socket, headers) = if source.is_ipv4() { (TcpSocket::new_v4()?, TCP_V4) } else { (TcpSocket::new_v6()?, TCP_V6) };
    socket.bind(SocketAddr::new(source, 0))?;
    if let Some(size) = attempt.size.filter(|size| *size > SMALL) {
        SockRef::from(&socket).set_tcp_mss(u32::from(size.saturating_sub(headers)))?;
    }
    Ok(socket)
}

fn is_unreachable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable)
}

fn failed(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Outcome::Refused,
        io::ErrorKind::TimedOut | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            Outcome::Silent
        }
        _ if is_unreachable(error) => Outcome::Unreachable(error.to_string()),
        // By the host's own packet filter, or by an ICMP message that forbids it.
        io::ErrorKind::PermissionDenied => Outcome::Unreachable(error.to_string()),
        _ => Outcome::Failed(error.to_string()),
    }
}
