//! The cluster that tests render: seven hosts, as in the demo.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use barque_model::{
    Cluster, DOCKER_HUB, Firewall, FlannelBackend, Host, KubeProxyMode, KubeletSettings, LoadBalancer, LogRotation, Network, PortRange,
    Registry, RegistryEndpoint, Release, Role, Runtime, Ssh, Sudo, TransportKind, Upstream, Vrid, VridOrigin, upstream_address,
};

pub(crate) fn release() -> Release {
    barque_catalog::release(&"1.37.2".parse().unwrap()).unwrap()
}

fn host(name: &str, address: &str, roles: &[Role]) -> Host {
    Host {
        name: name.parse().unwrap(),
        address: address.parse().unwrap(),
        roles: roles.iter().copied().collect(),
        ssh: Ssh {
            address: address.into(),
            user: "root".into(),
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

pub(crate) fn cluster() -> Cluster {
    let masters = [Role::Etcd, Role::Master];
    Cluster {
        name: "demo".parse().unwrap(),
        kubernetes: "1.37.2".parse().unwrap(),
        hosts: vec![
            host("lb1", "10.77.0.11", &[Role::LoadBalancer]),
            host("lb2", "10.77.0.12", &[Role::LoadBalancer]),
            host("m1", "10.77.0.21", &masters),
            host("m2", "10.77.0.22", &masters),
            host("m3", "10.77.0.23", &masters),
            host("n1", "10.77.0.31", &[Role::Node]),
            host("n2", "10.77.0.32", &[Role::Node]),
        ],
        network: Network {
            pod_cidr: "10.10.0.0/16".parse().unwrap(),
            node_prefix: 24,
            service_cidr: "10.96.0.0/16".parse().unwrap(),
            node_ports: PortRange { first: 30000, last: 32767 },
            dns_domain: "cluster.local".into(),
            flannel_backend: FlannelBackend::Vxlan,
            mtu: None,
            kube_proxy_mode: KubeProxyMode::Nftables,
        },
        load_balancer: Some(LoadBalancer {
            vip: "10.77.0.10".parse().unwrap(),
            interface: None,
            vrid: Vrid(51),
            vrid_origin: VridOrigin::Written,
            port: 6443,
        }),
        runtime: Runtime { data_directory: "/var/lib/containerd".into(), restrict_oom_score_adj: false, pause_image: None },
        registries: vec![Registry {
            host: DOCKER_HUB.into(),
            mirrors: vec![RegistryEndpoint::plain("https://mirror.example:5000")],
            upstream: Upstream::Asked(RegistryEndpoint::plain(format!("https://{}", upstream_address(DOCKER_HUB)))),
            test_image: None,
        }],
        kubelet: KubeletSettings {
            max_pods: 110,
            pod_pids_limit: 4096,
            system_reserved: BTreeMap::from([("cpu".into(), "100m".into())]),
            eviction_hard: BTreeMap::from([("memory.available".into(), "100Mi".into())]),
            fail_cgroup_v1: true,
            fail_swap_on: true,
            verbosity: 2,
        },
        extra_sans: Vec::new(),
        extra_args: BTreeMap::new(),
        logs: LogRotation {
            container_max_size: "10Mi".into(),
            container_max_files: 5,
            journal_max_use: "500M".into(),
            audit_max_age_days: 30,
            audit_max_backups: 10,
            audit_max_size_mb: 100,
        },
        accepted_checks: Vec::new(),
        addons: Vec::new(),
        firewall: Firewall::default(),
    }
}
