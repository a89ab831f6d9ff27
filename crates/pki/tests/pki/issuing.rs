//! What is issued when, and what is kept.

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{Cluster, Role, SubjectName};
use barque_pki::{Authority, IssueError, Issued, Reason, Vault, VaultError, issue};
use proptest::prelude::*;

use crate::clusters::{days, host, now, seven_hosts};

fn names(issued: &[Issued]) -> Vec<&str> {
    issued.iter().map(|issued| issued.name.as_str()).collect()
}

/// The vault after a change of its JSON.
fn altered(vault: &Vault, change: impl FnOnce(&mut serde_json::Value)) -> Vault {
    let mut value = serde_json::from_slice(&vault.to_json()).unwrap();
    change(&mut value);
    Vault::from_json(value.to_string().as_bytes()).unwrap()
}

#[test]
fn the_first_time_everything_is_missing() {
    let (vault, issued) = issue(&seven_hosts(), None, now()).unwrap();
    assert_eq!(names(&issued)[..5], ["ca", "etcd/ca", "front-proxy-ca", "sa", "encryption key"]);
    assert_eq!(issued.len(), 5 + vault.certificates().count());
    assert!(issued.iter().all(|issued| issued.reason == Reason::Missing));
}

#[test]
fn a_new_name_reissues_only_the_api_servers_certificates() {
    let mut cluster = seven_hosts();
    let (before, _) = issue(&cluster, None, now()).unwrap();
    cluster.extra_sans = vec![SubjectName::Dns("api.example.com".to_owned()), SubjectName::Dns("192.0.2.7".to_owned())];
    let (after, issued) = issue(&cluster, Some(before.clone()), now()).unwrap();
    assert_eq!(names(&issued), ["m1/apiserver", "m2/apiserver", "m3/apiserver"]);
    let reason = Reason::Names { added: vec!["api.example.com".to_owned(), "192.0.2.7".to_owned()], removed: Vec::new() };
    assert!(issued.iter().all(|issued| issued.reason == reason), "{issued:?}");
    assert_eq!(reason.to_string(), "other names: +api.example.com +192.0.2.7");
    let changed = |(old, new): ((&str, _), (&str, _))| (old != new).then_some(old.0.to_owned());
    let changed: Vec<_> = before.certificates().zip(after.certificates()).filter_map(changed).collect();
    assert_eq!(changed, names(&issued));
}

#[test]
fn a_new_address_reissues_that_hosts_servers() {
    let mut cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    cluster.hosts[2].address = [10, 0, 0, 99].into();
    let (_, issued) = issue(&cluster, Some(vault), now()).unwrap();
    assert_eq!(names(&issued), ["m1/apiserver", "m1/controller-manager", "m1/kubelet", "m1/scheduler", "m1/etcd/peer", "m1/etcd/server"]);
}

#[test]
fn hosts_come_and_go() {
    let mut cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    cluster.hosts.remove(5);
    cluster.hosts.push(host("n3", 23, &[Role::Node]));
    let (vault, issued) = issue(&cluster, Some(vault), now()).unwrap();
    assert_eq!(names(&issued), ["n3/flanneld.conf", "n3/kube-proxy.conf", "n3/kubelet", "n3/kubelet.conf"]);
    assert!(vault.certificates().all(|(name, _)| !name.starts_with("n1/")), "keys of a host that left are dropped");
}

#[test]
fn leaves_are_renewed_before_thirty_days_are_left() {
    let cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    let (vault, issued) = issue(&cluster, Some(vault), now() + days(335)).unwrap();
    assert_eq!(names(&issued), Vec::<&str>::new());
    let (_, issued) = issue(&cluster, Some(vault), now() + days(336)).unwrap();
    assert_eq!(issued.len(), 58, "leaves only");
    assert!(issued.iter().all(|issued| issued.reason == Reason::Expiring { days_left: 29 }));
}

