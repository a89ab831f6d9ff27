//! What lies on which host.

use barque_model::{HostFile, RUN_MARKER, Role};
use barque_pki::{KubeconfigUser, NotInVault, Vault, access, files_for, issue, kubeconfig};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::clusters::{host, now, seven_hosts, with_monitoring};

fn files(name: &str) -> Vec<HostFile> {
    let cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    files_for(&cluster, cluster.host(&name.parse().unwrap()).unwrap(), &vault).unwrap()
}

fn list(files: &[HostFile]) -> Vec<String> {
    let line = |file: &HostFile| format!("{:o} {} {}", file.mode, file.owner.user, file.path);
    files.iter().map(line).collect()
}

fn text(files: &[HostFile], path: &str) -> String {
    let file = files.iter().find(|file| file.path == path).unwrap();
    String::from_utf8(file.content.expose().to_vec()).unwrap()
}

#[test]
fn a_master_with_etcd_gets_this() {
    assert_eq!(
        list(&files("m1")),
        [
            "600 root /etc/kubernetes/admin.conf",
            "600 root /etc/kubernetes/controller-manager.conf",
            "600 root /etc/kubernetes/encryption.yaml",
            "600 root /etc/kubernetes/flanneld.conf",
            "600 root /etc/kubernetes/kube-proxy.conf",
            "600 root /etc/kubernetes/kubelet.conf",
            "644 root /etc/kubernetes/pki/apiserver-etcd-client.crt",
            "600 root /etc/kubernetes/pki/apiserver-etcd-client.key",
            "644 root /etc/kubernetes/pki/apiserver-kubelet-client.crt",
            "600 root /etc/kubernetes/pki/apiserver-kubelet-client.key",
            "644 root /etc/kubernetes/pki/apiserver.crt",
            "600 root /etc/kubernetes/pki/apiserver.key",
            "644 root /etc/kubernetes/pki/ca.crt",
            "600 root /etc/kubernetes/pki/ca.key",
            "644 root /etc/kubernetes/pki/controller-manager.crt",
            "600 root /etc/kubernetes/pki/controller-manager.key",
            "644 root /etc/kubernetes/pki/etcd/ca.crt",
            "644 root /etc/kubernetes/pki/etcd/healthcheck-client.crt",
            "600 root /etc/kubernetes/pki/etcd/healthcheck-client.key",
            "644 root /etc/kubernetes/pki/etcd/peer.crt",
            "600 etcd /etc/kubernetes/pki/etcd/peer.key",
            "644 root /etc/kubernetes/pki/etcd/server.crt",
            "600 etcd /etc/kubernetes/pki/etcd/server.key",
            "644 root /etc/kubernetes/pki/front-proxy-ca.crt",
            "644 root /etc/kubernetes/pki/front-proxy-client.crt",
            "600 root /etc/kubernetes/pki/front-proxy-client.key",
            "600 root /etc/kubernetes/pki/sa.key",
            "644 root /etc/kubernetes/pki/sa.pub",
            "644 root /etc/kubernetes/pki/scheduler.crt",
            "600 root /etc/kubernetes/pki/scheduler.key",
            "600 root /etc/kubernetes/scheduler.conf",
            "644 root /var/lib/kubelet/pki/kubelet.crt",
            "600 root /var/lib/kubelet/pki/kubelet.key",
        ]
    );
}

#[test]
fn other_hosts_get_less() {
    assert_eq!(
        list(&files("n1")),
        [
            "600 root /etc/kubernetes/flanneld.conf",
            "600 root /etc/kubernetes/kube-proxy.conf",
            "600 root /etc/kubernetes/kubelet.conf",
            "644 root /etc/kubernetes/pki/ca.crt",
            "644 root /var/lib/kubelet/pki/kubelet.crt",
            "600 root /var/lib/kubelet/pki/kubelet.key",
        ]
    );
    assert_eq!(list(&files("lb1")), ["644 root /etc/kubernetes/pki/ca.crt"]);

    let mut cluster = seven_hosts();
    cluster.hosts.push(host("e1", 31, &[Role::Etcd]));
    cluster.hosts.push(host("m4", 14, &[Role::Master]));
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    let of = |name: &str| list(&files_for(&cluster, cluster.host(&name.parse().unwrap()).unwrap(), &vault).unwrap());
    assert_eq!(of("e1").len(), 7);
    assert!(of("e1").iter().all(|line| line.contains("/etc/kubernetes/pki/etcd/")));
    let on_master: Vec<_> = of("m4").into_iter().filter(|line| line.contains("/etcd/")).collect();
    assert_eq!(on_master, ["644 root /etc/kubernetes/pki/etcd/ca.crt"], "a master without etcd gets the authority's certificate only");
}

