//! Who may ask: users with a password, by HTTP's basic authentication (RFC 7617).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use barque_model::Digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::bcrypt::Hashed;

/// Users, as `htpasswd -B` writes them.
pub struct Users {
    hashes: BTreeMap<String, Hashed>,
    /// Digests of headers that were right, and whose they were: clients send them with each request, and bcrypt is slow by design.
    known: Mutex<BTreeMap<Digest, String>>,
}

/// A file of users that is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUsers {
    /// There is none.
    #[error("it names no user")]
    Empty,
    /// A line is not what is expected.
    #[error("line {line} is not `USER:HASH` with a hash of bcrypt and a cost of 4 to 15")]
    Line {
        /// Which one, from 1.
        line: usize,
    },
    /// A user is there twice.
    #[error("line {line} names a user that an earlier line names")]
    Twice {
        /// Which one, from 1.
        line: usize,
    },
}

impl Users {
    /// Reads `USER:HASH` lines; empty ones and those that begin with `#` are passed over. Only hashes of bcrypt are taken.
    pub fn read(text: &str) -> Result<Self, InvalidUsers> {
        let mut hashes = BTreeMap::new();
        for (index, row) in text.lines().enumerate().filter(|(_, row)| !row.trim().is_empty() && !row.starts_with('#')) {
            let line = index + 1;
            let (user, hash) = row.trim_end().split_once(':').filter(|(user, _)| !user.is_empty()).ok_or(InvalidUsers::Line { line })?;
            let hashed = Hashed::read(hash).ok_or(InvalidUsers::Line { line })?;
            if hashes.insert(user.to_owned(), hashed).is_some() {
                return Err(InvalidUsers::Twice { line });
            }
        }
        if hashes.is_empty() { Err(InvalidUsers::Empty) } else { Ok(Self { hashes, known: Mutex::new(BTreeMap::new()) }) }
    }

    /// Whose `Authorization` this is, if it was right before. Quick.
    pub(super) fn known(&self, header: &[u8]) -> Option<String> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&Digest::of(header)).cloned()
    }

    /// Whose `Authorization` this is; `None` where it is wrong. Slow.
    pub(super) fn check(&self, header: &[u8]) -> Option<String> {
        let (user, password) = basic(header)?;
        // An unknown name takes as long as a wrong password, so that the time does not tell which names there are.
        let hashed = self.hashes.get(&user).or_else(|| self.hashes.values().next())?;
        if !hashed.is_of(&password) || !self.hashes.contains_key(&user) {
            return None;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // One user is written in few ways; whoever writes many has a password anyhow.
        if known.len() >= self.hashes.len() * 4 {
            known.clear();
        }
        known.insert(Digest::of(header), user.clone());
        Some(user)
    }
}

impl std::fmt::Debug for Users {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Users({})", self.hashes.len())
    }
}

/// User and password of `Basic BASE64`.
fn basic(header: &[u8]) -> Option<(String, Vec<u8>)> {
    let (scheme, rest) = header.split_at_checked("basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let pair = BASE64_STANDARD.decode(rest.trim_ascii()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some((String::from_utf8(pair[..colon].to_vec()).ok()?, pair[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const LINE: &str = "puller:$2y$05$JkXv8QhYw3nR0bTzLpM1eODFCqTCqR6XeQLSN1l31WeAz5yxsGmu2";

    fn header(pair: &str) -> Vec<u8> {
        format!("Basic {}", BASE64_STANDARD.encode(pair)).into_bytes()
    }

    #[test]
    fn the_right_password_of_a_user() {
        let users = Users::read(&format!("# who may pull\n\n{LINE}\n")).unwrap();
        let right = header("puller:lab-word-5b1e9c");
        assert_eq!(users.known(&right), None);
        assert_eq!(users.check(&right), Some("puller".to_owned()));
        assert_eq!(users.known(&right), Some("puller".to_owned()));
        for wrong in [&header("puller:other")[..], &header("nobody:lab-word-5b1e9c"), &header("puller"), b"Basic !", b"Bearer x", b""] {
            assert_eq!((users.check(wrong), users.known(wrong)), (None, None));
        }
        assert_eq!(users.check(&[b"bASIC ", &right[6..]].concat()), Some("puller".to_owned()));
        assert_eq!(format!("{users:?}"), "Users(1)");
    }

    #[test]
    fn a_file_with_anything_else_is_refused() {
        assert_eq!(Users::read("").unwrap_err(), InvalidUsers::Empty);
        assert_eq!(Users::read(&format!("{LINE}\nplain:text")).unwrap_err(), InvalidUsers::Line { line: 2 });
        assert_eq!(Users::read(&format!("{LINE}\n{LINE}")).unwrap_err(), InvalidUsers::Twice { line: 2 });
    }
}
