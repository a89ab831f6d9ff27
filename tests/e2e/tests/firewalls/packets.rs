//! Single packets from one host to another, for rules that no program of a cluster needs every day.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use barque_e2e::{Scenario, run};
use fs_err as fs;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How long a packet is waited for; between hosts of one machine it takes less than a millisecond.
const WAIT: Duration = Duration::from_secs(2);

/// Does `work` in a thread of its own in the network of a host: sockets that it opens stay there.
fn within<T: Send>(scenario: &Scenario, host: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let network = fs::File::open(format!("/proc/{}/ns/net", scenario.lab.leader(host)?))?;
    let inside = || {
        move_into_link_name_space(std::os::fd::AsFd::as_fd(network.file()), Some(LinkNameSpaceType::Network))?;
        work()
    };
    std::thread::scope(|scope| scope.spawn(inside).join()).map_err(|_| anyhow!("the thread in the network of {host} has panicked"))?
}

/// Whether a datagram from `from`, an address of `sender`, comes to `to` on `host`.
fn arrives(scenario: &Scenario, sender: &str, from: SocketAddr, host: &str, to: SocketAddr) -> Result<bool> {
    let listener = within(scenario, host, || Ok(UdpSocket::bind(to)?))?;
    listener.set_read_timeout(Some(WAIT))?;
    within(scenario, sender, || Ok(UdpSocket::bind(from)?.send_to(b"barque", to)?))?;
    match listener.recv_from(&mut [0; 16]) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A DHCP server's answer to a client, which asked by broadcast.
pub(crate) fn dhcp(scenario: &Scenario, sender: &str, host: &str) -> Result<bool> {
    let place = |name: &str, port| -> Result<SocketAddr> { Ok((scenario.lab.host(name)?.address, port).into()) };
    arrives(scenario, sender, place(sender, 67)?, host, place(host, 68)?)
}

/// The same with DHCPv6, between link-local addresses.
pub(crate) fn dhcp6(scenario: &Scenario, sender: &str, host: &str) -> Result<bool> {
    let place = |name: &str, port| -> Result<SocketAddr> {
        let (address, interface) = link_local(scenario, name)?;
        Ok(SocketAddrV6::new(address, port, 0, interface).into())
    };
    // The sender's interface counts where the packet begins, the host's where it is waited for; both are numbered alike in every host.
    arrives(scenario, sender, place(sender, 547)?, host, place(host, 546)?)
}

/// Two echo requests over IPv6, neighbour discovery before them.
pub(crate) fn pings6(scenario: &Scenario, sender: &str, host: &str) -> Result<bool> {
    let (address, _) = link_local(scenario, host)?;
    let leader = scenario.lab.leader(sender)?.to_string();
    let to = format!("{address}%eth0");
    Ok(run("nsenter", ["-t", &leader, "-n", "ping", "-6", "-c", "2", "-W", "1", &to])?.code == Some(0))
}

/// The link-local address of a host, and the number of its interface.
fn link_local(scenario: &Scenario, host: &str) -> Result<(Ipv6Addr, u32)> {
    let text = fs::read_to_string(format!("/proc/{}/net/if_inet6", scenario.lab.leader(host)?))?;
    let found = text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [address, interface, _, "20", _, "eth0"] = fields[..] else { return None };
        Some((Ipv6Addr::from_bits(u128::from_str_radix(address, 16).ok()?), u32::from_str_radix(interface, 16).ok()?))
    });
    found.with_context(|| format!("{host} has no link-local address on eth0:\n{text}"))
}

/// Whether `sender`, which is no node, gets a connection to a pod's own address, which it sends by the pod's node.
pub(crate) fn opens_pod(scenario: &Scenario, sender: &str, node: &str, pod: &str) -> Result<bool> {
    let leader = scenario.lab.leader(sender)?.to_string();
    let by = scenario.lab.host(node)?.address.to_string();
    run("nsenter", ["-t", &leader, "-n", "ip", "route", "replace", &format!("{pod}/32"), "via", &by])?.ok()?;
    let place: SocketAddr = format!("{pod}:8080").parse()?;
    within(scenario, sender, || Ok(TcpStream::connect_timeout(&place, WAIT).is_ok()))
}
