#![allow(clippy::unwrap_used)]

use barque_engine::{
    AwaitedObject, ContentChange, KeptDefinition, NodePreview, PackagePreview, Pending, Restarts, SettingPreview, UnitChange, UnitVerb,
};
use barque_plan::ResourceId;

use super::*;

fn empty() -> Preview {
    Preview {
        cluster: "ha".parse().unwrap(),
        answering: 7,
        changes: 0,
        resources: 812,
        hosts: Vec::new(),
        turns: Vec::new(),
        restarts: Restarts::default(),
        drained: Vec::new(),
        snapshot: None,
        objects: Vec::new(),
        removed_objects: Vec::new(),
        nodes: Vec::new(),
        held: Vec::new(),
        held_objects: Vec::new(),
        awaited: Vec::new(),
        kept: Vec::new(),
        pending: Vec::new(),
        refusal: None,
        obstacles: Vec::new(),
        limits: Vec::new(),
        left_out: Vec::new(),
        pulled_in: Vec::new(),
        gates: 0,
        bytes_to_send: 0,
    }
}

fn host(name: &str) -> HostPreview {
    HostPreview {
        host: name.parse().unwrap(),
        files: Vec::new(),
        binaries: Vec::new(),
        images: Vec::new(),
        packages: Vec::new(),
        settings: Vec::new(),
        units: Vec::new(),
        removals: Vec::new(),
        bytes_to_send: 0,
    }
}

fn file(path: &str, is_new: bool, attributes: &[&str], content: Option<ContentChange>) -> FilePreview {
    let attributes = attributes.iter().map(|text| (*text).to_owned()).collect();
    FilePreview { path: path.into(), is_new, attributes, content }
}

fn unit(name: &str, verb: UnitVerb, reason: &str) -> UnitChange {
    UnitChange { unit: name.into(), verb, reasons: vec![reason.into()] }
}

fn edit() -> ContentChange {
    ContentChange::Text { diff: "--- on the host\n+++ as wanted\n@@ -1 +1 @@\n-A=1\n+A=2\n".into() }
}

fn shown(preview: &Preview) -> String {
    anstream::adapter::strip_str(&preview_text(preview, false, "barque up")).to_string()
}

/// A parameter of the API server, on three masters.
fn rolling() -> Preview {
    let names = ["m1", "m2", "m3"];
    let units = || vec![unit("kube-apiserver.service", UnitVerb::Restart, "its inputs changed")];
    let hosts = names.map(|name| HostPreview {
        files: vec![file("/etc/kubernetes/kube-apiserver.env", false, &[], Some(edit()))],
        units: units(),
        ..host(name)
    });
    let turn = |(name, turn): (&str, u32)| Turn { turn, host: name.parse().unwrap(), units: units() };
    Preview {
        changes: 6,
        hosts: hosts.to_vec(),
        turns: names.into_iter().zip(1..).map(turn).collect(),
        restarts: Restarts { count: 3, turns: names.map(|name| vec![name.parse().unwrap()]).to_vec(), one_host_at_a_time: true },
        drained: names.map(|name| name.parse().unwrap()).to_vec(),
        snapshot: Some("m1".parse().unwrap()),
        gates: 9,
        ..empty()
    }
}

#[test]
fn nothing_to_change() {
    insta::assert_snapshot!(shown(&empty()), @"nothing to change: 812 resources on 7 hosts are as they should be");
}

#[test]
fn what_add_ons_wait_for_and_what_stays_is_named_also_when_nothing_changes() {
    let awaited = |addon: &str, object: &str| AwaitedObject { addon: addon.parse().unwrap(), object: object.into() };
    let preview = Preview {
        awaited: vec![awaited("registry", "Secret registry/registry-tls"), awaited("registry", "PersistentVolumeClaim registry/images")],
        kept: vec![KeptDefinition {
            object: "CustomResourceDefinition boats.example.test".into(),
            objects: Some(vec!["Boat shop/b".into()]),
        }],
        ..empty()
    };
    insta::assert_snapshot!(shown(&preview));
}

