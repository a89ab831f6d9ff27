//! Generated resources of every kind that needs no program, and what is in their place.

use barque_model::{Digest, RUN_MARKER};
use barque_plan::{Binary, Blob, Directory, File, HostsLine, Resource, Sysctl};
use proptest::prelude::*;

use crate::world::{BLOBS, Before, Case, digest, mode, owner};

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        Just(b"# Managed by barque, run 20251125T020304Z-0001.\nkey: value\n".to_vec()),
        Just(format!("# Managed by barque, run {RUN_MARKER}.\nkey: value\n").into_bytes()),
    ]
}

fn file_before() -> impl Strategy<Value = Before> {
    (content(), mode(), 0..3_u8).prop_map(|(content, mode, owner)| Before::File { content, mode, owner })
}

fn entry_before() -> impl Strategy<Value = Before> {
    let targets = vec![
        "real".to_owned(),
        "/none/such".to_owned(),
        format!("/var/lib/barque/store/{}", digest(0)),
        format!("/var/lib/barque/store/{}", digest(1)),
    ];
    prop_oneof![
        1 => Just(Before::Nothing),
        3 => file_before(),
        1 => prop::sample::select(targets).prop_map(|target| Before::Link { target }),
    ]
}

fn file() -> impl Strategy<Value = Case> {
    let path = "/etc/app/conf";
    (content(), mode(), 0..3_u8, entry_before(), any::<bool>()).prop_map(move |(content, mode, who, before, same)| {
        // Often only mode and owner differ.
        let content = match &before {
            Before::File { content, .. } if same => content.clone(),
            _ => content,
        };
        let file = File { path: path.into(), digest: Digest::of(&content), mode, owner: owner(who), sensitive: true };
        Case { resource: Resource::File(file), content: Some(content), path, before }
    })
}

fn binary() -> impl Strategy<Value = Case> {
    let path = "/usr/local/bin/app";
    (0..BLOBS.len(), entry_before()).prop_map(move |(number, before)| {
        let blob = Blob { digest: digest(number), size: BLOBS[number].len() as u64 };
        let binary = Binary { path: path.into(), version: "1.0.0".into(), blob };
        Case { resource: Resource::Binary(binary), content: None, path, before }
    })
}

fn directory() -> impl Strategy<Value = Case> {
    let path = "/var/lib/app";
    let before = prop_oneof![
        Just(Before::Nothing),
        (mode(), 0..3_u8, any::<bool>()).prop_map(|(mode, owner, full)| Before::Directory { mode, owner, full }),
        Just(Before::Link { target: "../../mnt/disk".into() }),
    ];
    (mode(), 0..3_u8, before).prop_map(move |(mode, who, before)| {
        let directory = Directory { path: path.into(), mode, owner: owner(who) };
        Case { resource: Resource::Directory(directory), content: None, path, before }
    })
}

fn sysctl() -> impl Strategy<Value = Case> {
    let path = "/proc/sys/net/ipv4/ip_forward";
    ("[0-9]{1,3}", "[0-9]{1,3}\n").prop_map(move |(value, before)| {
        let sysctl = Sysctl { key: "net.ipv4.ip_forward".into(), value, required: true };
        let before = Before::File { content: before.into_bytes(), mode: 0o644, owner: 0 };
        Case { resource: Resource::Sysctl(sysctl), content: None, path, before }
    })
}

/// A text of /etc/hosts as people and other programs write it, with or without lines that barque wrote before.
pub(crate) fn hosts_text() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        &b"127.0.0.1 localhost\n"[..],
        b"127.0.1.1\tm1 m1.example\n",
        b"# caf\xe9\n",
        b"\n",
        b"10.9.9.9 other  # by hand\r\n",
        b"10.0.0.9 m1 # barque\n",
        b"10.0.0.9 m1 api # barque\n",
        b"10.0.0.8 m3 # barque\n",
        b"fd00::1 six\n",
    ]);
    let last = prop::sample::select(vec![&b""[..], b"10.1.1.1 last", b"# the end"]);
    (prop::collection::vec(line, 0..6), last).prop_map(|(lines, last)| [lines.concat(), last.to_vec()].concat())
}

pub(crate) fn hosts_line(name: &str, address: u8) -> Resource {
    Resource::HostsLine(HostsLine { address: format!("10.0.0.{address}"), names: vec![name.to_owned()] })
}

/// A line of `/etc/hosts`.
pub(crate) fn hosts() -> impl Strategy<Value = Case> {
    let path = "/etc/hosts";
    let before = prop_oneof![
        1 => Just(Before::Nothing),
        5 => (hosts_text(), mode(), 0..3_u8).prop_map(|(content, mode, owner)| Before::File { content, mode, owner }),
        1 => Just(Before::Link { target: "app/hosts".into() }),
    ];
    (1..4_u8, before).prop_map(move |(address, before)| Case { resource: hosts_line("m1", address), content: None, path, before })
}

/// A resource of any kind that needs no program.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    prop_oneof![4 => file(), 2 => binary(), 2 => directory(), 1 => sysctl(), 4 => hosts()]
}
