//! An executable that is to run on hosts.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::Arc;

use barque_model::Digest;
use flate2::Compression;
use flate2::write::GzEncoder;

/// An executable known by its content. Clones share the bytes.
#[derive(Clone)]
pub struct Executable {
    pub(crate) digest: Digest,
    pub(crate) plain: Arc<[u8]>,
    pub(crate) gzip: Option<Arc<[u8]>>,
}

impl Executable {
    /// Takes the bytes and computes their SHA-256.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let plain = bytes.into();
        Self { digest: Digest::of(&plain), plain, gzip: None }
    }

    /// Adds a compressed form, used where the host has `gzip`. Measured with a Rust program of 43 MB: it shrinks to 40 %, for 16 ms of
    /// CPU per MB once here and 6 ms per MB on each host, so it pays where the link carries less than about 100 MB/s to each host.
    pub fn with_gzip(mut self) -> io::Result<Self> {
        let mut encoder = GzEncoder::new(Vec::with_capacity(self.plain.len() / 2), Compression::fast());
        encoder.write_all(&self.plain)?;
        self.gzip = Some(encoder.finish()?.into());
        Ok(self)
    }

    /// Its SHA-256.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its size in bytes, and the size of its compressed form if it has one.
    pub fn sizes(&self) -> (usize, Option<usize>) {
        (self.plain.len(), self.gzip.as_ref().map(|bytes| bytes.len()))
    }
}

impl fmt::Debug for Executable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Executable({:?}, {} bytes)", self.digest, self.plain.len())
    }
}
