//! What a host needs besides its components: directories, kernel parameters, the journal's limit, the watchdog, the metrics gateway, registry mirrors.

use std::fmt::Write as _;

use barque_model::{Cluster, Component, FlannelBackend, Host, HostFile, KubeProxyMode, METRICS_GATEWAY_FOLDER, Owner, Role};

use crate::header::managed;
use crate::paths::{AUDIT_LOGS, CERTS_D, CNI_BINARIES, CNI_CONFIG, ETCD_DATA, ETCD_PKI, KUBELET_PKI, KUBERNETES, PKI};

pub(crate) const SYSCTL_FILE: &str = "/etc/sysctl.d/90-barque.conf";

/// Files of `host` that belong to no component.
pub fn host_files(cluster: &Cluster, host: &Host) -> Vec<HostFile> {
    let mut sysctl = String::new();
    for (key, value, _) in sysctls(cluster, host) {
        // The dash: a parameter that this kernel lacks or does not let us write is no failed boot.
        let _ = writeln!(sysctl, "-{key} = {value}");
    }
    let limit = &cluster.logs.journal_max_use;
    let journal = format!("[Journal]\nSystemMaxUse={limit}\nRuntimeMaxUse={limit}\n");
    let mut files = vec![
        HostFile::public(SYSCTL_FILE, managed(&sysctl)),
        HostFile::public("/etc/systemd/journald.conf.d/10-barque.conf", managed(&journal)),
    ];
    files.extend(crate::watchdog::files(host));
    files.extend(crate::gateway::files(cluster, host));
    if host.is_node() {
        files.extend(crate::registries::files(cluster));
    }
    files
}

/// Kernel parameters of `host`: key, value, and whether the host is unusable without it. Container-like hosts refuse most of them.
pub fn sysctls(_cluster: &Cluster, host: &Host) -> Vec<(String, String, bool)> {
    let mut parameters: Vec<(&str, &str, bool)> = Vec::new();
    if host.is_node() {
        parameters.extend([
            ("net.ipv4.ip_forward", "1", true),
            // Packets between pods of one node must meet the service rules too. The parameter exists once br_netfilter is there.
            ("net.bridge.bridge-nf-call-iptables", "1", false),
            ("net.bridge.bridge-nf-call-ip6tables", "1", false),
            // Each container's log reader and each watching program takes inotify instances; the kernel's 128 per user are soon gone.
            ("fs.inotify.max_user_instances", "8192", false),
            ("fs.inotify.max_user_watches", "524288", false),
            // kubelet sets these four itself where it may; written here so that they hold from boot on.
            ("kernel.panic", "10", false),
            ("kernel.panic_on_oops", "1", false),
            ("vm.overcommit_memory", "1", false),
            ("vm.panic_on_oom", "0", false),
            // What kube-proxy would set, were it not told to leave the kernel alone.
            ("net.netfilter.nf_conntrack_max", "1048576", false),
            ("net.netfilter.nf_conntrack_tcp_timeout_established", "86400", false),
            ("net.netfilter.nf_conntrack_tcp_timeout_close_wait", "3600", false),
        ]);
    }
    if host.has(Role::LoadBalancer) || host.has(Role::Master) {
        parameters.push(("net.core.somaxconn", "32768", false));
    }
    parameters.into_iter().map(|(key, value, required)| (key.to_owned(), value.to_owned(), required)).collect()
}

/// Kernel features that a node uses, by module name. A kernel may have any of them built in.
pub fn kernel_modules(cluster: &Cluster, host: &Host) -> Vec<&'static str> {
    if !host.is_node() {
        return Vec::new();
    }
    let mut modules = vec!["overlay", "br_netfilter", "nf_conntrack"];
    if cluster.network.kube_proxy_mode == KubeProxyMode::Nftables {
        modules.push("nf_tables");
    }
    if cluster.network.flannel_backend == FlannelBackend::Vxlan {
        modules.push("vxlan");
    }
    modules
}

/// Directories of `host`: path, permission bits, owner; parents before children.
pub fn directories(cluster: &Cluster, host: &Host) -> Vec<(String, u32, Owner)> {
    let mut paths: Vec<(&str, u32, Owner)> = vec![
        (KUBERNETES, 0o755, Owner::root()),
        // Readable: certificates are public, and etcd's user passes through to its own. Keys have their own modes.
        (PKI, 0o755, Owner::root()),
        ("/etc/systemd/journald.conf.d", 0o755, Owner::root()),
        (crate::watchdog::FOLDER, 0o755, Owner::root()),
    ];
    if host.runs(Component::Etcd) || host.has(Role::Master) {
        paths.push((ETCD_PKI, 0o755, Owner::root()));
    }
    if host.runs(Component::Etcd) {
        paths.extend([("/etc/etcd", 0o755, Owner::root()), (ETCD_DATA, 0o700, Owner::of("etcd"))]);
    }
    if host.runs(Component::Haproxy) {
        paths.extend([
            ("/etc/haproxy", 0o755, Owner::root()),
            ("/etc/keepalived", 0o755, Owner::root()),
            ("/etc/systemd/system/haproxy.service.d", 0o755, Owner::root()),
            ("/etc/systemd/system/keepalived.service.d", 0o755, Owner::root()),
        ]);
    }
    if cluster.metrics_gateway(host).is_some() {
        paths.push((METRICS_GATEWAY_FOLDER, 0o755, Owner::root()));
    }
    if host.has(Role::Master) {
        paths.extend([("/var/log/kubernetes", 0o755, Owner::root()), (AUDIT_LOGS, 0o700, Owner::root())]);
    }
    if host.is_node() {
        paths.extend([
            ("/etc/containerd", 0o755, Owner::root()),
            (CERTS_D, 0o755, Owner::root()),
            ("/etc/cni", 0o755, Owner::root()),
            (CNI_CONFIG, 0o755, Owner::root()),
            ("/opt/cni", 0o755, Owner::root()),
            (CNI_BINARIES, 0o755, Owner::root()),
            ("/etc/kube-flannel", 0o755, Owner::root()),
            ("/var/lib/kubelet", 0o750, Owner::root()),
            (KUBELET_PKI, 0o755, Owner::root()),
        ]);
    }
    let mut paths: Vec<(String, u32, Owner)> = paths.into_iter().map(|(path, mode, owner)| (path.to_owned(), mode, owner)).collect();
    if host.is_node() {
        paths.extend(crate::registries::folders(cluster).into_iter().map(|path| (path, 0o755, Owner::root())));
    }
    paths
}
