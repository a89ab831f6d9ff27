//! What is inside the certificates.

use std::collections::BTreeSet;
use std::process::Command;

use barque_pki::{Authority, CertificateKind, Vault, expiry, issue};
use x509_parser::extensions::ParsedExtension;
use x509_parser::pem::parse_x509_pem;

use crate::clusters::{days, now, seven_hosts, with_monitoring};
use crate::reading::line;

fn vault() -> Vault {
    issue(&seven_hosts(), None, now()).unwrap().0
}

/// With what only a cluster with the add-on `monitoring` has.
fn vault_with_monitoring() -> Vault {
    issue(&with_monitoring(seven_hosts()), None, now()).unwrap().0
}

#[test]
fn subjects_usages_and_names_follow_the_table() {
    let vault = vault();
    let lines = |host: &str| {
        let own = |(name, _): &(&str, _)| if host.is_empty() { !name.contains('/') } else { name.starts_with(&format!("{host}/")) };
        vault.certificates().filter(own).map(|(name, pair)| format!("{name}: {}", line(&pair.certificate))).collect::<Vec<_>>()
    };
    assert_eq!(
        lines("m2"),
        [
            "m2/admin.conf: O=barque:cluster-admins, CN=kubernetes-admin client",
            "m2/apiserver: CN=kube-apiserver server kubernetes kubernetes.default kubernetes.default.svc \
             kubernetes.default.svc.cluster.local localhost m2 10.0.0.12 10.0.0.100 10.96.0.1 127.0.0.1 ::1",
            "m2/apiserver-etcd-client: CN=kube-apiserver-etcd-client client",
            "m2/apiserver-kubelet-client: CN=kube-apiserver-kubelet-client client",
            "m2/controller-manager: CN=kube-controller-manager server localhost m2 10.0.0.12 127.0.0.1",
            "m2/controller-manager.conf: CN=system:kube-controller-manager client",
            "m2/etcd/healthcheck-client: CN=kube-etcd-healthcheck-client client",
            "m2/etcd/peer: CN=m2 server client localhost m2 10.0.0.12 127.0.0.1",
            "m2/etcd/server: CN=m2 server client localhost m2 10.0.0.12 127.0.0.1 ::1",
            "m2/flanneld.conf: CN=flanneld client",
            "m2/front-proxy-client: CN=front-proxy-client client",
            "m2/kube-proxy.conf: CN=system:kube-proxy client",
            "m2/kubelet: O=system:nodes, CN=system:node:m2 server m2 10.0.0.12",
            "m2/kubelet.conf: O=system:nodes, CN=system:node:m2 client",
            "m2/scheduler: CN=kube-scheduler server localhost m2 10.0.0.12 127.0.0.1",
            "m2/scheduler.conf: CN=system:kube-scheduler client",
        ]
    );
    assert_eq!(
        lines("n1"),
        [
            "n1/flanneld.conf: CN=flanneld client",
            "n1/kube-proxy.conf: CN=system:kube-proxy client",
            "n1/kubelet: O=system:nodes, CN=system:node:n1 server n1 10.0.0.21",
            "n1/kubelet.conf: O=system:nodes, CN=system:node:n1 client",
        ]
    );
    assert_eq!(
        lines(""),
        [
            "admin.conf: O=barque:cluster-admins, CN=kubernetes-admin client",
            "super-admin.conf: O=system:masters, CN=kubernetes-super-admin client",
        ]
    );
    assert_eq!(lines("lb1"), Vec::<String>::new());
    assert_eq!(vault.certificates().count(), 3 * 16 + 2 * 4 + 2);
}

