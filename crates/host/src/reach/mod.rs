//! Packets of a test of the network: sent to other hosts, and listened for.
//!
//! Datagrams are read by raw sockets, which get what the packet filter lets in and leave it to whoever else listens: a port may be in use.
//! They are sent by raw sockets too, so that no packet is ever cut, whatever the kernel believes of the way.

mod half_open;
mod listen;
mod mtu;
mod packet;
mod send;
#[cfg(test)]
mod tests;

pub use listen::Listener;
pub use send::attempt_all;
