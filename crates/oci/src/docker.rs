//! Credentials in Docker's `config.json`, where `docker login`, `podman login` and others leave them.

use std::collections::BTreeMap;

use barque_model::SecretBytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// `USER:PASSWORD` in Base64.
    #[serde(default)]
    auth: String,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Entry")
    }
}

/// User and password for `registry` (host, with its port when one is given) in the text of a `config.json`; none when it has none. Credential helpers,
/// which are programs, are not asked.
pub fn credentials(config: &str, registry: &str) -> Option<(String, SecretBytes)> {
    let config: Config = serde_json::from_str(config).ok()?;
    let plain =
        |name: &str| name.trim_start_matches("https://").trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
    let entry = config.auths.iter().find(|(name, _)| plain(name) == registry)?.1;
    let text = String::from_utf8(STANDARD.decode(&entry.auth).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), SecretBytes::new(password.as_bytes())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_registrys_own_entry_is_found() {
        // ops:a:b
        let config = r#"{"auths": {"https://r.example:5000/v2/": {"auth": "b3BzOmE6Yg=="}, "other.example": {}}, "credsStore": "x"}"#;
        let (user, password) = credentials(config, "r.example:5000").unwrap();
        assert_eq!((user.as_str(), password.expose()), ("ops", &b"a:b"[..]));
        assert_eq!(credentials(config, "r.example"), None);
        assert_eq!(credentials(config, "other.example"), None);
        assert_eq!(credentials("{", "r.example"), None);
    }
}
