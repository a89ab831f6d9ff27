//! Hosts that fetch contents from each other.

use std::net::{IpAddr, SocketAddr};

use barque_model::{ByteRate, Digest, SecretBytes};
use barque_plan::Blob;
use serde::{Deserialize, Serialize};

/// Asks a host to offer contents of its store to other hosts until the conversation ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferRequest {
    /// The host's own address, on which it listens.
    pub address: IpAddr,
    /// What whoever fetches must show.
    pub token: SecretBytes,
    /// What may be fetched, as far as it is in the store.
    pub blobs: Vec<Digest>,
    /// The most that the host sends to all others together; `None` for as much as there is.
    pub limit: Option<ByteRate>,
}

/// A host that offers contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    /// SHA-256 of its certificate (DER); no other is spoken to.
    pub pin: Digest,
}

/// Asks a host to fetch a content from other hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// The content.
    pub blob: Blob,
    /// Who has it, the preferred one first.
    pub peers: Vec<Peer>,
    /// What they want to see.
    pub token: SecretBytes,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// Whether the content is whole in the store.
    pub complete: bool,
    /// Peers that did not give what they should, by their place in the request, each with a reason.
    pub failed: Vec<(u32, String)>,
}
