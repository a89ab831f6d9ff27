//! Which certificates there are: subjects, names, purposes and authorities.
//!
//! After kubeadm's table of certificates (kubernetes.io, "PKI certificates and requirements"), with less power where kubeadm's history gave
//! too much: no client but the break-glass one is in `system:masters`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use barque_model::{Cluster, Component, Host, METRICS_GATEWAY, SubjectName};

use crate::Authority;

/// The group of administrators; a ClusterRoleBinding of barque's makes it `cluster-admin`. Unlike `system:masters` it can be revoked.
pub const ADMIN_GROUP: &str = "barque:cluster-admins";

/// The user as which the API server calls kubelets; it needs a ClusterRoleBinding to `system:kubelet-api-admin`.
pub const KUBELET_CLIENT_USER: &str = "kube-apiserver-kubelet-client";

/// The user as which flanneld calls the API; it needs a ClusterRoleBinding to flannel's ClusterRole.
pub const FLANNELD_USER: &str = "flanneld";

/// What a certificate may be used for (extended key usages).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// TLS server.
    Server,
    /// TLS client.
    Client,
}

/// A kind of leaf certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateKind {
    /// etcd for its clients.
    EtcdServer,
    /// etcd for its peers, in both directions.
    EtcdPeer,
    /// Health checks and backups of etcd.
    EtcdHealthcheckClient,
    /// The API server as a client of etcd.
    ApiserverEtcdClient,
    /// The API server for its clients.
    Apiserver,
    /// The API server as a client of kubelets.
    ApiserverKubeletClient,
    /// The API server as a client of extension API servers.
    FrontProxyClient,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-controller-manager for its clients (health, metrics).
    ControllerManagerServing,
    /// kube-scheduler.
    Scheduler,
    /// kube-scheduler for its clients (health, metrics).
    SchedulerServing,
    /// An administrator on a master, in `/etc/kubernetes/admin.conf`.
    HostAdmin,
    /// kubelet as a client of the API.
    Kubelet,
    /// kubelet for its clients (logs, exec, metrics).
    KubeletServing,
    /// kube-proxy.
    KubeProxy,
    /// flanneld.
    Flanneld,
    /// The metrics gateway for its clients; with the add-on `monitoring` only.
    MetricsGateway,
    /// The operator; lies on no host.
    Admin,
    /// The operator when authorization itself is broken (`system:masters`); lies on no host.
    SuperAdmin,
}

impl CertificateKind {
    /// Every kind.
    pub const ALL: [Self; 19] = [
        Self::EtcdServer,
        Self::EtcdPeer,
        Self::EtcdHealthcheckClient,
        Self::ApiserverEtcdClient,
        Self::Apiserver,
        Self::ApiserverKubeletClient,
        Self::FrontProxyClient,
        Self::ControllerManager,
        Self::ControllerManagerServing,
        Self::Scheduler,
        Self::SchedulerServing,
        Self::HostAdmin,
        Self::Kubelet,
        Self::KubeletServing,
        Self::KubeProxy,
        Self::Flanneld,
        Self::MetricsGateway,
        Self::Admin,
        Self::SuperAdmin,
    ];

