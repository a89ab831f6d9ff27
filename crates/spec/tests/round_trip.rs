//! Whatever cluster is written down is what is read, and no text makes the reader panic.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use barque_model::{
    AddonOrigin, Cluster, ClusterAddon, Component, ExtraFlow, ExtraSource, Firewall, FirewallBackend, FlannelBackend, Host, JumpHost,
    KubeProxyMode, KubeletSettings, LoadBalancer, LogRotation, Network, PortRange, Registry, RegistryCapability, RegistryEndpoint, Role,
    Runtime, Ssh, SubjectName, Sudo, Taint, TaintEffect, TransportKind, TransportProtocol, Upstream, Version, Vrid, VridOrigin,
};
use barque_spec::{Known, parse};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

const KNOWN: Known<'static> = Known { kubernetes: &[Version::new(1, 36, 4), Version::new(1, 37, 2)] };

/// What every cluster has, and one more with all its settings.
fn addons() -> Vec<ClusterAddon> {
    let settings = json!({"replicas": 3, "resolutionSeconds": 30, "verbosity": 1, "cpuRequest": "1", "memoryRequest": "1Gi"});
    let addon = |name: &str, settings: Value| ClusterAddon { name: name.parse().unwrap(), origin: AddonOrigin::Barque, settings };
    vec![
        addon("dns", json!({"replicas": 0, "nodesPerReplica": 16, "cacheSeconds": 30, "forward": [], "stubDomains": []})),
        addon("metrics-server", settings),
    ]
}

/// Writes a cluster as a cluster file with every field given. JSON is YAML, so the text goes through the same reader.
fn write(cluster: &Cluster) -> Value {
    let key = |key: &Option<PathBuf>| key.as_ref().map(|path| path.to_str().unwrap().to_owned());
    let hosts: Vec<Value> = cluster
        .hosts
        .iter()
        .map(|host| {
            let taints: Vec<Value> = host
                .taints
                .iter()
                .map(|taint| json!({"key": taint.key, "value": taint.value, "effect": taint.effect.to_string()}))
                .collect();
            let jump = host
                .ssh
                .jump
                .as_ref()
                .map(|jump| json!({"address": jump.address, "user": jump.user, "port": jump.port, "key": key(&jump.key)}));
            json!({
                "name": host.name, "address": host.address, "roles": host.roles, "labels": host.labels, "taints": taints,
                "ssh": {
                    "address": host.ssh.address, "user": host.ssh.user, "port": host.ssh.port, "key": key(&host.ssh.key), "jump": jump,
                    "sudo": host.ssh.sudo, "transport": host.ssh.transport,
                },
            })
        })
        .collect();
    let network = &cluster.network;
    let balancer = cluster
        .load_balancer
        .as_ref()
        .map(|balancer| json!({"vip": balancer.vip, "interface": balancer.interface, "vrid": balancer.vrid, "port": balancer.port}));
    let sans: Vec<String> = cluster
        .extra_sans
        .iter()
        .map(|name| match name {
            SubjectName::Dns(name) => name.clone(),
            SubjectName::Address(address) => address.to_string(),
        })
        .collect();
    let mut file = json!({
        "apiVersion": "barque.dev/v1", "kind": "Cluster", "metadata": {"name": cluster.name},
        "spec": {
            "kubernetes": {"version": cluster.kubernetes}, "hosts": hosts, "loadBalancer": balancer,
            "network": {
                "podCidr": network.pod_cidr, "nodePrefix": network.node_prefix, "serviceCidr": network.service_cidr,
                "nodePorts": network.node_ports.to_string(), "dnsDomain": network.dns_domain, "kubeProxyMode": network.kube_proxy_mode,
                "flannel": {"backend": network.flannel_backend, "mtu": network.mtu},
            },
            "runtime": {
                "dataDirectory": cluster.runtime.data_directory, "restrictOomScoreAdj": cluster.runtime.restrict_oom_score_adj,
                "pauseImage": cluster.runtime.pause_image,
            },
            "registries": cluster.registries.iter().map(write_registry).collect::<Vec<_>>(),
            "kubelet": {
                "maxPods": cluster.kubelet.max_pods, "podPidsLimit": cluster.kubelet.pod_pids_limit,
                "systemReserved": cluster.kubelet.system_reserved, "evictionHard": cluster.kubelet.eviction_hard,
                "failCgroupV1": cluster.kubelet.fail_cgroup_v1, "failSwapOn": cluster.kubelet.fail_swap_on,
                "verbosity": cluster.kubelet.verbosity,
            },
            "extraSans": sans, "extraArgs": cluster.extra_args,
            "logs": {
                "containerMaxSize": cluster.logs.container_max_size, "containerMaxFiles": cluster.logs.container_max_files,
                "journalMaxUse": cluster.logs.journal_max_use, "auditMaxAgeDays": cluster.logs.audit_max_age_days,
                "auditMaxBackups": cluster.logs.audit_max_backups, "auditMaxSizeMb": cluster.logs.audit_max_size_mb,
            },
            "firewall": write_firewall(&cluster.firewall),
            "addons": cluster.addons.iter().map(|addon| json!({"name": addon.name, "settings": addon.settings})).collect::<Vec<_>>(),
        },
    });
    drop_nulls(&mut file);
    file
}