#[test]
fn a_renewed_authority_keeps_its_key_and_its_leaves() {
    let cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    // Young leaves under authorities that are about to be renewed.
    let late = now() + days(3650 - 396);
    let (vault, _) = issue(&cluster, Some(vault), late).unwrap();
    let (renewed, issued) = issue(&cluster, Some(vault.clone()), late + days(2)).unwrap();
    assert_eq!(names(&issued), ["ca", "etcd/ca", "front-proxy-ca"]);
    assert_eq!(issued[0].reason.to_string(), "394 days left");
    assert_eq!(renewed.authority(Authority::Etcd).key, vault.authority(Authority::Etcd).key);
    assert_ne!(renewed.authority(Authority::Etcd).certificate, vault.authority(Authority::Etcd).certificate);
    let (_, issued) = issue(&cluster, Some(renewed), late + days(2)).unwrap();
    assert!(issued.is_empty(), "{issued:?}");
}

#[test]
fn each_fault_of_a_leaf_is_found() {
    let cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    let (other, _) = issue(&cluster, None, now()).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&other.to_json()).unwrap();
    let own: serde_json::Value = serde_json::from_slice(&vault.to_json()).unwrap();
    let put = |name: &'static str, pair: serde_json::Value| {
        let vault = altered(&vault, move |value| value["certificates"][name] = pair);
        let (repaired, issued) = issue(&cluster, Some(vault), now()).unwrap();
        let (_, again) = issue(&cluster, Some(repaired), now()).unwrap();
        assert!(again.is_empty(), "{again:?}");
        assert_eq!(names(&issued), [name]);
        issued[0].reason.clone()
    };
    let other_pair = |name: &str| json["certificates"][name].clone();
    let own_pair = |name: &str| own["certificates"][name].clone();

    assert_eq!(put("m1/apiserver", other_pair("m1/apiserver")), Reason::Authority);
    assert_eq!(put("m1/scheduler.conf", own_pair("m1/controller-manager.conf")), Reason::Subject);
    assert_eq!(put("admin.conf", own_pair("super-admin.conf")), Reason::Subject);
    // The serving certificate has the same subject; its names are seen before its usage.
    assert!(matches!(put("n1/kubelet.conf", own_pair("n1/kubelet")), Reason::Names { .. }));
    assert_eq!(put("m1/apiserver", serde_json::json!({ "certificate": "", "key": "" })), Reason::Unreadable);
    let mut mixed = own_pair("m1/apiserver");
    mixed["key"] = other_pair("m1/apiserver")["key"].clone();
    assert_eq!(put("m1/apiserver", mixed), Reason::Key);
}

#[test]
fn a_damaged_authority_is_refused_and_not_replaced() {
    let cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    let (other, _) = issue(&cluster, None, now()).unwrap();
    let foreign = other.authority(Authority::Etcd).key.expose().to_owned();
    let broken = altered(&vault, |value| value["etcd"]["key"] = foreign.into());
    let error = issue(&cluster, Some(broken), now()).unwrap_err();
    assert_eq!(error.to_string(), "authority `etcd/ca` in the vault is damaged: its key does not belong to its certificate");
    let leaf = altered(&vault, |value| value["etcd"] = value["certificates"]["m1/etcd/server"].clone());
    assert!(matches!(issue(&cluster, Some(leaf), now()), Err(IssueError::Authority { name: "etcd/ca", .. })));
}

#[test]
fn another_authority_reissues_what_it_signs() {
    let cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    let (other, _) = issue(&cluster, None, now()).unwrap();
    let front_proxy = serde_json::to_value(other.authority(Authority::FrontProxy)).unwrap();
    let vault = altered(&vault, |value| value["frontProxy"] = front_proxy);
    let (_, issued) = issue(&cluster, Some(vault), now()).unwrap();
    assert_eq!(names(&issued), ["m1/front-proxy-client", "m2/front-proxy-client", "m3/front-proxy-client"]);
    assert!(issued.iter().all(|issued| issued.reason == Reason::Authority));
}