#[test]
fn a_rolling_change() {
    insta::assert_snapshot!(shown(&rolling()), @r"
    m1, m2, m3
      file /etc/kubernetes/kube-apiserver.env
        --- on the host
        +++ as wanted
        @@ -1 +1 @@
        -A=1
        +A=2
      restart kube-apiserver.service (its inputs changed)

    order of units
      before: a verified copy of etcd's data on m1
      1. m1: restart kube-apiserver.service
      2. m2: restart kube-apiserver.service
      3. m3: restart kube-apiserver.service
      each is out of balance while it restarts: m1, m2, m3

    3 hosts: 3 files, 3 restarts (one host at a time: m1, m2, m3); 9 checks in between; nothing is changed until `barque up`
    ");
}

#[test]
fn every_kind_of_change() {
    let reasons = |text: &str| vec![text.to_owned()];
    let one = HostPreview {
        files: vec![
            file("/etc/kubernetes/pki/sa.key", false, &["mode 0644 -> 0600"], Some(ContentChange::Secret)),
            file("/etc/kubernetes/pki/ca.key", true, &[], Some(ContentChange::Secret)),
            file("/etc/haproxy/haproxy.cfg", true, &[], Some(ContentChange::New { lines: 40, text: "x\n".into() })),
            file("/etc/hostname", false, &["owner etcd:etcd -> root:root"], None),
        ],
        binaries: vec![
            VersionChange {
                name: "/usr/local/bin/etcd".into(),
                from: Some("3.6.13".into()),
                to: "3.6.14".into(),
                reasons: reasons("a -> b"),
            },
            VersionChange {
                name: "/usr/local/bin/runc".into(),
                from: Some("1.3".into()),
                to: "1.3".into(),
                reasons: reasons("content was changed"),
            },
            VersionChange { name: "/usr/local/bin/kubelet".into(), from: None, to: "1.37.2".into(), reasons: reasons("absent") },
        ],
        images: vec![VersionChange {
            name: "registry.k8s.io/pause:3.10".into(),
            from: None,
            to: "0123456789ab".into(),
            reasons: reasons("absent"),
        }],
        packages: vec![PackagePreview { name: "haproxy".into(), archives: vec!["haproxy 3.0".into(), "liblua5.4-0 5.4".into()] }],
        settings: vec![SettingPreview {
            resource: ResourceId("sysctl net.ipv4.ip_forward".into()),
            becomes: "= 1".into(),
            reasons: reasons("0 -> 1"),
        }],
        units: vec![unit("haproxy.service", UnitVerb::Start, "not known to systemd")],
        removals: vec![
            RemovalPreview { resource: ResourceId("file /etc/old".into()), puts_back: false, content: None },
            RemovalPreview { resource: ResourceId("file /etc/issue".into()), puts_back: true, content: Some(edit()) },
        ],
        bytes_to_send: 120_300_000,
        ..host("lb1")
    };
    let preview = Preview {
        changes: 13,
        turns: vec![Turn { turn: 1, host: "lb1".parse().unwrap(), units: one.units.clone() }],
        hosts: vec![one],
        removed_objects: vec!["PodDisruptionBudget kube-system/metrics-server".into()],
        objects: vec![
            ObjectPreview { name: "ConfigMap kube-system/coredns".into(), content: Some(edit()) },
            ObjectPreview { name: "Service kube-system/kube-dns".into(), content: None },
        ],
        nodes: vec![NodePreview { node: "n1".parse().unwrap(), labels: vec!["a=1 (was 0)".into()], taints: vec!["k:NoSchedule".into()] }],
        bytes_to_send: 120_300_000,
        gates: 2,
        ..empty()
    };
    insta::assert_snapshot!(shown(&preview), @r"
    lb1
      remove file /etc/old
      put back file /etc/issue
        --- on the host
        +++ as wanted
        @@ -1 +1 @@
        -A=1
        +A=2
      sysctl net.ipv4.ip_forward = 1 (0 -> 1)
      package haproxy: install haproxy 3.0, liblua5.4-0 5.4
      program /usr/local/bin/etcd: 3.6.13 -> 3.6.14
      program /usr/local/bin/runc: 1.3 again (content was changed)
      program /usr/local/bin/kubelet: 1.37.2
      file /etc/kubernetes/pki/sa.key (secret: content changed; mode 0644 -> 0600)
      file /etc/kubernetes/pki/ca.key (new; secret)
      file /etc/haproxy/haproxy.cfg (new, 40 lines)
      file /etc/hostname (owner etcd:etcd -> root:root)
      image registry.k8s.io/pause:3.10: 0123456789ab
      start haproxy.service (not known to systemd)
      120 MB to send

    the cluster's objects and nodes
      object ConfigMap kube-system/coredns
        --- on the host
        +++ as wanted
        @@ -1 +1 @@
        -A=1
        +A=2
      object Service kube-system/kube-dns (fields that barque no longer sets)
      remove object PodDisruptionBudget kube-system/metrics-server
      node n1: label a=1 (was 0), taint k:NoSchedule

    order of units
      1. lb1: start haproxy.service

    1 host: 4 files, 3 programs, 1 package, 1 image, 1 setting, 2 removals, 1 start, 2 objects, 1 object removal, 1 node label, 120 MB to send; 2 checks in between; nothing is changed until `barque up`
    ");
}

#[test]
fn what_stays_as_it_is() {
    let held = HeldPreview {
        host: "m1".parse().unwrap(),
        resource: ResourceId("file /etc/etcd/etcd.env".into()),
        run: "20261125T020304Z-1a2b".parse().unwrap(),
        reasons: Vec::new(),
        content: Some(edit()),
    };
    let step = |host: Option<&str>, title: &str| OtherStep { host: host.map(|host| host.parse().unwrap()), title: title.into() };
    let preview = Preview {
        held: vec![held],
        pending: vec![Pending {
            host: "n2".parse().unwrap(),
            message: "no answer within 10 s".into(),
            hint: Some("see that it runs".into()),
        }],
        limits: vec!["stage=etcd".into()],
        left_out: vec![step(Some("m1"), "create /etc/a"), step(Some("m1"), "create /etc/b"), step(None, "apply CoreDNS")],
        pulled_in: vec![step(Some("m1"), "create /etc/etcd")],
        refusal: Some("etcd cannot run".into()),
        obstacles: vec![barque_engine::SegmentFinding {
            kind: barque_engine::SegmentKind::VipInUse,
            host: "lb1".parse().unwrap(),
            message: "the VIP 10.0.0.100 is in use: another machine, 02:00:00:00:00:09 (10.0.0.9) answers for it on eth0".into(),
            remedy: "take 10.0.0.100 off that machine".into(),
        }],
        answering: 6,
        ..empty()
    };
    insta::assert_snapshot!(shown(&preview), @r"
    changed by hand, and left as it is (`--overwrite-drift` overwrites it)
      m1: file /etc/etcd/etcd.env, last written by run 20261125T020304Z-1a2b
        --- on the host
        +++ as wanted
        @@ -1 +1 @@
        -A=1
        +A=2

    pulled in: outside of the limit, and needed by what is within it
      m1: create /etc/etcd

    left out by stage=etcd
      m1: create /etc/a, create /etc/b
      cluster: apply CoreDNS

    hosts that do not answer; a later `barque up` catches them up
      n2: no answer within 10 s
        hint: see that it runs

    `barque up` would refuse this: etcd cannot run

    `barque up` would refuse this because of other machines on the balancers' network segment
      lb1: the VIP 10.0.0.100 is in use: another machine, 02:00:00:00:00:09 (10.0.0.9) answers for it on eth0
        remedy: take 10.0.0.100 off that machine

    nothing to change within stage=etcd; 1 edit by hand left as it is, 1 host without an answer
    ");
}

#[test]
fn many_alike_hosts_are_one_section() {
    let hosts: Vec<HostPreview> = (1..=20)
        .map(|number| HostPreview { files: vec![file("/etc/a", false, &[], Some(edit()))], ..host(&format!("n{number}")) })
        .collect();
    let text = shown(&Preview { changes: 20, hosts, ..empty() });
    assert!(text.starts_with("n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12 and 8 more hosts\n"), "{text}");
    assert_eq!(text.matches("+A=2").count(), 1);
}
