//! Which secrets and certificates lie on a host.

use std::collections::BTreeMap;

use barque_model::{Cluster, Component, Host, HostFile, METRICS_GATEWAY, METRICS_GATEWAY_FOLDER, Owner, RUN_MARKER, Role};

use crate::{Authority, CertificateKind, KubeconfigUser, NotInVault, Vault, encryption, kubeconfig, own_api_url};

const PKI: &str = "/etc/kubernetes/pki";

/// The files of `host` that hold certificates, keys or identities, sorted by path: what its roles need and nothing else.
///
/// Names are kubeadm's. Modes follow the CIS benchmark 1.1.19 to 1.1.21: certificates 0644, keys and kubeconfigs 0600, all of root, with
/// one exception: etcd runs as its own user and must read its server and peer keys, so those two belong to `etcd`. The benchmark looks at
/// `/etc/kubernetes/pki` as a whole for `root:root`; etcd as root would please it and be less safe. The metrics gateway, a user of its own
/// too, has a folder of its own.
///
/// The keys of the etcd and front-proxy authorities lie on no host. The Kubernetes authority's key lies on masters, where
/// kube-controller-manager signs kubelets' renewals with it.
pub fn files_for(cluster: &Cluster, host: &Host, vault: &Vault) -> Result<Vec<HostFile>, NotInVault> {
    let mut files = Files { host, vault, by_path: BTreeMap::new() };
    if host.runs(Component::Etcd) {
        files.authority(Authority::Etcd);
        files.pair(CertificateKind::EtcdServer, &format!("{PKI}/etcd/server"), Owner::of("etcd"))?;
        files.pair(CertificateKind::EtcdPeer, &format!("{PKI}/etcd/peer"), Owner::of("etcd"))?;
        files.pair(CertificateKind::EtcdHealthcheckClient, &format!("{PKI}/etcd/healthcheck-client"), Owner::root())?;
    }
    if host.has(Role::LoadBalancer) {
        // haproxy checks the API servers' certificates before it calls one healthy.
        files.authority(Authority::Kubernetes);
    }
    if cluster.metrics_gateway(host).is_some() {
        let folder = METRICS_GATEWAY_FOLDER;
        files.pair(CertificateKind::MetricsGateway, &format!("{folder}/server"), Owner::of(METRICS_GATEWAY))?;
        // It verifies Prometheus's tokens without asking the API.
        files.add(HostFile::public(format!("{folder}/sa.pub"), vault.service_account().public.as_str()));
    }
    if host.runs(Component::KubeApiserver) {
        control_plane(cluster, &mut files)?;
    }
    if host.is_node() {
        files.authority(Authority::Kubernetes);
        files.pair(CertificateKind::KubeletServing, "/var/lib/kubelet/pki/kubelet", Owner::root())?;
        // A master's own API server, so that a kubelet is never newer than the server it talks to during a rolling upgrade.
        let server = if host.runs(Component::KubeApiserver) { own_api_url(host) } else { cluster.api_url() };
        for (file, user) in [
            ("kubelet.conf", KubeconfigUser::Kubelet(host.name.clone())),
            ("kube-proxy.conf", KubeconfigUser::KubeProxy(host.name.clone())),
            ("flanneld.conf", KubeconfigUser::Flanneld(host.name.clone())),
        ] {
            files.kubeconfig(cluster, file, &user, &server)?;
        }
    }
    Ok(files.by_path.into_values().collect())
}

fn control_plane(cluster: &Cluster, files: &mut Files<'_>) -> Result<(), NotInVault> {
    let (host, vault) = (files.host, files.vault);
    for authority in Authority::ALL {
        files.authority(authority);
    }
    files.add(HostFile::secret(format!("{PKI}/ca.key"), vault.authority(Authority::Kubernetes).key.expose()));
    for (kind, name) in [
        (CertificateKind::Apiserver, "apiserver"),
        (CertificateKind::ApiserverKubeletClient, "apiserver-kubelet-client"),
        (CertificateKind::ApiserverEtcdClient, "apiserver-etcd-client"),
        (CertificateKind::FrontProxyClient, "front-proxy-client"),
        (CertificateKind::ControllerManagerServing, "controller-manager"),
        (CertificateKind::SchedulerServing, "scheduler"),
    ] {
        files.pair(kind, &format!("{PKI}/{name}"), Owner::root())?;
    }
    files.add(HostFile::secret(format!("{PKI}/sa.key"), vault.service_account().private.expose()));
    files.add(HostFile::public(format!("{PKI}/sa.pub"), vault.service_account().public.as_str()));
    files.add(HostFile::secret("/etc/kubernetes/encryption.yaml", encryption::configuration(vault)));
    // All three use the API server beside them: it works when the balancer does not, and versions never skew.
    for (file, user) in [
        ("admin.conf", KubeconfigUser::HostAdmin(host.name.clone())),
        ("controller-manager.conf", KubeconfigUser::ControllerManager(host.name.clone())),
        ("scheduler.conf", KubeconfigUser::Scheduler(host.name.clone())),
    ] {
        files.kubeconfig(cluster, file, &user, &own_api_url(host))?;
    }
    Ok(())
}

/// Collects files; a file that two roles need is there once.
struct Files<'a> {
    host: &'a Host,
    vault: &'a Vault,
    by_path: BTreeMap<String, HostFile>,
}

impl Files<'_> {
    fn add(&mut self, file: HostFile) {
        self.by_path.insert(file.path.clone(), file);
    }

    fn authority(&mut self, authority: Authority) {
        self.add(HostFile::public(format!("{PKI}/{authority}.crt"), self.vault.authority(authority).certificate.as_str()));
    }

    fn pair(&mut self, kind: CertificateKind, stem: &str, key_owner: Owner) -> Result<(), NotInVault> {
        let pair = self.vault.certificate(kind, Some(&self.host.name))?;
        self.add(HostFile::public(format!("{stem}.crt"), pair.certificate.as_str()));
        self.add(HostFile::secret(format!("{stem}.key"), pair.key.expose()).owned_by(key_owner));
        Ok(())
    }

    fn kubeconfig(&mut self, cluster: &Cluster, file: &str, user: &KubeconfigUser, server: &str) -> Result<(), NotInVault> {
        let mut content = format!("# Managed by barque, run {RUN_MARKER}\n").into_bytes();
        content.extend_from_slice(kubeconfig(cluster, self.vault, user, server)?.expose());
        self.add(HostFile::secret(format!("/etc/kubernetes/{file}"), content));
        Ok(())
    }
}