/// Registries without files of the operator's machine.
fn write_registry(registry: &Registry) -> Value {
    let mirror = |mirror: &RegistryEndpoint| {
        json!({
            "url": mirror.url, "capabilities": mirror.capabilities, "overridePath": mirror.override_path, "skipVerify": mirror.skip_verify,
            "plainHttp": mirror.url.starts_with("http://"),
        })
    };
    let upstream = match &registry.upstream {
        Upstream::Asked(endpoint) => Some(json!({"plainHttp": endpoint.url.starts_with("http://"), "skipVerify": endpoint.skip_verify})),
        Upstream::AsNamed | Upstream::NotAsked => None,
    };
    json!({
        "host": registry.host, "mirrors": registry.mirrors.iter().map(mirror).collect::<Vec<_>>(), "upstream": upstream,
        "fallback": registry.upstream != Upstream::NotAsked, "testImage": registry.test_image,
    })
}

/// An empty list is written as no list.
fn write_firewall(firewall: &Firewall) -> Value {
    let list = |networks: &[ipnet::Ipv4Net]| (!networks.is_empty()).then(|| json!(networks));
    let source = |source: &ExtraSource| match source {
        ExtraSource::Role(role) => json!(role),
        ExtraSource::Pods => json!("pods"),
        ExtraSource::Network(network) => json!(network),
    };
    let flow = |flow: &ExtraFlow| {
        let from: Vec<Value> = flow.from.iter().map(source).collect();
        let from = (!from.is_empty()).then_some(from);
        json!({"name": flow.name, "to": flow.to, "from": from, "protocol": flow.protocol, "ports": flow.ports.to_string()})
    };
    json!({
        "backend": firewall.backend, "operatorNetworks": list(&firewall.operator_networks), "apiSources": list(&firewall.api_sources),
        "nodePortSources": list(&firewall.node_port_sources), "extraFlows": firewall.extra_flows.iter().map(flow).collect::<Vec<_>>(),
    })
}

/// A field that is not set is not written.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Text that YAML would read as something else without quotes is part of it.
fn label_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]([a-zA-Z0-9_.-]{0,20}[a-z0-9])?",
        Just("true".to_owned()),
        Just("1.0".to_owned()),
        Just("null".to_owned()),
        Just(String::new())
    ]
}

fn jump() -> impl Strategy<Value = JumpHost> {
    ("[a-z]{1,8}(\\.[a-z]{1,8})?", "[a-z]{1,8}", 1_u16.., option::of("(~/|/)?[a-z]{1,8}/[a-z]{1,8}"))
        .prop_map(|(address, user, port, key)| JumpHost { address, user, port, key: key.map(PathBuf::from) })
}

fn ssh() -> impl Strategy<Value = Ssh> {
    let user = prop_oneof![Just("root".to_owned()), "[a-q][a-z]{0,7}"];
    let transport = prop_oneof![Just(TransportKind::Builtin), Just(TransportKind::System)];
    ("[a-z]{1,8}", user, 1_u16..2000, option::of("(~/|/)?[a-z]{1,8}/[a-z]{1,8}"), option::of(jump()), any::<bool>(), transport).prop_map(
        |(address, user, port, key, jump, password, transport)| {
            let sudo = match (user == "root", password) {
                (true, _) => Sudo::None,
                (false, true) => Sudo::Password,
                (false, false) => Sudo::Passwordless,
            };
            Ssh { address, user, port, key: key.map(PathBuf::from), jump, sudo, transport }
        },
    )
}

