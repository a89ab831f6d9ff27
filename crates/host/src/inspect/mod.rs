//! Looks at this host for a check: what is there, without a word on whether that is right. Nothing is written, not even for a moment.

mod dpkg;
mod features;
mod gather;
mod links;
mod machine;
mod networkd;
mod processes;
mod proxies;
mod read;
mod resolvers;
mod routes;
mod sockets;
mod sshd;
mod swaps;
mod sync;
mod traces;
mod volumes;

pub use gather::inspect;
pub use processes::runs;