#[test]
fn what_must_not_be_on_hosts_is_not() {
    let cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    let super_admin = access(&vault, &KubeconfigUser::SuperAdmin, "https://x").unwrap();
    let forbidden = [
        vault.authority(barque_pki::Authority::Etcd).key.expose().to_owned(),
        vault.authority(barque_pki::Authority::FrontProxy).key.expose().to_owned(),
        String::from_utf8(super_admin.key.expose().to_vec()).unwrap(),
        String::from_utf8(access(&vault, &KubeconfigUser::Admin, "https://x").unwrap().key.expose().to_vec()).unwrap(),
    ];
    for host in &cluster.hosts {
        for file in files_for(&cluster, host, &vault).unwrap() {
            let content = String::from_utf8(file.content.expose().to_vec()).unwrap();
            for key in &forbidden {
                assert!(!content.contains(key) && !content.contains(&BASE64_STANDARD.encode(key)), "{} {}", host.name, file.path);
            }
            let secret = content.contains("PRIVATE KEY") || content.contains("client-key-data") || content.contains("secretbox");
            assert_eq!((file.sensitive, file.mode), if secret { (true, 0o600) } else { (false, 0o644) }, "{}", file.path);
            assert_eq!(content.contains(RUN_MARKER), !file.path.contains("/pki/"), "{}", file.path);
            if content.contains(RUN_MARKER) {
                assert!(content.starts_with("# Managed by barque, run @barque-run@\n"), "{}", file.path);
            }
        }
    }
}

#[test]
fn each_identity_talks_to_the_right_server() {
    for (name, path, server) in [
        ("m1", "/etc/kubernetes/admin.conf", "https://10.0.0.11:6443"),
        ("m1", "/etc/kubernetes/controller-manager.conf", "https://10.0.0.11:6443"),
        ("m1", "/etc/kubernetes/scheduler.conf", "https://10.0.0.11:6443"),
        ("m1", "/etc/kubernetes/kubelet.conf", "https://10.0.0.11:6443"),
        ("m1", "/etc/kubernetes/flanneld.conf", "https://10.0.0.11:6443"),
        ("n1", "/etc/kubernetes/kubelet.conf", "https://10.0.0.100:8443"),
        ("n1", "/etc/kubernetes/kube-proxy.conf", "https://10.0.0.100:8443"),
        ("n1", "/etc/kubernetes/flanneld.conf", "https://10.0.0.100:8443"),
    ] {
        let content = text(&files(name), path);
        assert!(content.contains(&format!("\n    server: \"{server}\"\n")), "{name} {path}");
    }
}

#[test]
fn a_kubeconfig_looks_like_this() {
    let cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    let host = "m1".parse().unwrap();
    let secret = kubeconfig(&cluster, &vault, &KubeconfigUser::Kubelet(host), &cluster.api_url()).unwrap();
    let mut content = String::from_utf8(secret.expose().to_vec()).unwrap();
    let pair = vault.certificate(barque_pki::CertificateKind::Kubelet, Some(&"m1".parse().unwrap())).unwrap();
    for (word, data) in [
        ("AUTHORITY", vault.authority(barque_pki::Authority::Kubernetes).certificate.as_str()),
        ("CERTIFICATE", pair.certificate.as_str()),
        ("KEY", pair.key.expose()),
    ] {
        content = content.replace(&BASE64_STANDARD.encode(data), word);
    }
    assert_eq!(
        content,
        r#"apiVersion: v1
kind: Config
clusters:
- name: "demo"
  cluster:
    server: "https://10.0.0.100:8443"
    certificate-authority-data: AUTHORITY
users:
- name: "system:node:m1@demo"
  user:
    client-certificate-data: CERTIFICATE
    client-key-data: KEY
contexts:
- name: "demo"
  context:
    cluster: "demo"
    user: "system:node:m1@demo"
current-context: "demo"
"#
    );
}

