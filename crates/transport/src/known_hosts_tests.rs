#![allow(clippy::unwrap_used)]
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;

/// A made-up key of a type; `seed` tells keys apart.
fn key(key_type: &str, seed: u8) -> (Vec<u8>, String) {
    let mut blob = u32::try_from(key_type.len()).unwrap().to_be_bytes().to_vec();
    blob.extend(key_type.as_bytes());
    blob.extend([0, 0, 0, 32]);
    blob.extend([seed; 32]);
    let line = format!("{key_type} {}", STANDARD.encode(&blob));
    (blob, line)
}

fn known(content: &str) -> KnownHosts {
    let mut known = KnownHosts::default();
    known.parse(content, Path::new("/k"));
    known
}

#[test]
fn names_lists_wildcards_and_negation() {
    let (blob, line) = key("ssh-ed25519", 1);
    let (other, _) = key("ssh-ed25519", 2);
    let files = known(&format!(
        "# comment\n\n  Web1,10.0.0.1\t{line} root@web1\n*.example.org,!bad.example.org {line}\nnode? {line}\n[j]:2222 {line}\n"
    ));
    for name in ["web1", "10.0.0.1", "a.example.org", "node7", "[j]:2222"] {
        assert_eq!(files.verify(name, &blob), Verdict::Trusted, "{name}");
        assert!(matches!(files.verify(name, &other), Verdict::Changed { .. }), "{name}");
    }
    for name in ["bad.example.org", "web11", "node", "node77", "j", "[j]:22", "[web1]:2222"] {
        assert_eq!(files.verify(name, &blob), Verdict::Unknown, "{name}");
    }
    let (rsa, _) = key("ssh-rsa", 3);
    let Verdict::Changed { expected, line, .. } = files.verify("web1", &rsa) else { panic!("another type must count as changed") };
    assert_eq!((expected, line), (vec![format!("ssh-ed25519 {}", fingerprint(&blob))], 3));
}

#[test]
fn revoked_wins_and_authorities_are_no_keys() {
    let (blob, line) = key("ssh-ed25519", 1);
    let (authority, authority_line) = key("ssh-ed25519", 9);
    let files = known(&format!("web1 {line}\n@revoked * {line}\n@cert-authority *.org {authority_line}\n@unknown web1 {authority_line}"));
    assert_eq!(files.verify("web1", &blob), Verdict::Revoked { place: "`/k` line 2".to_owned() });
    assert_eq!(files.verify("a.org", &authority), Verdict::Unknown);
    assert_eq!(files.authorities("a.org").map(|entry| entry.line).collect::<Vec<_>>(), [3]);
    assert_eq!(files.authorities("a.com").count(), 0);
}

#[test]
fn malformed_lines_are_skipped() {
    let (blob, line) = key("ssh-ed25519", 1);
    let (_, rsa) = key("ssh-rsa", 1);
    let lied = rsa.replace("ssh-rsa ", "ssh-ed25519 ");
    let files = known(&format!("web1\nweb1 ssh-ed25519\nweb1 ssh-ed25519 !!!\nweb1 {lied}\n|1|x {line}\nweb1 {line}"));
    assert_eq!(files.verify("web1", &blob), Verdict::Trusted);
    assert_eq!(files.keys("web1").count(), 1);
}

/// `ssh-keygen -H` and `-F` are the reference: what they hash we find, and the fingerprint is theirs.
#[test]
fn agrees_with_ssh_keygen() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let generated = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path("key")).status().unwrap();
    assert!(generated.success());
    let public = std::fs::read_to_string(path("key.pub")).unwrap();
    std::fs::write(path("known"), format!("web1.example.org {public}[10.0.0.7]:2222 {public}")).unwrap();
    assert!(Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(path("known")).output().unwrap().status.success());
    let content = std::fs::read_to_string(path("known")).unwrap();
    assert!(content.starts_with("|1|") && !content.contains("example"), "{content}");

    let files = KnownHosts::read([path("known").as_path(), path("missing").as_path()]).unwrap();
    let blob = STANDARD.decode(public.split(' ').nth(1).unwrap()).unwrap();
    assert_eq!(files.verify(&lookup_name("WEB1.example.org", 22), &blob), Verdict::Trusted);
    assert_eq!(files.verify(&lookup_name("10.0.0.7", 2222), &blob), Verdict::Trusted);
    assert_eq!(files.verify(&lookup_name("10.0.0.7", 22), &blob), Verdict::Unknown);
    let listed = Command::new("ssh-keygen").args(["-l", "-f"]).arg(path("key.pub")).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains(&fingerprint(&blob)));
}

#[test]
fn unreadable_file_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(KnownHosts::read([directory.path()]), Err(ConnectError::KnownHosts { .. })));
}

proptest! {
    /// Against the obvious exponential definition.
    #[test]
    fn wildcard_is_right(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
        fn oracle(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern.split_first(), text.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) => oracle(rest, text) || (!text.is_empty() && oracle(pattern, &text[1..])),
                (Some((b'?', rest)), Some((_, tail))) => oracle(rest, tail),
                (Some((c, rest)), Some((d, tail))) => c == d && oracle(rest, tail),
                _ => false,
            }
        }
        prop_assert_eq!(wildcard(pattern.as_bytes(), text.as_bytes()), oracle(pattern.as_bytes(), text.as_bytes()));
    }
}
