//! Clusters for tests.

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{
    AddonOrigin, Cluster, ClusterAddon, Firewall, FlannelBackend, Host, KubeProxyMode, KubeletSettings, LoadBalancer, LogRotation, Network,
    PortRange, Role, Runtime, Ssh, Sudo, TransportKind, Version, Vrid, VridOrigin,
};
use jiff::{SignedDuration, Timestamp};

pub(crate) fn now() -> Timestamp {
    "2026-11-25T02:03:04.5Z".parse().unwrap()
}

pub(crate) fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

pub(crate) fn host(name: &str, last: u8, roles: &[Role]) -> Host {
    Host {
        name: name.parse().unwrap(),
        address: [10, 0, 0, last].into(),
        roles: roles.iter().copied().collect::<BTreeSet<_>>(),
        ssh: Ssh {
            address: format!("10.0.0.{last}"),
            user: "root".to_owned(),
            port: 22,
            key: None,
            jump: None,
            sudo: Sudo::None,
            transport: TransportKind::Builtin,
        },
        labels: BTreeMap::new(),
        taints: Vec::new(),
    }
}

/// The same with the add-on `monitoring`.
pub(crate) fn with_monitoring(cluster: Cluster) -> Cluster {
    let settings = serde_json::json!({"hostMetricsPort": 9100, "gatewayPort": 9259});
    let addon = ClusterAddon { name: "monitoring".parse().unwrap(), origin: AddonOrigin::Barque, settings };
    Cluster { addons: vec![addon], ..cluster }
}

/// Two balancers with a VIP, three masters with etcd, two nodes.
pub(crate) fn seven_hosts() -> Cluster {
    let master = [Role::Etcd, Role::Master];
    let hosts = vec![
        host("lb1", 1, &[Role::LoadBalancer]),
        host("lb2", 2, &[Role::LoadBalancer]),
        host("m1", 11, &master),
        host("m2", 12, &master),
        host("m3", 13, &master),
        host("n1", 21, &[Role::Node]),
        host("n2", 22, &[Role::Node]),
    ];
    Cluster {
        name: "demo".parse().unwrap(),
        kubernetes: Version::new(1, 37, 2),
        hosts,
        network: Network {
            pod_cidr: "10.244.0.0/16".parse().unwrap(),
            node_prefix: 24,
            service_cidr: "10.96.0.0/16".parse().unwrap(),
            node_ports: PortRange { first: 30_000, last: 32_767 },
            dns_domain: "cluster.local".to_owned(),
            flannel_backend: FlannelBackend::Vxlan,
            mtu: None,
            kube_proxy_mode: KubeProxyMode::Nftables,
        },
        load_balancer: Some(LoadBalancer {
            vip: [10, 0, 0, 100].into(),
            interface: None,
            vrid: Vrid(51),
            vrid_origin: VridOrigin::Written,
            port: 8443,
        }),
        runtime: Runtime { data_directory: "/var/lib/containerd".to_owned(), restrict_oom_score_adj: false, pause_image: None },
        registries: Vec::new(),
        kubelet: KubeletSettings {
            max_pods: 110,
            pod_pids_limit: 4096,
            system_reserved: BTreeMap::new(),
            eviction_hard: BTreeMap::new(),
            fail_cgroup_v1: true,
            fail_swap_on: true,
            verbosity: 2,
        },
        extra_sans: Vec::new(),
        extra_args: BTreeMap::new(),
        logs: LogRotation {
            container_max_size: "10Mi".to_owned(),
            container_max_files: 5,
            journal_max_use: "500M".to_owned(),
            audit_max_age_days: 30,
            audit_max_backups: 10,
            audit_max_size_mb: 100,
        },
        accepted_checks: Vec::new(),
        addons: Vec::new(),
        firewall: Firewall::default(),
    }
}