#[test]
fn secrets_are_encrypted_before_they_are_stored() {
    let cluster = seven_hosts();
    let (vault, _) = issue(&cluster, None, now()).unwrap();
    let secret = vault.encryption_keys()[0].secret.expose();
    assert_eq!(BASE64_STANDARD.decode(secret).unwrap().len(), 32);
    let files = files_for(&cluster, &cluster.hosts[2], &vault).unwrap();
    assert_eq!(
        text(&files, "/etc/kubernetes/encryption.yaml").replace(secret, "KEY"),
        "# Managed by barque, run @barque-run@
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources:
  - secrets
  providers:
  - secretbox:
      keys:
      - name: key1
        secret: KEY
  - identity: {}
"
    );
}

#[test]
fn a_vault_that_was_not_issued_for_the_host_is_an_error() {
    let mut cluster = seven_hosts();
    let (vault, _): (Vault, _) = issue(&cluster, None, now()).unwrap();
    cluster.hosts.push(host("n9", 29, &[Role::Node]));
    let error = files_for(&cluster, cluster.hosts.last().unwrap(), &vault).unwrap_err();
    assert_eq!(error, NotInVault("n9/kubelet".to_owned()));
}

#[test]
fn kubectl_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubelet.conf");
    std::fs::write(&path, text(&files("n1"), "/etc/kubernetes/kubelet.conf")).unwrap();
    let template = "{.current-context} {.contexts[0].context.user} {.clusters[0].cluster.server}";
    let output = std::process::Command::new("kubectl")
        .args(["config", "view", "--minify", "-o", &format!("jsonpath={template}"), "--kubeconfig"])
        .arg(&path)
        .output();
    match output {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), "demo system:node:n1@demo https://10.0.0.100:8443"),
        Err(error) => eprintln!("skipped: kubectl does not run: {error}"),
    }
}

#[test]
fn the_metrics_gateway_has_files_only_while_the_add_on_is_on() {
    let without = seven_hosts();
    let with = with_monitoring(seven_hosts());
    let (vault, _) = issue(&without, None, now()).unwrap();
    assert!(vault.certificates().all(|(name, _)| !name.ends_with("metrics-gateway")));
    let (vault, issued) = issue(&with, Some(vault), now()).unwrap();
    let names: Vec<&str> = issued.iter().map(|issued| issued.name.as_str()).collect();
    assert_eq!(names, ["lb1/metrics-gateway", "lb2/metrics-gateway", "m1/metrics-gateway", "m2/metrics-gateway", "m3/metrics-gateway"]);
    for host in &with.hosts {
        let files = files_for(&with, host, &vault).unwrap();
        let found: Vec<(&str, u32, &str)> = files
            .iter()
            .filter(|file| file.path.starts_with("/etc/barque-metrics/"))
            .map(|file| (file.path.as_str(), file.mode, file.owner.user.as_str()))
            .collect();
        let expected = [
            ("/etc/barque-metrics/sa.pub", 0o644, "root"),
            ("/etc/barque-metrics/server.crt", 0o644, "root"),
            ("/etc/barque-metrics/server.key", 0o600, "barque-metrics"),
        ];
        assert_eq!(found, if host.is_node() && !host.has(Role::Etcd) { Vec::new() } else { expected.to_vec() }, "{}", host.name);
        // Nothing else differs.
        let others = files.into_iter().filter(|file| !file.path.starts_with("/etc/barque-metrics/"));
        assert!(others.eq(files_for(&without, host, &vault).unwrap()), "{}", host.name);
    }
    let (vault, issued) = issue(&without, Some(vault), now()).unwrap();
    assert!(issued.is_empty() && vault.certificates().all(|(name, _)| !name.ends_with("metrics-gateway")));
}
