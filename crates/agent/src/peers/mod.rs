//! Contents of the store for other hosts, and from them.
//!
//! For the time of a run a host offers what the operator sent it over TLS 1.3. The operator tells those who fetch the listener's certificate
//! by its digest, and a token that the listener wants to see: both travel in the conversation with the agents and nowhere else.

mod fetch;
mod identity;
mod offer;
mod question;
#[cfg(test)]
mod tests;

pub(crate) use fetch::fetch;
pub(crate) use offer::Offer;
pub use offer::PEER_PORT;
