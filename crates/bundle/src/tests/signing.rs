#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;

use fs_err as fs;
use secrecy::SecretString;

use crate::testing::{add, small};
use crate::{ArtifactKind, Bundle, PublicKey, SecretKey, SignatureError, make_keys};

#[test]
fn a_signature_holds_for_one_manifest_and_one_key() {
    let (folder, mut bundle) = small();
    let (mine, other) = (folder.path().join("mine"), folder.path().join("other"));
    let (public, public_path) = make_keys(&mine, None).unwrap();
    assert_eq!(fs::metadata(&mine).unwrap().permissions().mode() & 0o777, 0o600);
    let (other_public, _) = make_keys(&other, None).unwrap();
    assert!(matches!(make_keys(&mine, None), Err(SignatureError::KeyFile { .. })), "a key is never overwritten");
    assert!(matches!(bundle.check_signature(&public), Err(SignatureError::Unsigned { .. })));
    assert_eq!(bundle.signing_key().unwrap(), None);

    let secret = SecretKey::read(&mine, None).unwrap();
    bundle.clone().set_signature(&bundle.sign(&secret).unwrap()).unwrap();
    bundle.check_signature(&PublicKey::read(&public_path).unwrap()).unwrap();
    assert_eq!(bundle.signing_key().unwrap(), Some(public.id()));
    let error = bundle.check_signature(&other_public).unwrap_err();
    assert!(matches!(&error, SignatureError::OtherKey { .. }), "{error}");
    assert!(bundle.verify_files(&|_| {}).unwrap().faults.is_empty(), "the signature belongs there");

    // In a file too, which can be signed as such.
    let file = folder.path().join("demo.barque");
    let signature = bundle.signature().unwrap();
    bundle.pack(&file, signature.as_deref(), &|_| {}).unwrap();
    Bundle::open(&file).unwrap().check_signature(&public).unwrap();
    bundle.pack(&file, None, &|_| {}).unwrap();
    let packed = Bundle::open(&file).unwrap();
    assert!(matches!(packed.check_signature(&public), Err(SignatureError::Unsigned { .. })));
    let text = packed.sign(&SecretKey::read(&other, None).unwrap()).unwrap();
    packed.set_signature(&text).unwrap();
    Bundle::open(&file).unwrap().check_signature(&other_public).unwrap();

    // Another content, other manifest: the old signature goes with the old manifest, and put back it is wrong.
    add(&mut bundle, ArtifactKind::Binary, "runc", "1.5.2", b"runc");
    assert!(matches!(bundle.check_signature(&public), Err(SignatureError::Unsigned { .. })));
    fs::write(bundle.root().join("manifest.json.minisig"), signature.unwrap()).unwrap();
    let error = bundle.check_signature(&public).unwrap_err();
    assert!(matches!(&error, SignatureError::Wrong { .. }) && error.hint().unwrap().contains("bundle sign"), "{error}");
}

#[test]
fn no_damaged_signature_holds_or_breaks_anything() {
    let (folder, bundle) = small();
    let (public, _) = make_keys(&folder.path().join("key"), None).unwrap();
    let text = bundle.sign(&SecretKey::read(&folder.path().join("key"), None).unwrap()).unwrap();
    let path = bundle.root().join("manifest.json.minisig");
    for at in 0..text.len() {
        fs::write(&path, &text[..at]).unwrap();
        // Without its last newline it is still the same.
        assert!(bundle.check_signature(&public).is_err() || at == text.len() - 1, "cut to {at}");
    }
    let lines: Vec<_> = text.lines().collect();
    for short in ["", "AAAA", &lines[3][..84]] {
        fs::write(&path, [lines[0], lines[1], lines[2], short, ""].join("\n")).unwrap();
        assert!(matches!(bundle.check_signature(&public), Err(SignatureError::Malformed { .. })), "{short}");
    }
    // The first line is for people and not signed.
    for at in lines[0].len()..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 4;
        fs::write(&path, &changed).unwrap();
        assert!(bundle.check_signature(&public).is_err(), "byte {at}: {}", String::from_utf8_lossy(&changed));
    }
    fs::write(&path, &text).unwrap();
    bundle.check_signature(&public).unwrap();
}

#[test]
fn keys_with_a_passphrase() {
    let (folder, bundle) = small();
    let path = folder.path().join("key");
    let passphrase = SecretString::from("correct horse".to_owned());
    let (public, public_path) = make_keys(&path, Some(&passphrase)).unwrap();
    assert!(matches!(SecretKey::read(&path, None), Err(SignatureError::Encrypted { .. })));
    let wrong = SecretString::from("battery staple".to_owned());
    assert!(matches!(SecretKey::read(&path, Some(&wrong)), Err(SignatureError::WrongPassphrase { .. })));
    let secret = SecretKey::read(&path, Some(&passphrase)).unwrap();
    bundle.clone().set_signature(&bundle.sign(&secret).unwrap()).unwrap();
    bundle.check_signature(&public).unwrap();
    assert!(matches!(PublicKey::read(&path), Err(SignatureError::NotAKey { kind: "public key", .. })));
    assert!(matches!(SecretKey::read(&public_path, None), Err(SignatureError::NotAKey { kind: "secret key", .. })));
    assert!(matches!(PublicKey::read(&folder.path().join("none")), Err(SignatureError::KeyFile { .. })));
    // The one line alone is enough, as in a setting.
    let line = folder.path().join("line.pub");
    fs::write(&line, public.text()).unwrap();
    assert_eq!(PublicKey::read(&line).unwrap().id(), public.id());
}
