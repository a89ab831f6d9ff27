//! What can be wrong with a bundle in a registry.

use barque_bundle::BundleError;
use oci_client::errors::{OciDistributionError, OciErrorCode};

use crate::place::Place;

/// Why a bundle could not be pushed or pulled.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} at `{place}`: {message}")]
pub struct OciError {
    /// The place.
    pub place: String,
    /// What was being done, such as `send blob …`.
    pub action: String,
    /// What the registry or the connection said.
    pub message: String,
    /// What kind of trouble it is.
    pub kind: OciErrorKind,
}

/// Kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OciErrorKind {
    /// Nobody answered, or the answer was cut off; worth another try.
    Unreachable,
    /// The registry's certificate is not trusted.
    Certificate,
    /// User and password are wrong or missing, or they do not suffice.
    Unauthorized,
    /// There is no such tag, digest or repository.
    NotFound,
    /// There is something else than a bundle.
    NotABundle,
    /// What came is not what was asked for.
    Changed,
    /// The bundle is not signed with the key that is asked for.
    Signature,
    /// The registry failed: its disk may be full.
    Server,
    /// The bundle on this side.
    Bundle,
    /// Anything else.
    Other,
}

impl OciError {
    pub(crate) fn new(place: &Place, action: impl Into<String>, message: impl Into<String>, kind: OciErrorKind) -> Self {
        Self { place: place.to_string(), action: action.into(), message: message.into(), kind }
    }

    pub(crate) fn of(place: &Place, action: impl Into<String>, error: &OciDistributionError) -> Self {
        let (kind, message) = (kind_of(error), chain(error));
        Self::new(place, action, message, kind)
    }

    pub(crate) fn bundle(place: &Place, action: impl Into<String>, error: &BundleError) -> Self {
        Self::new(place, action, chain(error), OciErrorKind::Bundle)
    }

    /// Whether the same again may succeed.
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, OciErrorKind::Unreachable | OciErrorKind::Server)
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            OciErrorKind::Unreachable => {
                "see that the registry answers (`curl -v https://HOST/v2/`), then run the same again: what is there already is not sent again"
            }
            OciErrorKind::Certificate => "name the authority that signed the registry's certificate with `--ca FILE`",
            OciErrorKind::Unauthorized => {
                "give `--username` and `--password-file`, or run `docker login` for this registry; the user must be allowed to do this"
            }
            OciErrorKind::NotFound => "look at the name and the tag; `barque bundle push` puts a bundle there",
            OciErrorKind::NotABundle => "name a tag that `barque bundle push` has written",
            OciErrorKind::Changed => {
                "the registry or something before it changes what it hands out; push the bundle again, and verify it with its key"
            }
            OciErrorKind::Signature => "push a bundle that this key has signed (`barque bundle sign`), or name another key",
            OciErrorKind::Server => "look at the registry's own log and at its free space, then run the same again",
            OciErrorKind::Bundle => "`barque bundle verify` names everything that is wrong with a bundle",
            OciErrorKind::Other => "the registry's own log may say more",
        }
    }
}

/// An error with all its causes: those of a connection say what matters in the last one.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

fn kind_of(error: &OciDistributionError) -> OciErrorKind {
    match error {
        OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::AuthenticationFailure(_)
        | OciDistributionError::ServerError { code: 401 | 403, .. } => OciErrorKind::Unauthorized,
        OciDistributionError::ImageManifestNotFoundError(_) | OciDistributionError::ServerError { code: 404, .. } => OciErrorKind::NotFound,
        OciDistributionError::DigestError(_) => OciErrorKind::Changed,
        OciDistributionError::RegistryError { envelope, .. } => of_codes(envelope.errors.iter().map(|error| &error.code)),
        OciDistributionError::ServerError { .. } => OciErrorKind::Server,
        OciDistributionError::RequestError(inner) => match inner.status().map(|status| status.as_u16()) {
            Some(401 | 403) => OciErrorKind::Unauthorized,
            Some(404) => OciErrorKind::NotFound,
            Some(500..) => OciErrorKind::Server,
            Some(_) => OciErrorKind::Other,
            None if chain(inner).to_lowercase().contains("certificate") => OciErrorKind::Certificate,
            None => OciErrorKind::Unreachable,
        },
        OciDistributionError::IoError(_) => OciErrorKind::Unreachable,
        _ => OciErrorKind::Other,
    }
}

fn of_codes<'a>(mut codes: impl Iterator<Item = &'a OciErrorCode>) -> OciErrorKind {
    codes
        .find_map(|code| match code {
            OciErrorCode::Unauthorized | OciErrorCode::Denied => Some(OciErrorKind::Unauthorized),
            OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::BlobUnknown | OciErrorCode::NotFound => {
                Some(OciErrorKind::NotFound)
            }
            OciErrorCode::DigestInvalid => Some(OciErrorKind::Changed),
            _ => None,
        })
        .unwrap_or(OciErrorKind::Server)
}