#[test]
fn every_certificate_has_the_common_shape() {
    let vault = vault();
    let authorities = Authority::ALL.map(|authority| (authority.name(), vault.authority(authority)));
    let mut serials = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for (name, pair) in authorities.into_iter().chain(vault.certificates()) {
        let (_, pem) = parse_x509_pem(pair.certificate.as_bytes()).unwrap();
        let certificate = pem.parse_x509().unwrap();
        let is_authority = authorities.iter().any(|(authority, _)| *authority == name);

        assert_eq!(certificate.raw_serial().len(), 16, "{name}");
        assert!(serials.insert(certificate.raw_serial().to_vec()), "{name}");
        assert!(keys.insert(certificate.public_key().raw.to_vec()), "{name}");
        // ecdsa-with-SHA256 over a P-256 key.
        assert_eq!(certificate.signature_algorithm.algorithm.to_id_string(), "1.2.840.10045.4.3.2", "{name}");
        assert_eq!(certificate.public_key().parsed().unwrap().key_size(), 256, "{name}");
        assert!(pair.key.expose().starts_with("-----BEGIN PRIVATE KEY-----\n"), "{name}");

        let validity = certificate.validity();
        assert_eq!(validity.not_before.timestamp(), now().as_second() - 300, "{name}");
        let lifetime = days(if is_authority { 3650 } else { 365 }).as_secs();
        assert_eq!(validity.not_after.timestamp(), now().as_second() + lifetime, "{name}");

        let constraints = certificate.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical, "{name}");
        assert_eq!((constraints.value.ca, constraints.value.path_len_constraint), (is_authority, is_authority.then_some(0)), "{name}");
        let usage = certificate.key_usage().unwrap().unwrap();
        assert!(usage.critical, "{name}");
        assert_eq!(usage.value.to_string(), if is_authority { "Key Cert Sign, CRL Sign" } else { "Digital Signature" }, "{name}");

        let mut subject_key = None;
        let mut authority_key = None;
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(identifier) => subject_key = Some(identifier.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(key) => {
                    authority_key = key.key_identifier.as_ref().map(|identifier| identifier.0.to_vec());
                }
                _ => {}
            }
        }
        assert!(subject_key.is_some() && authority_key.is_some(), "{name}");
        assert_eq!(subject_key == authority_key, is_authority, "{name}");
    }
}

#[test]
fn openssl_accepts_each_chain_for_its_purpose_and_no_other() {
    let vault = vault_with_monitoring();
    let directory = tempfile::tempdir().unwrap();
    let authority_file = |authority: Authority| directory.path().join(authority.name().replace('/', "-"));
    for authority in Authority::ALL {
        std::fs::write(authority_file(authority), &vault.authority(authority).certificate).unwrap();
    }
    let verify = |leaf: &str, authority: Authority, purpose: &str| {
        let file = directory.path().join("leaf");
        std::fs::write(&file, leaf).unwrap();
        let at = now().as_second().to_string();
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-attime", &at, "-purpose", purpose, "-CAfile"])
            .arg(authority_file(authority))
            .arg(&file)
            .output();
        output.map(|output| output.status.success())
    };
    if let Err(error) = Command::new("openssl").arg("version").output() {
        eprintln!("skipped: openssl does not run: {error}");
        return;
    }
    let host = "m1".parse().unwrap();
    for kind in CertificateKind::ALL {
        let host = (!matches!(kind, CertificateKind::Admin | CertificateKind::SuperAdmin)).then_some(&host);
        let leaf = &vault.certificate(kind, host).unwrap().certificate;
        for (purpose, word) in [(barque_pki::Purpose::Server, "sslserver"), (barque_pki::Purpose::Client, "sslclient")] {
            for authority in Authority::ALL {
                let expected = authority == kind.authority() && kind.purposes().contains(&purpose);
                assert_eq!(verify(leaf, authority, word).unwrap(), expected, "{kind:?} {authority} {word}");
            }
        }
    }
}

#[test]
fn openssl_reads_the_service_account_keys() {
    let vault = vault();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sa.key");
    std::fs::write(&file, vault.service_account().private.expose()).unwrap();
    match Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&file).output() {
        Ok(output) => assert_eq!(String::from_utf8(output.stdout).unwrap(), vault.service_account().public),
        Err(error) => eprintln!("skipped: openssl does not run: {error}"),
    }
}

#[test]
fn expiry_counts_days() {
    let ends = expiry(&vault()).unwrap();
    assert_eq!(ends.iter().take(3).map(|end| end.name.as_str()).collect::<Vec<_>>(), ["ca", "etcd/ca", "front-proxy-ca"]);
    assert_eq!(ends.len(), 3 + 58);
    let leaf = ends.iter().find(|end| end.name == "m1/apiserver").unwrap();
    // The certificate's end has no fraction of a second, and `now` has one; the day still counts.
    assert_eq!(leaf.days_left(now()), 365);
    assert_eq!(leaf.days_left(now() + days(365)), 0);
    assert_eq!(leaf.days_left(now() + days(365) + jiff::SignedDuration::from_secs(1)), -1);
    assert_eq!(ends[0].days_left(now()), 3650);
}