fn taints() -> impl Strategy<Value = Vec<Taint>> {
    let effect = prop_oneof![Just(TaintEffect::NoSchedule), Just(TaintEffect::PreferNoSchedule), Just(TaintEffect::NoExecute)];
    btree_map("[a-z]{1,8}(\\.io/[a-z]{1,8})?", (label_value(), effect), 0..3)
        .prop_map(|map| map.into_iter().map(|(key, (value, effect))| Taint { key, value, effect }).collect())
}

/// Hosts: `etcd` of them with etcd and the role master, two balancers if wanted, some nodes.
fn hosts() -> impl Strategy<Value = (Vec<Host>, bool)> {
    let roles = (prop_oneof![Just(1_usize), Just(3), Just(5)], any::<bool>(), 0_usize..4);
    let details = vec((ssh(), btree_map("[a-z]{1,8}", label_value(), 0..3), taints()), 12);
    (roles, details).prop_map(|((masters, balanced, nodes), details)| {
        let mut roles: Vec<BTreeSet<Role>> = vec![BTreeSet::from([Role::Etcd, Role::Master]); masters];
        roles.extend(vec![BTreeSet::from([Role::LoadBalancer]); if balanced { 2 } else { 0 }]);
        roles.extend(vec![BTreeSet::from([Role::Node]); nodes]);
        let hosts = roles.into_iter().zip(details).enumerate().map(|(index, (roles, (ssh, labels, taints)))| Host {
            name: format!("h{index}").parse().unwrap(),
            address: IpAddr::from([192, 0, 2, u8::try_from(index).unwrap() + 1]),
            roles,
            ssh,
            labels,
            taints,
        });
        (hosts.collect(), balanced)
    })
}

fn network() -> impl Strategy<Value = Network> {
    let backend = prop_oneof![Just(FlannelBackend::Vxlan), Just(FlannelBackend::HostGw)];
    let mode = prop_oneof![Just(KubeProxyMode::Nftables), Just(KubeProxyMode::Iptables)];
    (0_u8..=255, 20_u8..=28, 12_u8..=28, 20000_u16..40000, 1_u16..9000, backend, option::of(576_u16..), mode).prop_map(
        |(second, node_prefix, service_prefix, first, count, flannel_backend, mtu, kube_proxy_mode)| Network {
            pod_cidr: format!("10.{second}.0.0/16").parse().unwrap(),
            node_prefix,
            service_cidr: format!("172.16.0.0/{service_prefix}").parse().unwrap(),
            node_ports: PortRange { first, last: first + count },
            dns_domain: "k8s.example".to_owned(),
            flannel_backend,
            mtu,
            kube_proxy_mode,
        },
    )
}

fn settings() -> impl Strategy<Value = (Runtime, KubeletSettings, LogRotation)> {
    let amounts = (1_u32..5000, 1_u32..100, 1_u8..100);
    let numbers = (1_u32..=4096, 64_u32..100_000, 0_u8..=10, 2_u32..1000, 1_u32..3650, 1_u32..1000);
    let pause_image = option::of("[a-z]{1,8}\\.io(:5000)?/[a-z]{1,8}:[0-9.]{1,4}[0-9]".prop_filter("tag", |text| !text.contains(":.")));
    (amounts, numbers, pause_image, any::<[bool; 3]>()).prop_map(|((reserved, files, percent), numbers, pause_image, flags)| {
        let runtime = Runtime { data_directory: "/data/containerd".to_owned(), restrict_oom_score_adj: flags[0], pause_image };
        let (max_pods, pod_pids_limit, verbosity, container_max_files, audit_max_age_days, audit_max_backups) = numbers;
        let entry = |name: &str, value: String| (name.to_owned(), value);
        let kubelet = KubeletSettings {
            max_pods,
            pod_pids_limit,
            system_reserved: BTreeMap::from([
                entry("cpu", format!("{reserved}m")),
                entry("memory", format!("{reserved}Mi")),
                entry("pid", reserved.to_string()),
            ]),
            eviction_hard: [
                "memory.available",
                "nodefs.available",
                "nodefs.inodesFree",
                "imagefs.available",
                "imagefs.inodesFree",
                "pid.available",
            ]
            .into_iter()
            .map(|name| entry(name, format!("{percent}%")))
            .collect(),
            fail_cgroup_v1: flags[1],
            fail_swap_on: flags[2],
            verbosity,
        };
        let logs = LogRotation {
            container_max_size: format!("{files}Mi"),
            container_max_files,
            journal_max_use: format!("{files}M"),
            audit_max_age_days,
            audit_max_backups,
            audit_max_size_mb: files,
        };
        (runtime, kubelet, logs)
    })
}

