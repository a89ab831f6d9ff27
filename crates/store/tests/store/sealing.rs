//! Sealing, and the identity file.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use barque_store::sealed::{OpenError, open, seal};
use barque_store::{Identity, IdentityError, Passphrase, SealingKey};
use secrecy::SecretString;

use crate::{mode, now};

fn identity() -> SealingKey {
    SealingKey::Identity(Identity::generate())
}

/// Cheap to derive; the default cost takes many seconds in a debug build.
fn passphrase(text: &str) -> SealingKey {
    SealingKey::Passphrase(Passphrase::new(SecretString::from(text)).with_work_factor(10))
}

#[test]
fn what_is_sealed_opens_with_the_same_key() {
    let long = vec![7; 200_000];
    for key in [identity(), passphrase("correct horse")] {
        for content in [&b""[..], b"content", &long] {
            let sealed = seal(content, &key).unwrap();
            assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
            assert!(content.is_empty() || !sealed.windows(content.len()).any(|window| window == content));
            assert_eq!(open(&sealed, &key).unwrap().as_slice(), content);
            assert_ne!(seal(content, &key).unwrap(), sealed, "every sealing has keys of its own");
        }
    }
}

#[test]
fn each_wrong_key_has_its_own_error() {
    let (own, other) = (identity(), identity());
    let (right, wrong) = (passphrase("right"), passphrase("wrong"));
    let for_identity = seal(b"content", &own).unwrap();
    let for_passphrase = seal(b"content", &right).unwrap();
    assert!(matches!(open(&for_identity, &other), Err(OpenError::WrongIdentity)));
    assert!(matches!(open(&for_identity, &right), Err(OpenError::NeedsIdentity)));
    assert!(matches!(open(&for_passphrase, &wrong), Err(OpenError::WrongPassphrase)));
    assert!(matches!(open(&for_passphrase, &own), Err(OpenError::NeedsPassphrase)));
    assert!(matches!(open(b"-----BEGIN CERTIFICATE-----\n", &own), Err(OpenError::NotSealed)));
    assert!(matches!(open(b"age-encryption.org/v9\n-> X\n---\n", &own), Err(OpenError::NotSealed)));
}

#[test]
fn no_changed_byte_and_no_cut_goes_unnoticed() {
    // A passphrase takes time, so fewer bytes are tried with it.
    for (key, stride) in [(identity(), 1), (passphrase("right"), 17)] {
        let sealed = seal(&[b'x'; 100], &key).unwrap();
        let payload = sealed.windows(5).position(|window| window == b"\n--- ").unwrap() + 1;
        for position in (0..sealed.len()).step_by(stride) {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            let error = open(&changed, &key).unwrap_err();
            let in_header = position < payload + b"--- ".len();
            assert!(in_header || matches!(error, OpenError::Corrupted | OpenError::NotSealed), "byte {position}: {error}");
        }
        for length in [0, 10, payload - 3, payload + 10, payload + 50, payload + 70, sealed.len() - 1] {
            assert!(matches!(open(&sealed[..length], &key), Err(OpenError::Corrupted | OpenError::NotSealed)), "{length}");
        }
        // Within the payload the key is known to fit, so it is certain that the file is at fault.
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(matches!(open(&changed, &key), Err(OpenError::Corrupted)));
    }
}

#[test]
fn a_hostile_work_factor_is_refused_at_once() {
    let key = passphrase("right");
    let sealed = String::from_utf8_lossy(&seal(b"", &key).unwrap()).into_owned();
    let line = sealed.lines().nth(1).unwrap();
    let hostile = sealed.replace(line, &line.replace(" 10", " 30"));
    assert!(matches!(open(hostile.as_bytes(), &key), Err(OpenError::ExcessiveWork(30))));
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?} {:?}", passphrase("correct horse"), identity());
    assert!(shown.starts_with("Passphrase(masked) Identity(age1"), "{shown}");
    assert!(!shown.contains("correct") && !shown.contains("SECRET"));
}

#[test]
fn an_identity_file_is_made_once_and_private() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config/barque/identity.txt");
    let (first, new) = Identity::load_or_create(&path, now()).unwrap();
    assert!(new);
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let (second, new) = Identity::load_or_create(&path, now()).unwrap();
    assert!(!new);
    assert_eq!(first.recipient(), second.recipient());
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["# created: 2026-11-25T02:03:04Z", &format!("# public key: {}", first.recipient())]);
    assert!(lines[2].starts_with("AGE-SECRET-KEY-1") && lines.len() == 3);
    let sealed = seal(b"content", &SealingKey::Identity(first)).unwrap();
    assert_eq!(open(&sealed, &SealingKey::Identity(second)).unwrap().as_slice(), b"content");
}

#[test]
fn an_identity_file_that_others_may_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("identity.txt");
    Identity::load_or_create(&path, now()).unwrap();
    for open_mode in [0o640, 0o604, 0o620] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(open_mode)).unwrap();
        let error = Identity::load_or_create(&path, now()).unwrap_err();
        assert!(matches!(error, IdentityError::OpenPermissions { mode, .. } if mode == open_mode));
        assert_eq!(error.hint(), Some(format!("run `chmod 600 {}`", path.display())));
    }
}

#[test]
fn several_identities_open_and_the_first_seals() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let (old, _) = Identity::load_or_create(&file("old"), now()).unwrap();
    let (new, _) = Identity::load_or_create(&file("new"), now()).unwrap();
    let both = [file("new"), file("old")].map(|path| std::fs::read_to_string(path).unwrap()).concat();
    std::fs::write(file("old"), &both).unwrap();
    let both = Identity::load(&file("old")).unwrap();
    assert_eq!(both.recipient(), new.recipient());
    let sealed = seal(b"content", &SealingKey::Identity(old)).unwrap();
    assert!(open(&sealed, &SealingKey::Identity(both)).is_ok());

    std::fs::write(file("old"), "# comment\nAGE-SECRET-KEY-1BROKEN\n").unwrap();
    assert!(matches!(Identity::load(&file("old")), Err(IdentityError::Content { line: 2, .. })));
    std::fs::write(file("old"), "").unwrap();
    assert!(matches!(Identity::load(&file("old")), Err(IdentityError::Content { line: 1, .. })));
}

#[test]
fn the_age_tool_opens_it() {
    let directory = tempfile::tempdir().unwrap();
    let identity_file = directory.path().join("identity.txt");
    let (identity, _) = Identity::load_or_create(&identity_file, now()).unwrap();
    let sealed = directory.path().join("vault.age");
    std::fs::write(&sealed, seal(b"content", &SealingKey::Identity(identity)).unwrap()).unwrap();
    match Command::new("age").args(["--decrypt", "--identity"]).args([&identity_file, &sealed]).output() {
        Ok(output) => assert_eq!(output.stdout, b"content", "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("skipped: the age tool does not run: {error}"),
    }
}
