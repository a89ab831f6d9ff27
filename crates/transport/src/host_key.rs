//! Decides whether the key that a host shows is its key.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey, PublicKeyBase64 as _, PublicKeyOrCertificate};

use crate::error::ConnectError;
use crate::known_hosts::{KnownHosts, Verdict, fingerprint};

/// What happens with a host that no known_hosts file names. A changed or revoked key is refused in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// It is refused.
    Verify,
    /// Its key is written down, and the operator is told.
    AcceptNew,
}

/// A host key that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedHostKey {
    /// The host's name as in known_hosts.
    pub host: String,
    /// Type of the key, such as `ssh-ed25519`.
    pub key_type: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The file that holds it now.
    pub file: PathBuf,
}

/// One append at a time, so that two connections to one host write its key once.
static APPEND: Mutex<()> = Mutex::new(());

/// Judges what the host called `name` shows. `files` are all known_hosts files, `append_to` the one that takes new keys.
/// Returns the key if it was new and is written down now.
pub(crate) fn check(
    name: &str,
    shown: &PublicKeyOrCertificate,
    files: &[PathBuf],
    policy: HostKeyPolicy,
    now: SystemTime,
) -> Result<Option<AcceptedHostKey>, ConnectError> {
    let known = read(files)?;
    let key = shown.public_key();
    let blob = key.public_key_bytes();
    let mut distrust = None;
    if let Some(certificate) = shown.certificate() {
        match check_certificate(name, certificate, &known, now) {
            Ok(()) => return Ok(None),
            Err(Distrust::Revoked(place)) => return Err(ConnectError::HostKeyRevoked { host: name.to_owned(), place: Some(place) }),
            // As OpenSSH: the bare key inside may still be known.
            Err(Distrust::Invalid(reason)) => distrust = Some(reason),
        }
    }
    match (judge(name, &blob, &known), distrust) {
        (Err(ConnectError::HostKeyUnknown { host, .. }), Some(reason)) => Err(ConnectError::HostCertificate { host, reason }),
        (Err(ConnectError::HostKeyUnknown { .. }), None) if policy == HostKeyPolicy::AcceptNew => accept(name, &key, &blob, files),
        (verdict, _) => verdict.map(|()| None),
    }
}

fn read(files: &[PathBuf]) -> Result<KnownHosts, ConnectError> {
    KnownHosts::read(files.iter().map(PathBuf::as_path))
}

fn judge(name: &str, blob: &[u8], known: &KnownHosts) -> Result<(), ConnectError> {
    let host = name.to_owned();
    match known.verify(name, blob) {
        Verdict::Trusted => Ok(()),
        Verdict::Unknown => Err(ConnectError::HostKeyUnknown { host, fingerprint: Some(fingerprint(blob)) }),
        Verdict::Changed { expected, file, line } => {
            Err(ConnectError::HostKeyChanged { host, expected, got: Some(fingerprint(blob)), file, line })
        }
        Verdict::Revoked { place } => Err(ConnectError::HostKeyRevoked { host, place: Some(place) }),
    }
}

fn accept(name: &str, key: &PublicKey, blob: &[u8], files: &[PathBuf]) -> Result<Option<AcceptedHostKey>, ConnectError> {
    let _guard = APPEND.lock().unwrap_or_else(PoisonError::into_inner);
    // Another connection may have written it, or another key, since we looked.
    match judge(name, blob, &read(files)?) {
        Err(ConnectError::HostKeyUnknown { .. }) => {}
        verdict => return verdict.map(|()| None),
    }
    let unknown = || ConnectError::HostKeyUnknown { host: name.to_owned(), fingerprint: Some(fingerprint(blob)) };
    let file = files.first().ok_or_else(unknown)?;
    let key_type = key.algorithm().as_str().to_owned();
    append(file, &format!("{name} {key_type} {}\n", STANDARD.encode(blob)))
        .map_err(|source| ConnectError::KnownHosts { path: file.clone(), source })?;
    Ok(Some(AcceptedHostKey { host: name.to_owned(), key_type, fingerprint: fingerprint(blob), file: file.clone() }))
}