    /// The kind's own part of a certificate's name.
    const fn stem(self) -> &'static str {
        match self {
            Self::EtcdServer => "etcd/server",
            Self::EtcdPeer => "etcd/peer",
            Self::EtcdHealthcheckClient => "etcd/healthcheck-client",
            Self::ApiserverEtcdClient => "apiserver-etcd-client",
            Self::Apiserver => "apiserver",
            Self::ApiserverKubeletClient => "apiserver-kubelet-client",
            Self::FrontProxyClient => "front-proxy-client",
            Self::ControllerManager => "controller-manager.conf",
            Self::ControllerManagerServing => "controller-manager",
            Self::Scheduler => "scheduler.conf",
            Self::SchedulerServing => "scheduler",
            Self::HostAdmin | Self::Admin => "admin.conf",
            Self::Kubelet => "kubelet.conf",
            Self::KubeletServing => "kubelet",
            Self::KubeProxy => "kube-proxy.conf",
            Self::Flanneld => "flanneld.conf",
            Self::MetricsGateway => "metrics-gateway",
            Self::SuperAdmin => "super-admin.conf",
        }
    }

    /// The certificate's name in the vault and in reports: `HOST/STEM`, such as `m1/etcd/server`, or the stem alone without a host.
    pub fn name(self, host: Option<&str>) -> String {
        match host {
            Some(host) => format!("{host}/{}", self.stem()),
            None => self.stem().to_owned(),
        }
    }

    /// Whether `host` has a certificate of this kind in `cluster`. Each host has its own key: no leaf's private key lies on two hosts.
    pub fn lies_on(self, cluster: &Cluster, host: &Host) -> bool {
        match self {
            Self::EtcdServer | Self::EtcdPeer | Self::EtcdHealthcheckClient => host.runs(Component::Etcd),
            Self::ApiserverEtcdClient
            | Self::Apiserver
            | Self::ApiserverKubeletClient
            | Self::FrontProxyClient
            | Self::ControllerManager
            | Self::ControllerManagerServing
            | Self::Scheduler
            | Self::SchedulerServing
            | Self::HostAdmin => host.runs(Component::KubeApiserver),
            Self::Kubelet | Self::KubeletServing | Self::KubeProxy | Self::Flanneld => host.is_node(),
            Self::MetricsGateway => cluster.metrics_gateway(host).is_some(),
            Self::Admin | Self::SuperAdmin => false,
        }
    }

    /// Who signs it.
    pub const fn authority(self) -> Authority {
        match self {
            Self::EtcdServer | Self::EtcdPeer | Self::EtcdHealthcheckClient | Self::ApiserverEtcdClient => Authority::Etcd,
            Self::FrontProxyClient => Authority::FrontProxy,
            _ => Authority::Kubernetes,
        }
    }

    /// What it may be used for. etcd's server certificate is also a client's: its gRPC gateway calls itself with it.
    pub const fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::EtcdServer | Self::EtcdPeer => &[Purpose::Server, Purpose::Client],
            Self::Apiserver | Self::KubeletServing | Self::ControllerManagerServing | Self::SchedulerServing | Self::MetricsGateway => {
                &[Purpose::Server]
            }
            _ => &[Purpose::Client],
        }
    }

    /// The group that the API sees in it (subject's organization).
    pub const fn organization(self) -> Option<&'static str> {
        match self {
            Self::Kubelet | Self::KubeletServing => Some("system:nodes"),
            Self::HostAdmin | Self::Admin => Some(ADMIN_GROUP),
            Self::SuperAdmin => Some("system:masters"),
            _ => None,
        }
    }

    /// The user that the server sees in it (subject's common name); `host` is its host's name where there is one.
    pub fn common_name(self, host: Option<&str>) -> String {
        let host = host.unwrap_or_default();
        match self {
            Self::EtcdServer | Self::EtcdPeer => host.to_owned(),
            Self::EtcdHealthcheckClient => "kube-etcd-healthcheck-client".to_owned(),
            Self::ApiserverEtcdClient => "kube-apiserver-etcd-client".to_owned(),
            Self::Apiserver => "kube-apiserver".to_owned(),
            Self::ApiserverKubeletClient => KUBELET_CLIENT_USER.to_owned(),
            Self::FrontProxyClient => "front-proxy-client".to_owned(),
            Self::ControllerManager => "system:kube-controller-manager".to_owned(),
            Self::ControllerManagerServing => "kube-controller-manager".to_owned(),
            Self::Scheduler => "system:kube-scheduler".to_owned(),
            Self::SchedulerServing => "kube-scheduler".to_owned(),
            Self::HostAdmin | Self::Admin => "kubernetes-admin".to_owned(),
            Self::Kubelet | Self::KubeletServing => format!("system:node:{host}"),
            Self::KubeProxy => "system:kube-proxy".to_owned(),
            Self::Flanneld => FLANNELD_USER.to_owned(),
            Self::MetricsGateway => METRICS_GATEWAY.to_owned(),
            Self::SuperAdmin => "kubernetes-super-admin".to_owned(),
        }
    }

    /// The names and addresses that it is valid for on `host`.
    fn subject_names(self, cluster: &Cluster, host: &Host) -> BTreeSet<SubjectName> {
        let dns = |name: &str| SubjectName::Dns(name.to_owned());
        let own = [dns(host.name.as_str()), SubjectName::Address(host.address)];
        let localhost = [dns("localhost"), SubjectName::Address(Ipv4Addr::LOCALHOST.into())];
        let localhost_v6 = SubjectName::Address(Ipv6Addr::LOCALHOST.into());
        let mut names = BTreeSet::new();
        match self {
            Self::EtcdServer => {
                names.extend(own);
                names.extend(localhost);
                names.insert(localhost_v6);
            }
            Self::EtcdPeer | Self::ControllerManagerServing | Self::SchedulerServing => {
                names.extend(own);
                names.extend(localhost);
            }
            Self::Apiserver => {
                names.extend(own);
                names.extend(localhost);
                names.insert(localhost_v6);
                names.extend(["kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(dns));
                names.insert(SubjectName::Dns(format!("kubernetes.default.svc.{}", cluster.network.dns_domain)));
                names.insert(SubjectName::Address(cluster.network.api_service_address()));
                names.extend(cluster.load_balancer.iter().map(|balancer| SubjectName::Address(balancer.vip)));
                names.extend(cluster.extra_sans.iter().map(normalized));
            }
            Self::KubeletServing | Self::MetricsGateway => names.extend(own),
            _ => {}
        }
        names
    }
}

/// An address given as a DNS name becomes an address: TLS clients look for addresses among the address names only.
fn normalized(name: &SubjectName) -> SubjectName {
    match name {
        SubjectName::Dns(text) => text.parse::<IpAddr>().map_or_else(|_| name.clone(), SubjectName::Address),
        SubjectName::Address(_) => name.clone(),
    }
}

/// A certificate that the cluster must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) authority: Authority,
    pub(crate) common_name: String,
    pub(crate) organization: Option<&'static str>,
    pub(crate) purposes: &'static [Purpose],
    pub(crate) names: BTreeSet<SubjectName>,
}

/// Every leaf certificate that `cluster` must have, by its name in the vault.
pub(crate) fn wanted(cluster: &Cluster) -> BTreeMap<String, Wanted> {
    let mut all = BTreeMap::new();
    let mut add = |kind: CertificateKind, host: Option<&Host>| {
        let host_name = host.map(|host| host.name.as_str());
        let wanted = Wanted {
            authority: kind.authority(),
            common_name: kind.common_name(host_name),
            organization: kind.organization(),
            purposes: kind.purposes(),
            names: host.map(|host| kind.subject_names(cluster, host)).unwrap_or_default(),
        };
        all.insert(kind.name(host_name), wanted);
    };
    add(CertificateKind::Admin, None);
    add(CertificateKind::SuperAdmin, None);
    for host in &cluster.hosts {
        for kind in CertificateKind::ALL.into_iter().filter(|kind| kind.lies_on(cluster, host)) {
            add(kind, Some(host));
        }
    }
    all
}