#[test]
fn a_vault_belongs_to_one_cluster() {
    let mut cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    cluster.name = "other".parse().unwrap();
    let error = issue(&cluster, Some(vault), now()).unwrap_err();
    assert_eq!(error.to_string(), "the vault belongs to cluster `demo`, not to `other`");
}

#[test]
fn a_vault_survives_json_and_knows_its_format() {
    let (vault, _) = issue(&seven_hosts(), None, now()).unwrap();
    let json = vault.to_json();
    assert_eq!(json.capacity(), 16 * 1024 + 2048 * 58, "the buffer never grew, so no copy of a key is left in freed memory");
    assert_eq!(Vault::from_json(&json).unwrap(), vault);
    let newer = br#"{"format":2,"everything":"else"}"#;
    assert!(matches!(Vault::from_json(newer), Err(VaultError::Format { found: 2 })));
    assert!(matches!(Vault::from_json(b"age-encryption.org"), Err(VaultError::Content(_))));
}

#[test]
fn debug_shows_no_secret() {
    let (vault, _) = issue(&seven_hosts(), None, now()).unwrap();
    for text in [format!("{vault:?}"), format!("{vault:#?}")] {
        assert!(!text.contains("PRIVATE KEY"));
        assert!(!text.contains(vault.encryption_keys()[0].secret.expose()));
        assert!(text.contains("SecretText(241 bytes)"), "{}", &text[..400]);
    }
}

fn clusters() -> impl Strategy<Value = Cluster> {
    let roles = proptest::collection::btree_set(proptest::sample::select(Role::ALL.to_vec()), 1..=3);
    proptest::collection::vec(roles, 1..5).prop_map(|hosts: Vec<BTreeSet<Role>>| {
        let hosts = hosts.into_iter().zip(1_u8..).map(|(roles, number)| {
            let roles: Vec<_> = roles.into_iter().collect();
            host(&format!("h{number}"), number, &roles)
        });
        Cluster { hosts: hosts.collect(), ..seven_hosts() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Issuing twice changes nothing; from another cluster's vault it leads to the same set of names as from none.
    #[test]
    fn issuing_is_idempotent(first in clusters(), second in clusters()) {
        let (vault, _) = issue(&first, None, now()).unwrap();
        let (same, issued) = issue(&first, Some(vault.clone()), now()).unwrap();
        prop_assert_eq!(&issued, &Vec::new());
        prop_assert_eq!(&same, &vault);

        let (moved, _) = issue(&second, Some(vault.clone()), now()).unwrap();
        let (fresh, _) = issue(&second, None, now()).unwrap();
        let names = |vault: &Vault| vault.certificates().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        prop_assert_eq!(names(&moved), names(&fresh));
        // What both clusters want alike is kept.
        let old: BTreeMap<_, _> = vault.certificates().collect();
        for (name, pair) in moved.certificates().filter(|(name, _)| name.ends_with("/kubelet.conf")) {
            prop_assert!(old.get(name).is_none_or(|old| *old == pair), "{}", name);
        }
    }
}

fn one_host() -> Cluster {
    Cluster { hosts: vec![host("m1", 11, &[Role::Etcd, Role::Master])], load_balancer: None, ..seven_hosts() }
}

/// Vaults that earlier versions wrote must stay readable, with nothing to issue for the same cluster but what is new since.
#[test]
fn format_1_is_read() {
    let vault = Vault::from_json(include_bytes!("../fixtures/vault-format-1.json")).unwrap();
    let (same, issued) = issue(&one_host(), Some(vault.clone()), now()).unwrap();
    assert_eq!(names(&issued), ["m1/controller-manager", "m1/scheduler"]);
    for (name, pair) in vault.certificates() {
        assert_eq!(same.certificates().find(|(other, _)| *other == name).map(|(_, pair)| pair), Some(pair), "{name}");
    }
}
