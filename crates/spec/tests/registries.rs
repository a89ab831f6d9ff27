//! What registries of a cluster file mean.

#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write as _;

use barque_addon::Library;
use barque_model::{Registry, RegistryCapability, Upstream, Version};
use barque_spec::{Known, Loaded, Surroundings, parse, parse_with};
use proptest::prelude::*;
use support::{AUTHORITY, Files, KEY};

const KNOWN: Known<'static> = Known { kubernetes: &[Version::new(1, 37, 2)] };

fn text(registries: &str) -> String {
    format!(
        "apiVersion: barque.dev/v1\nkind: Cluster\nmetadata:\n  name: demo\nspec:\n  kubernetes:\n    version: 1.37.2\n  hosts:\n    - name: m1\n      address: 192.0.2.1\n      roles: [etcd, master, node]\n  registries:\n{registries}"
    )
}

fn load(registries: &str) -> Loaded {
    parse_with(&text(registries), "r.yaml", &KNOWN, &Surroundings { files: &Files, addons: &Library::embedded() })
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn only(registries: &str) -> Registry {
    let found = load(registries).cluster.registries;
    assert_eq!(found.len(), 1);
    found.into_iter().next().unwrap()
}

#[test]
fn everything_that_can_be_said_of_a_mirror() {
    let registry = only(
        "    - host: registry.example:5000
      fallback: false
      testImage: registry.example:5000/library/busybox:1.37
      mirrors:
        - url: https://mirror.example:5000/v2/hub/
          capabilities: [resolve, pull]
          overridePath: true
          ca: authority.pem
          clientCertificate: client.pem
          clientKey: key.pem
          username: puller
          passwordFile: password
",
    );
    let mirror = &registry.mirrors[0];
    assert_eq!(mirror.url, "https://mirror.example:5000/v2/hub");
    assert_eq!(mirror.capabilities, RegistryCapability::ALL);
    assert!(mirror.override_path && !mirror.skip_verify);
    assert_eq!(mirror.authority.as_deref().unwrap().trim_end(), AUTHORITY.trim_end());
    assert_eq!(mirror.client.as_ref().unwrap().key.expose(), KEY.as_bytes());
    let credentials = mirror.credentials.as_ref().unwrap();
    assert_eq!((credentials.username.as_str(), credentials.password.expose()), ("puller", &b"hunter2"[..]));
    assert_eq!(registry.upstream, Upstream::NotAsked);
    assert_eq!(registry.test_image.as_deref(), Some("registry.example:5000/library/busybox:1.37"));
}

#[test]
fn a_registry_of_ones_own_without_mirrors() {
    let registry = only(
        "    - host: registry.example:5000
      upstream:
        ca: authority.pem
        username: puller
        passwordFile: password
",
    );
    let Upstream::Asked(upstream) = &registry.upstream else { panic!("{registry:?}") };
    assert_eq!(upstream.url, "https://registry.example:5000");
    assert!(upstream.authority.is_some() && upstream.credentials.is_some() && registry.has_credentials());
}

#[test]
fn docker_hub_answers_at_another_name_and_the_default_entry_at_none() {
    let mirrors = "      mirrors:\n        - url: https://mirror.example\n";
    let hub = only(&format!("    - host: docker.io\n{mirrors}"));
    let urls: Vec<&str> = hub.endpoints().map(|endpoint| endpoint.url.as_str()).collect();
    assert_eq!(urls, ["https://mirror.example", "https://registry-1.docker.io"]);
    assert_eq!(only(&format!("    - host: _default\n{mirrors}")).upstream, Upstream::AsNamed);
}

#[test]
fn what_is_open_is_warned_of_by_name() {
    let loaded = load(
        "    - host: docker.io
      mirrors:
        - url: http://mirror.example:5000
          plainHttp: true
          username: puller
          passwordFile: password
        - url: https://second.example
          skipVerify: true
    - host: registry.example
      upstream:
        plainHttp: true
",
    );
    insta::assert_snapshot!(loaded.warnings.to_string());
    let Upstream::Asked(upstream) = &loaded.cluster.registries[1].upstream else { panic!("asked") };
    assert_eq!(upstream.url, "http://registry.example");
}

#[test]
fn files_are_not_read_where_only_the_text_is_at_hand() {
    let text = text("    - host: docker.io\n      mirrors:\n        - url: https://mirror.example\n          ca: authority.pem\n");
    let errors = parse(&text, "r.yaml", &KNOWN).unwrap_err().to_string();
    assert!(errors.contains("only the text of the cluster file is looked at here"), "{errors}");
}

proptest! {
    /// Whatever the mirrors, their order is kept, and no password shows in what people or programs are shown of a cluster.
    #[test]
    fn order_is_kept_and_passwords_are_not_shown(names in proptest::collection::hash_set("[a-z]{1,8}", 1..6), secret in any::<bool>(), fallback in any::<bool>()) {
        let mut entry = format!("    - host: docker.io\n      fallback: {fallback}\n      mirrors:\n");
        for name in &names {
            writeln!(entry, "        - url: https://{name}.example").unwrap();
            if secret {
                entry.push_str("          username: puller\n          passwordFile: password\n");
            }
        }
        let loaded = load(&entry);
        let registry = &loaded.cluster.registries[0];
        let urls: Vec<String> = registry.mirrors.iter().map(|mirror| mirror.url.clone()).collect();
        prop_assert_eq!(urls, names.iter().map(|name| format!("https://{name}.example")).collect::<Vec<_>>());
        prop_assert_eq!(registry.endpoints().count(), names.len() + usize::from(fallback));
        prop_assert_eq!(registry.has_credentials(), secret);
        let shown = format!("{:?} {}", loaded.cluster, serde_json::to_string(&loaded.cluster).unwrap());
        let numbers = "hunter2".bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
        prop_assert!(!shown.contains("hunter2") && !shown.contains(&numbers));
    }
}
