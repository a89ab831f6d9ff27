//! Reads what the system's `ssh` says on standard error (OpenSSH, in English) when it cannot connect.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::ConnectError;
use crate::known_hosts::lookup_name;
use crate::ssh_config::Hop;

/// How the words read that belong to the jump host's end of the way: the outer `ssh` only saw its proxy close.
const PROXY_CLOSED: &str = "UNKNOWN port 65535";

/// Turns `stderr` into the same errors as the in-process transport gives.
pub(crate) fn classify(stderr: &str, hop: &Hop, jump: Option<&Hop>, limit: Duration) -> ConnectError {
    if let Some(jump) = jump
        && stderr.contains(PROXY_CLOSED)
    {
        let inner: Vec<&str> =
            stderr.lines().filter(|line| !line.contains(PROXY_CLOSED) && !line.starts_with("kex_exchange_identification")).collect();
        let inner = inner.join("\n");
        // "stdio forwarding failed": the jump host is fine and could not reach the target.
        if inner.contains("stdio forwarding failed") {
            let refused = inner.lines().find(|line| line.contains("open failed")).unwrap_or("it cannot reach the host");
            return ConnectError::Unreachable {
                address: hop.place(),
                cause: format!("jump host {} says {}", jump.place(), refused.trim()),
            };
        }
        return ConnectError::Jump { via: jump.place(), source: Box::new(classify(&inner, jump, None, limit)) };
    }
    let address = hop.place();
    let name = lookup_name(&hop.address, hop.port);
    let line = |words: &[&str]| stderr.lines().map(str::trim).find(|line| words.iter().any(|word| line.contains(word)));
    if line(&["REVOKED HOST KEY", "is marked as revoked", "revoked host key"]).is_some() {
        return ConnectError::HostKeyRevoked { host: name, place: None };
    }
    if line(&["REMOTE HOST IDENTIFICATION HAS CHANGED"]).is_some() {
        let got = stderr.split_whitespace().find(|word| word.starts_with("SHA256:")).map(|word| word.trim_end_matches('.').to_owned());
        let (key_type, file, line) = line(&["Offending"]).and_then(offending).unwrap_or_default();
        return ConnectError::HostKeyChanged { host: name, expected: vec![key_type], got, file, line };
    }
    if line(&["Host key verification failed", "host key is known for"]).is_some() {
        return ConnectError::HostKeyUnknown { host: name, fingerprint: None };
    }
    if let Some(refusal) = line(&["Permission denied (", "Too many authentication failures"]) {
        if let Some(path) = hop.key.as_ref().filter(|_| line(&["no such identity", "Identity file", "Load key"]).is_some()) {
            let reason = line(&["no such identity", "Identity file", "Load key"]).unwrap_or_default();
            let reason = reason.rsplit_once(": ").map_or(reason, |(_, reason)| reason).to_owned();
            return ConnectError::KeyUnreadable { path: path.clone(), reason };
        }
        let methods = refusal.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("publickey", |(methods, _)| methods);
        let keys = hop.key.iter().map(|key| key.display().to_string()).collect();
        let methods = methods.split(',').map(str::to_owned).collect();
        return ConnectError::AuthenticationRefused { user: hop.user.clone(), host: address, methods, keys };
    }
    if line(&["Could not resolve hostname"]).is_some() {
        return ConnectError::NameNotFound { name: hop.address.clone() };
    }
    if line(&["Connection timed out", "Operation timed out", "Timeout, server"]).is_some() {
        return ConnectError::Timeout { address, stage: "connect", after: limit };
    }
    let broken = [
        ("Connection refused", "connection refused"),
        ("No route to host", "no route to host"),
        ("Network is unreachable", "network unreachable"),
        ("Connection reset", "connection reset"),
        ("Connection closed", "connection closed by the host"),
        ("Broken pipe", "connection closed by the host"),
    ];
    if let Some((_, cause)) = broken.iter().find(|(words, _)| stderr.contains(words)) {
        return ConnectError::Unreachable { address, cause: (*cause).to_owned() };
    }
    let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("ssh ends without a word").to_owned();
    ConnectError::Protocol { address, reason: last }
}

