#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use barque_catalog::{EntryKind, Subject, entries, entry};
use barque_model::{Cluster, FlannelBackend, Registry, RegistryClient, RegistryCredentials, RegistryEndpoint, SecretBytes, Upstream};

use super::{Setting, dns_settings, settings};
use crate::RenderFacts;
use crate::testing::{cluster, release};

/// A registry that is asked with everything that can be said of a server, by way of a mirror and itself.
fn registries() -> Vec<Registry> {
    let server = RegistryEndpoint {
        override_path: true,
        skip_verify: true,
        authority: Some("AUTHORITY".into()),
        client: Some(RegistryClient { certificate: "CERTIFICATE".into(), key: SecretBytes::new(*b"KEY") }),
        credentials: Some(RegistryCredentials { username: "puller".into(), password: SecretBytes::new(*b"hunter2") }),
        ..RegistryEndpoint::plain("https://mirror.example/v2/hub")
    };
    let upstream = Upstream::NotAsked;
    vec![Registry { host: "registry.example:5000".into(), mirrors: vec![server.clone(), server], upstream, test_image: None }]
}

/// Clusters that between them write everything that barque can write.
fn clusters() -> Vec<Cluster> {
    let mut with_mtu = cluster();
    with_mtu.network.mtu = Some(1400);
    with_mtu.runtime.restrict_oom_score_adj = true;
    let mut routed = cluster();
    routed.network.flannel_backend = FlannelBackend::HostGw;
    routed.load_balancer.as_mut().unwrap().interface = Some("bond0".into());
    let mut private = cluster();
    private.registries = registries();
    vec![cluster(), with_mtu, routed, private]
}

fn all(cluster: &Cluster) -> Vec<Setting> {
    let facts = RenderFacts { interface: Some("eth0".into()), whole_units: true };
    let mut all: Vec<Setting> = cluster.hosts.iter().flat_map(|host| settings(cluster, &release(), host, &facts)).collect();
    all.extend(dns_settings(cluster, &release()));
    all
}

#[test]
fn the_catalog_explains_everything_that_is_set_and_nothing_else() {
    let set: BTreeSet<(Subject, EntryKind, String)> =
        clusters().iter().flat_map(all).map(|setting| (setting.subject, setting.kind, setting.name)).collect();
    let unexplained: Vec<String> = set
        .iter()
        .filter(|(subject, kind, name)| entry(*subject, *kind, name).is_none())
        .map(|(subject, kind, name)| format!("{subject} {kind:?} {name}"))
        .collect();
    let unused: Vec<String> = Subject::ALL
        .into_iter()
        .flat_map(|subject| entries(subject).iter().map(move |entry| (subject, entry.kind, entry.name.clone())))
        .filter(|key| !set.contains(key))
        .map(|(subject, kind, name)| format!("{subject} {kind:?} {name}"))
        .collect();
    assert!(unexplained.is_empty() && unused.is_empty(), "without entry: {unexplained:#?}\nentry without use: {unused:#?}");
}

#[test]
fn a_password_is_no_value_to_show() {
    let mut cluster = cluster();
    cluster.registries = registries();
    let shown = all(&cluster);
    assert!(shown.iter().any(|setting| setting.name == "hosts.toml.host.header.Authorization" && setting.value == "(secret)"));
    assert!(shown.iter().all(|setting| !setting.value.contains("Basic")), "{shown:#?}");
}

#[test]
fn a_users_flag_is_a_setting_like_any_other() {
    let mut cluster = cluster();
    let component = barque_model::Component::KubeScheduler;
    cluster.extra_args.insert(component, [("event-burst".to_owned(), "7".to_owned())].into());
    let own: Vec<Setting> = all(&cluster).into_iter().filter(|setting| setting.name == "event-burst").collect();
    assert_eq!(own.len(), 3);
    assert_eq!((own[0].value.as_str(), own[0].place.as_str()), ("7", "/etc/kubernetes/kube-scheduler.env"));
}

#[test]
fn values_are_read_as_they_are_written() {
    let all = all(&cluster());
    let value = |name: &str| all.iter().find(|setting| setting.name == name).unwrap_or_else(|| panic!("{name}")).value.clone();
    let shown: Vec<String> = [
        "tlsCipherSuites",
        "maxPods",
        "evictionHard",
        "plugins.type",
        "Backend.Type",
        "AuthenticationConfiguration.anonymous.conditions.path",
        "vrrp_instance.unicast_peer",
        "vrrp_instance.nopreempt",
        "vrrp_script.script",
        "backend.server",
        "defaults.timeout client",
        "frontend.bind",
        "plugins.io.containerd.cri.v1.runtime.cni.bin_dirs",
        "hosts.toml.server",
        "hosts.toml.host.capabilities",
        "forward",
        "forward.policy",
        "health.lameduck",
        "Deployment.replicas",
        "net.core.somaxconn",
        "Journal.SystemMaxUse",
        "Service.Restart",
        "S",
    ]
    .into_iter()
    .map(|name| format!("{name} = {}", value(name)))
    .collect();
    insta::assert_snapshot!(shown.join("\n"));
}
