//! What is said between hosts: one question, the length of the answer, its bytes.
//!
//! A question is the token (32 bytes), the digest (64 hexadecimal digits) and the offset of the first byte wanted (`u64`, little endian). The
//! answer is the number of bytes that follow (`u64`, little endian), or [`ABSENT`].

use barque_model::{Digest, SecretBytes};

/// Length of a token.
pub(super) const TOKEN: usize = 32;
/// Length of a digest's text.
const DIGEST: usize = 64;
/// Length of a question.
pub(super) const QUESTION: usize = TOKEN + DIGEST + 8;
/// The answer of a host that does not have the content.
pub(super) const ABSENT: u64 = u64::MAX;
/// Bytes that are read, sent and waited for at a time.
pub(super) const BLOCK: usize = 256 << 10;

/// What a host asks of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// Shows that it belongs to the run.
    pub(super) token: SecretBytes,
    /// The content.
    pub(super) digest: Digest,
    /// The first byte wanted.
    pub(super) offset: u64,
}

impl Question {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [self.token.expose(), self.digest.to_string().as_bytes(), &self.offset.to_le_bytes()].concat()
    }

    /// `None` for what is no question.
    pub(super) fn parse(bytes: &[u8; QUESTION]) -> Option<Self> {
        let (token, rest) = bytes.split_at(TOKEN);
        let (digest, offset) = rest.split_at(DIGEST);
        Some(Self {
            token: SecretBytes::new(token),
            digest: std::str::from_utf8(digest).ok()?.parse().ok()?,
            offset: u64::from_le_bytes(offset.try_into().ok()?),
        })
    }
}
