//! Certificates of Services: issued, kept, renewed and dropped beside those of hosts.

use std::collections::BTreeSet;

use barque_model::{ServiceCertificate, SubjectName};
use barque_pki::{Authority, Issued, Reason, Vault, issue, issue_services};

use crate::clusters::{days, now, seven_hosts};
use crate::reading::line;

fn wanted(names: &[&str], client: bool) -> ServiceCertificate {
    let names: BTreeSet<SubjectName> = names.iter().map(|name| SubjectName::Dns((*name).to_owned())).collect();
    ServiceCertificate { namespace: "site".into(), secret: "tls".into(), names, client }
}

fn vault() -> Vault {
    issue(&seven_hosts(), None, now()).unwrap().0
}

fn of_services(vault: &Vault) -> Vec<String> {
    vault.services().map(|(name, pair)| format!("{name}: {}", line(&pair.certificate))).collect()
}

#[test]
fn they_are_for_the_names_of_services_and_for_servers() {
    let (vault, issued) = issue_services(vault(), &[wanted(&["web.site.svc", "*.peers.site.svc"], false)], now()).unwrap();
    assert_eq!(issued, [Issued { name: "Secret site/tls".into(), reason: Reason::Missing }]);
    assert_eq!(of_services(&vault), ["Secret site/tls: CN=tls.site server *.peers.site.svc web.site.svc"]);
    let (vault, issued) = issue_services(vault, &[wanted(&["web.site.svc"], true)], now()).unwrap();
    assert_eq!(issued[0].reason.to_string(), "other names: -*.peers.site.svc");
    assert_eq!(of_services(&vault), ["Secret site/tls: CN=tls.site server client web.site.svc"]);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority = write("ca.pem", &vault.authority(Authority::Kubernetes).certificate);
    let leaf = write("leaf.pem", &vault.services().next().unwrap().1.certificate);
    let seconds = now().as_second().to_string();
    let verify = ["verify", "-attime", &seconds, "-purpose", "sslserver", "-verify_hostname", "web.site.svc", "-CAfile"];
    let verified = std::process::Command::new("openssl").args(verify).arg(&authority).arg(&leaf).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn what_is_right_stays_and_what_is_not_wanted_goes() {
    let wanted = [wanted(&["web.site.svc"], false)];
    let (first, _) = issue_services(vault(), &wanted, now()).unwrap();
    let (same, issued) = issue_services(first.clone(), &wanted, now() + days(335)).unwrap();
    assert_eq!((&same, issued.len()), (&first, 0));
    let (_, issued) = issue_services(first.clone(), &wanted, now() + days(336)).unwrap();
    assert_eq!(issued, [Issued { name: "Secret site/tls".into(), reason: Reason::Expiring { days_left: 29 } }]);
    // Those of hosts are issued without a look at them, and the other way round.
    let (kept, issued) = issue(&seven_hosts(), Some(first.clone()), now()).unwrap();
    assert_eq!((&kept, issued.len()), (&first, 0));
    let (without, issued) = issue_services(first, &[], now()).unwrap();
    assert!(issued.is_empty() && of_services(&without).is_empty());
    assert!(without.certificates().count() > 50, "those of hosts stay");
}