/// `Offending ED25519 key in /home/ann/.ssh/known_hosts:12`.
fn offending(line: &str) -> Option<(String, PathBuf, usize)> {
    let rest = line.split_once("Offending ")?.1;
    let (key_type, place) = rest.split_once(" key in ")?;
    let (file, number) = place.trim().rsplit_once(':')?;
    Some((format!("another {key_type} key"), file.into(), number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hop(key: Option<&str>) -> Hop {
        Hop { address: "Web1".to_owned(), user: "ann".to_owned(), port: 2222, key: key.map(PathBuf::from) }
    }

    fn of(stderr: &str) -> ConnectError {
        classify(stderr, &hop(Some("/k")), None, Duration::from_secs(10))
    }

    #[test]
    fn each_kind_is_recognised() {
        type Check = fn(&ConnectError) -> bool;
        let cases: [(&str, Check); 11] = [
            (
                "ann@web1: Permission denied (publickey,password).",
                |e| matches!(e, ConnectError::AuthenticationRefused { methods, user, .. } if methods.as_slice() == ["publickey", "password"] && user == "ann"),
            ),
            (
                "Warning: Identity file /k not accessible: No such file or directory.\nann@web1: Permission denied (publickey).",
                |e| matches!(e, ConnectError::KeyUnreadable { reason, .. } if reason == "No such file or directory."),
            ),
            ("Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures", |e| {
                matches!(e, ConnectError::AuthenticationRefused { .. })
            }),
            (
                "No ED25519 host key is known for [web1]:2222 and you have requested strict checking.\nHost key verification failed.",
                |e| matches!(e, ConnectError::HostKeyUnknown { host, .. } if host == "[web1]:2222"),
            ),
            ("ssh: Could not resolve hostname web1: Name or service not known", |e| matches!(e, ConnectError::NameNotFound { .. })),
            ("ssh: connect to host web1 port 2222: Connection refused", |e| {
                matches!(e, ConnectError::Unreachable { cause, .. } if cause == "connection refused") && e.is_retryable()
            }),
            (
                "ssh: connect to host web1 port 2222: No route to host",
                |e| matches!(e, ConnectError::Unreachable { cause, .. } if cause == "no route to host"),
            ),
            ("ssh: connect to host web1 port 2222: Connection timed out", |e| matches!(e, ConnectError::Timeout { .. })),
            ("kex_exchange_identification: read: Connection reset by peer", |e| e.is_retryable()),
            (
                "Unable to negotiate with 1.2.3.4 port 22: no matching host key type found. Their offer: ssh-rsa",
                |e| matches!(e, ConnectError::Protocol { reason, .. } if reason.contains("no matching host key")),
            ),
            ("WARNING: REVOKED HOST KEY DETECTED!\nHost key verification failed.", |e| matches!(e, ConnectError::HostKeyRevoked { .. })),
        ];
        for (stderr, check) in cases {
            let error = of(stderr);
            assert!(check(&error), "{stderr}: {error:?}");
            assert!(error.hint().unwrap().contains('`'), "{error:?}");
        }
    }

    #[test]
    fn changed_key_names_file_line_and_fingerprint() {
        let stderr = "@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nThe fingerprint for the ED25519 key sent by the remote host is\n\
                      SHA256:abc.\nOffending RSA key in /h/known:7\nHost key verification failed.";
        let ConnectError::HostKeyChanged { got, file, line, expected, .. } = of(stderr) else { panic!() };
        assert_eq!((got.unwrap().as_str(), file, line), ("SHA256:abc", PathBuf::from("/h/known"), 7));
        assert_eq!(expected, ["another RSA key"]);
    }

    #[test]
    fn the_jump_host_is_blamed_only_for_its_own_faults() {
        let jump = Hop { address: "gate".to_owned(), ..hop(None) };
        let of = |stderr| classify(stderr, &hop(None), Some(&jump), Duration::from_secs(10));
        let error = of("ann@gate: Permission denied (publickey).\nConnection closed by UNKNOWN port 65535");
        let ConnectError::Jump { source, .. } = &error else { panic!("{error:?}") };
        assert!(matches!(**source, ConnectError::AuthenticationRefused { .. }) && !error.is_retryable());
        let error = of(
            "channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed\nConnection closed by UNKNOWN port 65535",
        );
        assert!(matches!(&error, ConnectError::Unreachable { address, .. } if address == "Web1:2222"), "{error:?}");
        assert!(matches!(of("ann@web1: Permission denied (publickey)."), ConnectError::AuthenticationRefused { .. }));
    }
}
