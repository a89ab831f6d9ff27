//! DNS servers, and whether they answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use barque_check::Resolver;
use tokio::net::UdpSocket;

use super::read::text;
use crate::context::HostContext;

/// The C library asks the first three (resolv.conf(5)).
const ASKED: usize = 3;
/// A server on another continent answers within this time.
const PATIENCE: Duration = Duration::from_millis(700);
/// A packet may be lost.
const TRIES: u32 = 2;
/// A query for the name servers of the root, which every server answers somehow: identifier, recursion wanted, one question (RFC 1035, section 4).
const QUERY: [u8; 17] = [0xba, 0x5e, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];

/// The servers of `/etc/resolv.conf`, each asked at the same time if `ask`.
pub(super) async fn resolvers(context: &HostContext, ask: bool) -> Vec<Resolver> {
    let servers = servers(&text(context, "/etc/resolv.conf")).into_iter();
    let asked: Vec<_> = servers.map(|address| (address, ask.then(|| tokio::spawn(answers(address, 53))))).collect();
    let mut resolvers = Vec::new();
    for (address, asked) in asked {
        let answers = match asked {
            Some(task) => task.await.ok(),
            None => None,
        };
        resolvers.push(Resolver { address, answers });
    }
    resolvers
}

fn servers(text: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        // A scope (`fe80::1%eth0`) needs the interface's number; such servers are left out.
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok()).flatten()
    };
    text.lines().filter_map(address).take(ASKED).collect()
}

async fn answers(server: IpAddr, port: u16) -> bool {
    for _ in 0..TRIES {
        if matches!(tokio::time::timeout(PATIENCE, exchange(server, port)).await, Ok(Ok(true))) {
            return true;
        }
    }
    false
}

/// Whatever the answer is, it is one.
async fn exchange(server: IpAddr, port: u16) -> std::io::Result<bool> {
    let own: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(own, 0)).await?;
    socket.connect(SocketAddr::new(server, port)).await?;
    socket.send(&QUERY).await?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).await?;
    Ok(length >= 12 && answer[..2] == QUERY[..2] && answer[2] & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn servers_are_read_as_the_c_library_reads_them() {
        let text = "# nameserver 1.1.1.1\nsearch example\nnameserver 10.0.0.2\nnameserver\nnameserver fe80::1%eth0\nnameserver ::1\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n";
        let found: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.2", "::1", "10.0.0.3"]);
    }

    #[tokio::test]
    async fn any_answer_counts_and_silence_does_not() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let answering = tokio::spawn(async move {
            let mut query = [0; 512];
            let (length, from) = server.recv_from(&mut query).await.unwrap();
            assert_eq!(query[..length], QUERY);
            query[2] |= 0x80;
            query[3] = 5;
            server.send_to(&query[..length], from).await.unwrap();
            server
        });
        assert!(answers("127.0.0.1".parse().unwrap(), port).await);
        let silent = answering.await.unwrap();
        assert!(!answers("127.0.0.1".parse().unwrap(), port).await);
        drop(silent);
        assert!(!answers("127.0.0.1".parse().unwrap(), port).await, "a closed port is no server");
    }
}
