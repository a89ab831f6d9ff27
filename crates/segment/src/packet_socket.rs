//! A packet socket of one interface (packet(7)): whole frames of one kind, in and out.

use std::io::{self, ErrorKind, Read as _};
use std::os::fd::AsRawFd as _;

use socket2::{Domain, SockFilter, Socket, Type};
use tokio::net::UdpSocket;

use crate::SegmentError;
use crate::interface::Interface;
use crate::wire::EtherType;

/// Longer frames than any of those wanted are cut.
const LARGEST: usize = 2048;

/// Receives and sends frames of one kind on one interface.
pub(crate) struct PacketSocket {
    /// tokio has no type of its own for packet sockets. Receiving and sending without addresses are the same calls for all datagrams.
    socket: UdpSocket,
    interface: String,
}

impl PacketSocket {
    /// Opens one. Needs root.
    pub(crate) fn open(interface: &Interface, kind: EtherType, filter: &[SockFilter]) -> Result<Self, SegmentError> {
        let open = || {
            let protocol = i32::from(kind.number().to_be());
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol.into()))?;
            socket.set_nonblocking(true)?;
            socket.attach_filter(filter)?;
            // The address that the kernel gives an interface names no protocol, which leaves the socket its own.
            nix::sys::socket::bind(socket.as_raw_fd(), &interface.link)?;
            // Before the filter was there, frames of any interface came in.
            let mut buffer = [0; 1];
            while (&socket).read(&mut buffer).is_ok() {}
            UdpSocket::from_std(socket.into())
        };
        let socket = open().map_err(|source| failed(&interface.name, "received", source))?;
        Ok(Self { socket, interface: interface.name.clone() })
    }

    /// Waits for the next frame.
    pub(crate) async fn receive(&self) -> Result<Vec<u8>, SegmentError> {
        let mut frame = vec![0; LARGEST];
        let length = self.socket.recv(&mut frame).await.map_err(|source| failed(&self.interface, "received", source))?;
        frame.truncate(length);
        Ok(frame)
    }

    /// Sends a frame.
    pub(crate) fn send(&self, frame: &[u8]) -> Result<(), SegmentError> {
        match self.socket.try_send(frame) {
            Ok(_) => Ok(()),
            // A full queue loses this frame as a busy wire might; more follow.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => Ok(()),
            Err(source) => Err(failed(&self.interface, "sent", source)),
        }
    }
}

fn failed(interface: &str, what: &'static str, source: io::Error) -> SegmentError {
    SegmentError::Socket { interface: interface.to_owned(), what, source }
}
