//! The operator's age identity: the key that opens sealed files.

use std::fmt;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::files;

/// Larger files are no identity files.
const MAXIMUM_BYTES: u64 = 64 * 1024;

/// X25519 identities from a file that `age-keygen` could have written. The first one seals; all open.
#[derive(Clone)]
pub struct Identity {
    first: age::x25519::Identity,
    more: Vec<age::x25519::Identity>,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("failed to use the identity file")]
    Io(#[from] io::Error),
    /// Others may read the file.
    #[error("identity file `{path}` has mode {mode:04o}: others may read or change it")]
    OpenPermissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no X25519 identity, or something else beside it.
    #[error("`{path}` line {line} is not an age X25519 identity")]
    Content {
        /// The file.
        path: PathBuf,
        /// Line number from 1; one beyond the last line when there is no identity at all.
        line: usize,
    },
}

impl IdentityError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::OpenPermissions { path, .. } => Some(format!("run `chmod 600 {}`", path.display())),
            Self::Content { .. } => Some("an identity file is what `age-keygen -o FILE` writes".to_owned()),
            Self::Io(_) => None,
        }
    }
}

impl Identity {
    /// Makes a new one in memory.
    pub fn generate() -> Self {
        Self { first: age::x25519::Identity::generate(), more: Vec::new() }
    }

    /// Reads the file at `path`, or makes it when there is none: mode 0600, in a folder of mode 0700 if that must be made, too. It must not
    /// lie in the state directory, or whoever copies that has both the sealed files and their key. `true` says that it is new, and that
    /// the operator must keep a copy of it.
    pub fn load_or_create(path: &Path, now: Timestamp) -> Result<(Self, bool), IdentityError> {
        match Self::load(path) {
            Err(IdentityError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            result => return Ok((result?, false)),
        }
        if let Some(folder) = path.parent() {
            files::create_directory(folder)?;
        }
        let identity = Self::generate();
        match files::create(path, identity.file_content(now).as_bytes()) {
            Ok(()) => Ok((identity, true)),
            // Another barque was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((Self::load(path)?, false)),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the file at `path`; refuses one that others may read or change.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        let file = fs_err::File::open(path)?;
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(IdentityError::OpenPermissions { path: path.to_owned(), mode });
        }
        // Room for all at once: a buffer that grows would leave copies of the key behind.
        let mut text = Zeroizing::new(String::with_capacity(4096));
        file.take(MAXIMUM_BYTES).read_to_string(&mut text)?;
        Self::parse(&text).map_err(|line| IdentityError::Content { path: path.to_owned(), line })
    }

    /// Parses the lines of an identity file; the error is the number of the wrong line.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut identities = Vec::new();
        for (number, line) in (1_usize..).zip(text.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                identities.push(line.parse().map_err(|_| number)?);
            }
        }
        let mut identities = identities.into_iter();
        let first = identities.next().ok_or(text.lines().count() + 1)?;
        Ok(Self { first, more: identities.collect() })
    }

    /// The content of an identity file, as `age-keygen` writes it.
    fn file_content(&self, now: Timestamp) -> Zeroizing<String> {
        let secret = self.first.to_string();
        Zeroizing::new(format!(
            "# created: {}\n# public key: {}\n{}\n",
            now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            self.recipient(),
            secret.expose_secret()
        ))
    }

    /// The public key, `age1…`; who has it can seal but not open.
    pub fn recipient(&self) -> String {
        self.first.to_public().to_string()
    }

    pub(crate) fn public(&self) -> age::x25519::Recipient {
        self.first.to_public()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &dyn age::Identity> {
        std::iter::once(&self.first).chain(&self.more).map(|identity| identity as &dyn age::Identity)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({})", self.recipient())
    }
}