/// Appends a line and brings it to the disk; a new file gets mode 0600, a new folder 0700.
fn append(file: &Path, line: &str) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut handle = std::fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(file)?;
    let mut text = String::new();
    if handle.seek(SeekFrom::End(0))? > 0 {
        handle.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        handle.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n');
        }
    }
    text.push_str(line);
    handle.write_all(text.as_bytes())?;
    handle.sync_all()
}

enum Distrust {
    Revoked(String),
    Invalid(String),
}

fn check_certificate(name: &str, certificate: &Certificate, known: &KnownHosts, now: SystemTime) -> Result<(), Distrust> {
    let authority = PublicKey::new(certificate.signature_key().clone(), "");
    for key in [&authority, &PublicKey::new(certificate.public_key().clone(), "")] {
        if let Some(entry) = known.revoked(name, &key.public_key_bytes()) {
            return Err(Distrust::Revoked(entry.place()));
        }
    }
    let blob = authority.public_key_bytes();
    let invalid = |reason: &str| Err(Distrust::Invalid(reason.to_owned()));
    if !known.authorities(name).any(|entry| entry.blob == blob) {
        return Err(Distrust::Invalid(format!("its authority {} is not in a known_hosts file", fingerprint(&blob))));
    }
    if certificate.cert_type() != CertType::Host {
        return invalid("it is a user certificate");
    }
    // Certificates carry the bare host name, whatever the port.
    let host = name.strip_prefix('[').and_then(|rest| rest.rsplit_once("]:")).map_or(name, |(host, _)| host);
    if !certificate.valid_principals().iter().any(|principal| principal.eq_ignore_ascii_case(host)) {
        return Err(Distrust::Invalid(format!("it is for {}", certificate.valid_principals().join(", "))));
    }
    if !certificate.critical_options().is_empty() {
        return invalid("it has a critical option that barque does not know");
    }
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if certificate.validate_at(seconds, [&authority.fingerprint(HashAlg::Sha256)]).is_err() {
        return invalid("it has expired, is not valid yet, or its signature is wrong");
    }
    Ok(())
}

