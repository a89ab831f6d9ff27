//! Files of an operator's machine that never was.

use barque_model::SecretBytes;
use barque_spec::{FileFault, OperatorFile, OperatorFiles};

/// A certificate authority made for the tests; nobody has its key.
pub(crate) const AUTHORITY: &str = include_str!("../files/authority.pem");
/// Not a key, but in its form.
pub(crate) const KEY: &str = "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n";

/// What a cluster file of the tests may name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files;

impl OperatorFiles for Files {
    fn read(&self, path: &str) -> Result<OperatorFile, FileFault> {
        let broken = AUTHORITY.replace("MII", "AAA");
        let (content, mode) = match path {
            "authority.pem" | "client.pem" => (AUTHORITY, 0o644),
            "broken.pem" => (broken.as_str(), 0o644),
            "both.pem" => ("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n", 0o600),
            "key.pem" => (KEY, 0o600),
            "password" => ("hunter2\n", 0o600),
            "open-password" => ("hunter2\n", 0o644),
            "two-lines" => ("hunter2\nhunter3\n", 0o600),
            "secret-folder" => return Err(FileFault::Unreadable { path: path.to_owned(), reason: "permission denied".to_owned() }),
            _ => return Err(FileFault::Missing { path: path.to_owned() }),
        };
        Ok(OperatorFile { content: SecretBytes::new(content), mode })
    }
}