fn mirrors() -> impl Strategy<Value = Vec<RegistryEndpoint>> {
    let mirror = (scheme(), "[a-z]{1,8}(:5000)?/[a-z]{1,5}", 0..3_usize, any::<[bool; 2]>());
    let mirror = mirror.prop_map(|(scheme, address, capabilities, flags)| RegistryEndpoint {
        capabilities: match capabilities {
            0 => vec![RegistryCapability::Pull],
            1 => vec![RegistryCapability::Resolve],
            _ => RegistryCapability::ALL.to_vec(),
        },
        override_path: flags[0],
        skip_verify: flags[1] && scheme == "https://",
        ..RegistryEndpoint::plain(format!("{scheme}{address}"))
    });
    vec(mirror, 1..4).prop_map(|mut mirrors| {
        mirrors.sort_by(|one, other| one.url.cmp(&other.url));
        mirrors.dedup_by(|one, other| one.url == other.url);
        mirrors
    })
}

fn scheme() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("https://"), Just("http://")]
}

fn registries() -> impl Strategy<Value = Vec<Registry>> {
    let entry = (mirrors(), scheme(), any::<[bool; 2]>(), option::of("[a-z]{1,8}:[0-9]{1,4}"));
    btree_map("[a-z]{1,8}\\.io(:5000)?", entry, 0..3).prop_map(|entries| {
        let entries = entries.into_iter().map(|(host, (mirrors, scheme, flags, image))| {
            let resolves = mirrors.iter().any(|mirror| mirror.capabilities.contains(&RegistryCapability::Resolve));
            let upstream = if flags[0] || !resolves {
                let skip_verify = flags[1] && scheme == "https://";
                Upstream::Asked(RegistryEndpoint { skip_verify, ..RegistryEndpoint::plain(format!("{scheme}{host}")) })
            } else {
                Upstream::NotAsked
            };
            Registry { test_image: image.map(|image| format!("{host}/{image}")), host, mirrors, upstream }
        });
        entries.collect()
    })
}

fn firewall() -> impl Strategy<Value = Firewall> {
    let networks = || {
        let network = (0_u32..1 << 20, 20_u8..=32).prop_map(|(number, prefix)| ipnet::Ipv4Net::new((number << 12).into(), prefix).unwrap());
        proptest::collection::btree_set(network, 0..3).prop_map(|set| set.into_iter().collect::<Vec<_>>())
    };
    let backend = prop_oneof![
        Just(FirewallBackend::Nftables),
        Just(FirewallBackend::Iptables),
        Just(FirewallBackend::Firewalld),
        Just(FirewallBackend::None)
    ];
    let role = || prop_oneof![Just(Role::Etcd), Just(Role::LoadBalancer), Just(Role::Master), Just(Role::Node)];
    let details = (
        proptest::collection::btree_set(role(), 1..3),
        option::of(role()),
        any::<bool>(),
        networks(),
        any::<bool>(),
        1_u16..30_000,
        0_u16..9,
    );
    let flows = btree_map("[a-z0-9-]{1,40}", details, 0..3).prop_map(|flows| {
        let flow = |(name, (to, role, pods, networks, udp, first, more))| {
            let mut from: Vec<ExtraSource> = Option::into_iter(role).map(ExtraSource::Role).collect();
            from.extend(bool::then_some(pods, ExtraSource::Pods));
            from.extend(Vec::into_iter(networks).map(ExtraSource::Network));
            let protocol = if udp { TransportProtocol::Udp } else { TransportProtocol::Tcp };
            ExtraFlow { name, to, from, protocol, ports: PortRange { first, last: first + more } }
        };
        flows.into_iter().map(flow).collect::<Vec<_>>()
    });
    (backend, networks(), networks(), networks(), flows).prop_map(
        |(backend, operator_networks, api_sources, node_port_sources, extra_flows)| Firewall {
            backend,
            operator_networks,
            api_sources,
            node_port_sources,
            extra_flows,
        },
    )
}