/// Host key algorithms in the order to ask for: types that are already known for the host come first, else a host with several keys
/// would show one that nobody knows. SHA-1 signatures are not among them.
pub(crate) fn algorithms(known: &KnownHosts, name: &str, configured: &[String]) -> Vec<Algorithm> {
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    let rsa = |hash| Algorithm::Rsa { hash: Some(hash) };
    let mut all = vec![
        Algorithm::Ed25519,
        ecdsa(EcdsaCurve::NistP256),
        ecdsa(EcdsaCurve::NistP384),
        ecdsa(EcdsaCurve::NistP521),
        rsa(HashAlg::Sha512),
        rsa(HashAlg::Sha256),
    ];
    if configured.iter().any(|wanted| all.iter().any(|algorithm| algorithm.as_str() == wanted)) {
        all.retain(|algorithm| configured.iter().any(|wanted| algorithm.as_str() == wanted));
        all.sort_by_key(|algorithm| configured.iter().position(|wanted| algorithm.as_str() == wanted));
    }
    let types: Vec<&str> = known.keys(name).map(|entry| entry.key_type.as_str()).collect();
    let is_known = |algorithm: &Algorithm| match algorithm {
        Algorithm::Rsa { .. } => types.contains(&"ssh-rsa"),
        other => types.contains(&other.as_str()),
    };
    all.sort_by_key(|algorithm| !is_known(algorithm));
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use russh::keys::ssh_key::certificate::Builder;
    use russh::keys::{PrivateKey, key::safe_rng};

    use super::*;

    fn private() -> PrivateKey {
        PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()
    }

    fn line(key: &PrivateKey) -> String {
        key.public_key().to_openssh().unwrap()
    }

    #[test]
    fn new_key_is_written_once_and_then_guarded() {
        let directory = tempfile::tempdir().unwrap();
        let files = [directory.path().join("new/known_hosts"), directory.path().join("global")];
        std::fs::write(&files[1], format!("other {}", line(&private()))).unwrap();
        let (first, second) = (private(), private());
        let show = |key: &PrivateKey, policy| {
            check("[h]:2222", &PublicKeyOrCertificate::from(key.public_key().clone()), &files, policy, SystemTime::now())
        };
        let Err(ConnectError::HostKeyUnknown { fingerprint: Some(print), .. }) = show(&first, HostKeyPolicy::Verify) else { panic!() };
        assert!(!files[0].exists());
        let accepted = show(&first, HostKeyPolicy::AcceptNew).unwrap().unwrap();
        assert_eq!((accepted.fingerprint, accepted.key_type.as_str()), (print, "ssh-ed25519"));
        assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(show(&first, HostKeyPolicy::AcceptNew).unwrap(), None);
        assert_eq!(show(&first, HostKeyPolicy::Verify).unwrap(), None);
        assert_eq!(std::fs::read_to_string(&files[0]).unwrap().lines().count(), 1);
        let Err(ConnectError::HostKeyChanged { file, line, .. }) = show(&second, HostKeyPolicy::AcceptNew) else { panic!() };
        assert_eq!((file, line), (files[0].clone(), 1));
    }

    #[test]
    fn append_respects_a_missing_newline() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("known");
        std::fs::write(&file, "a").unwrap();
        append(&file, "b\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\nb\n");
    }

    #[test]
    fn certificates_need_authority_name_type_and_time() {
        let directory = tempfile::tempdir().unwrap();
        let files = [directory.path().join("known")];
        let (authority, host) = (private(), private());
        std::fs::write(&files[0], format!("@cert-authority *.org,[*.org]:* {}", line(&authority))).unwrap();
        let at = |seconds| UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let certificate = |kind, principal: &str, signer: &PrivateKey| {
            let mut builder = Builder::new_with_random_nonce(&mut safe_rng(), host.public_key(), 1_000, 2_000).unwrap();
            builder.cert_type(kind).unwrap().valid_principal(principal).unwrap();
            PublicKeyOrCertificate::from(builder.sign(signer).unwrap())
        };
        let good = certificate(CertType::Host, "a.org", &authority);
        let judge = |shown, name, time| check(name, shown, &files, HostKeyPolicy::AcceptNew, at(time));
        for name in ["a.org", "[a.org]:2222"] {
            assert_eq!(judge(&good, name, 1_500).unwrap(), None);
        }
        let refused = [
            (&good, "b.org", 1_500),
            (&good, "a.org", 2_500),
            (&certificate(CertType::User, "a.org", &authority), "a.org", 1_500),
            (&certificate(CertType::Host, "a.org", &private()), "a.org", 1_500),
        ];
        for (shown, name, time) in refused {
            let result = judge(shown, name, time);
            assert!(matches!(result, Err(ConnectError::HostCertificate { .. })), "{name} {time}: {result:?}");
        }
        std::fs::write(&files[0], format!("a.org {}\n@revoked * {}", line(&host), line(&authority))).unwrap();
        assert!(matches!(judge(&good, "a.org", 1_500), Err(ConnectError::HostKeyRevoked { .. })));
        std::fs::write(&files[0], format!("a.org {}", line(&host))).unwrap();
        assert_eq!(judge(&good, "a.org", 2_500).unwrap(), None, "the bare key is known");
    }

    #[test]
    fn known_types_come_first_and_sha1_never() {
        let mut known = KnownHosts::default();
        let rsa = format!("h ssh-rsa {}", STANDARD.encode(b"\0\0\0\x07ssh-rsa..."));
        known.parse(&rsa, Path::new("/k"));
        let names = |configured: &[String]| algorithms(&known, "h", configured).iter().map(|a| a.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&[])[..3], ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]);
        assert!(!names(&[]).contains(&"ssh-rsa".to_owned()));
        assert_eq!(names(&["ecdsa-sha2-nistp256".to_owned()]), ["ecdsa-sha2-nistp256"]);
    }
}
