//! Hashed passwords as `htpasswd -B` writes them.

use bcrypt::{HashParts, non_truncating_verify};

/// Costs that a hash may have: below the least bcrypt does not exist, and beyond the most a login takes seconds.
const COSTS: std::ops::RangeInclusive<u32> = 4..=15;

/// A hashed password.
#[derive(Clone)]
pub(super) struct Hashed(String);

impl Hashed {
    /// Reads `$2y$COST$SALT-AND-HASH`; `None` for anything else, and for costs that no login can wait for.
    pub(super) fn read(text: &str) -> Option<Self> {
        let parts: HashParts = text.parse().ok()?;
        let known = ["$2a$", "$2b$", "$2y$"].iter().any(|start| text.starts_with(start));
        (known && COSTS.contains(&parts.get_cost())).then(|| Self(text.to_owned()))
    }

    /// Whether `password` is the one that was hashed. Takes a tenth of a second or more, by design. What bcrypt would not see, beyond its 72nd
    /// byte, is no part of a password.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        non_truncating_verify(password, &self.0).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn known_hashes() {
        // The second one is what the registry of the other scenarios reads.
        for (hash, password) in [
            ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
            ("$2y$05$JkXv8QhYw3nR0bTzLpM1eODFCqTCqR6XeQLSN1l31WeAz5yxsGmu2", "lab-word-5b1e9c"),
        ] {
            let hashed = Hashed::read(hash).unwrap();
            assert!(hashed.is_of(password.as_bytes()), "{password}");
            assert!(!hashed.is_of(b"another"));
            assert!(!hashed.is_of(b""));
        }
    }

    #[test]
    fn others_are_refused() {
        let rest = "JkXv8QhYw3nR0bTzLpM1eODFCqTCqR6XeQLSN1l31WeAz5yxsGmu2";
        for hash in ["", "{SHA}x", "$apr1$a$b", &format!("$2y$03${rest}"), &format!("$2y$31${rest}"), &format!("$2y$05${}", &rest[1..])] {
            assert!(Hashed::read(hash).is_none(), "{hash}");
        }
        let hashed = Hashed::read(&format!("$2y$05${rest}")).unwrap();
        assert!(!hashed.is_of(&[b'x'; 72]), "what bcrypt does not see is no part of a password");
    }
}