fn cluster() -> impl Strategy<Value = Cluster> {
    let flags = btree_map("[a-z]{3,8}-[a-z]{3,8}-[a-z]{3,8}", "[ -~]{0,20}", 1..3);
    let component = prop_oneof![Just(Component::Etcd), Just(Component::KubeApiserver), Just(Component::Kubelet), Just(Component::Flanneld)];
    let arguments = btree_map(component, flags, 0..3);
    let sans =
        vec(prop_oneof!["([a-z]{1,8}\\.){1,2}[a-z]{2,4}".prop_map(SubjectName::Dns), any::<IpAddr>().prop_map(SubjectName::Address)], 0..3);
    let balancer = (option::of("[a-z]{2,6}[0-9]"), 1_u8.., 10_000_u16..20_000);
    ("[a-z]([a-z0-9-]{0,40}[a-z0-9])?", 0_usize..2, hosts(), network(), balancer, (settings(), firewall(), registries()), sans, arguments)
        .prop_map(
            |(
                name,
                version,
                (hosts, balanced),
                network,
                (interface, vrid, port),
                ((runtime, kubelet, logs), firewall, registries),
                extra_sans,
                extra_args,
            )| {
                let mut seen = Vec::new();
                let extra_sans = extra_sans
                    .into_iter()
                    .filter(|name| {
                        !seen.contains(name) && {
                            seen.push(name.clone());
                            true
                        }
                    })
                    .collect();
                Cluster {
                    name: name.parse().unwrap(),
                    kubernetes: KNOWN.kubernetes[version],
                    hosts,
                    network,
                    load_balancer: balanced.then(|| LoadBalancer {
                        vip: IpAddr::from([192, 0, 2, 200]),
                        interface,
                        vrid: Vrid(vrid),
                        vrid_origin: VridOrigin::Written,
                        port,
                    }),
                    runtime,
                    registries,
                    kubelet,
                    extra_sans,
                    extra_args,
                    logs,
                    accepted_checks: Vec::new(),
                    firewall,
                    addons: addons(),
                }
            },
        )
}

/// A valid file in which a few characters are replaced.
fn damaged() -> impl Strategy<Value = String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/separate-etcd.yaml")).unwrap();
    vec((any::<proptest::sample::Index>(), prop_oneof!["[\\[\\]{}:,&*!|>'\"%@`#\t\n -]", "\\PC"]), 1..6).prop_map(move |edits| {
        let mut characters: Vec<char> = text.chars().collect();
        for (index, with) in edits {
            let at = index.index(characters.len());
            characters.splice(at..=at, with.chars());
        }
        characters.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn nothing_is_lost(cluster in cluster()) {
        for text in [write(&cluster).to_string(), serde_json::to_string_pretty(&write(&cluster)).unwrap()] {
            let loaded = parse(&text, "cluster.json", &KNOWN).map_err(|errors| TestCaseError::fail(errors.to_string()))?;
            prop_assert_eq!(&loaded.cluster, &cluster);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[ -~\n\t]{0,200}") {
        let _ = parse(&text, "x", &KNOWN).map_err(|errors| errors.to_string());
    }

    #[test]
    fn no_damage_makes_it_panic_or_report_a_place_outside(text in damaged()) {
        if let Err(errors) = parse(&text, "x", &KNOWN) {
            prop_assert!(!errors.items().is_empty() && !errors.to_string().is_empty());
            let lines = u32::try_from(text.lines().count()).unwrap();
            for item in errors.items() {
                prop_assert!(item.line >= 1 && item.line <= lines + 1 && item.column >= 1, "{:?}", item);
            }
        }
    }
}
