//! Listens for packets and connections of a test.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barque_firewall::{Carrier, Heard, Listen, Listening};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::half_open;
use super::mtu::mtu;
use super::packet::{self, Kind, UDP, VRRP, WORDS, Words};
use super::send::{LONG, raw_sender};

/// How often the kernel's list of connections is read.
const POLL: Duration = Duration::from_millis(50);
/// How long a raw socket waits before it looks whether it is still wanted.
const IDLE: Duration = Duration::from_millis(200);
/// Longest packet.
const LONGEST: usize = 65_536;

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Listener {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    heard: Mutex<Heard>,
    ended: AtomicBool,
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

impl Listener {
    /// Listens on `address`, which is the host's, for all of `places`; says of each whether it does.
    pub async fn start(address: IpAddr, places: &[Listen]) -> (Self, Vec<Listening>) {
        let heard = Heard { mtu: mtu(address), ..Heard::default() };
        let shared = Arc::new(Shared { heard: Mutex::new(heard), ended: AtomicBool::new(false) });
        let mut tasks = JoinSet::new();
        let mut raw: Vec<(Carrier, Listening)> = Vec::new();
        let mut answers = Vec::with_capacity(places.len());
        for place in places {
            let answer = match place.carrier {
                Carrier::Tcp => tcp(SocketAddr::new(address, place.port), &shared, &mut tasks).await,
                // One socket hears every port.
                carrier => {
                    if let Some((_, answer)) = raw.iter().find(|(known, _)| *known == carrier) {
                        answer.clone()
                    } else {
                        let answer = listening(datagrams(address, carrier, &shared));
                        raw.push((carrier, answer.clone()));
                        answer
                    }
                }
            };
            answers.push(answer);
        }
        let ports: BTreeSet<u16> = places.iter().filter(|place| place.carrier == Carrier::Tcp).map(|place| place.port).collect();
        if !ports.is_empty() {
            tasks.spawn(watch(ports, Arc::clone(&shared)));
        }
        (Self { shared, _tasks: tasks }, answers)
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        self.shared.heard().clone()
    }
}

fn listening(result: io::Result<()>) -> Listening {
    match result {
        Ok(()) => Listening::Ready,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Listening::InUse,
        Err(error) => Listening::Failed(error.to_string()),
    }
}

async fn tcp(address: SocketAddr, shared: &Arc<Shared>, tasks: &mut JoinSet<()>) -> Listening {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => return listening(Err(error)),
    };
    let shared = Arc::clone(shared);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(answer(stream, Arc::clone(&shared)));
            while connections.try_join_next().is_some() {}
        }
    });
    Listening::Ready
}

async fn answer(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut first = [0; WORDS];
    if stream.read_exact(&mut first).await.is_err() {
        return;
    }
    let Some(words) = Words::parse(&first) else { return };
    shared.heard().nonces.insert(words.nonce);
    let answer = Words { kind: Kind::Answer, ..words };
    if stream.write_all(&answer.bytes()).await.is_err() || words.kind != Kind::AskLong {
        return;
    }
    let mut long = vec![0; LONG];
    if stream.read_exact(&mut long).await.is_ok() {
        shared.heard().whole.insert(words.nonce);
        let _the_other_side_tells = stream.write_all(&long).await;
    }
}

/// Notes connections that only began, for as long as they are there.
async fn watch(ports: BTreeSet<u16>, shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(POLL).await;
        let ports = ports.clone();
        let found = tokio::task::spawn_blocking(move || half_open::read(&ports)).await.unwrap_or_default();
        shared.heard().half_open.extend(found);
    }
}

fn datagrams(address: IpAddr, carrier: Carrier, shared: &Arc<Shared>) -> io::Result<()> {
    let IpAddr::V4(address) = address else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "datagrams are tested over IPv4 only"));
    };
    let protocol = if carrier == Carrier::Vrrp { VRRP } else { UDP };
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
    socket.bind(&SockAddr::from(SocketAddrV4::new(address, 0)))?;
    socket.set_read_timeout(Some(IDLE))?;
    let sender = raw_sender(address)?;
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name("reach".to_owned()).spawn(move || hear(&socket, protocol, address, &sender, &shared))?;
    Ok(())
}

fn hear(mut socket: &Socket, protocol: u8, address: Ipv4Addr, sender: &Socket, shared: &Shared) {
    let mut buffer = vec![0; LONGEST];
    while !shared.ended.load(Ordering::Relaxed) {
        // Nothing within the time, or an error of one packet.
        let Ok(length) = socket.read(&mut buffer) else { continue };
        let Some(arrived) = packet::parse(&buffer[..length], protocol).filter(|arrived| *arrived.to.ip() == address) else { continue };
        match arrived.words.kind {
            Kind::Answer | Kind::AskLong => continue,
            Kind::Notice => {}
            Kind::Ask => {
                let words = Words { kind: Kind::Answer, ..arrived.words };
                let answer = packet::udp(arrived.to, arrived.from, words, arrived.size);
                let _lost_is_what_the_other_side_sees = sender.send_to(&answer, &SockAddr::from(arrived.from));
            }
        }
        shared.heard().nonces.insert(arrived.words.nonce);
    }
}
