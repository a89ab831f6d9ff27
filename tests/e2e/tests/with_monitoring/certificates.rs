//! Certificates that barque issues for pods: what they serve, what is kept of them, and what becomes of one that somebody deletes or edits.

use anyhow::{Result, ensure};
use barque_e2e::{Kubectl, Scenario, run};

/// The Secrets with a certificate of barque's.
const SECRETS: [&str; 5] = [
    "Secret kube-system/coredns-tls",
    "Secret monitoring-hosts/node-exporter-tls",
    "Secret monitoring/alertmanager-tls",
    "Secret monitoring/kube-state-metrics-tls",
    "Secret monitoring/prometheus-tls",
];

pub(crate) fn serve_and_are_kept(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("node-exporter serves with a certificate of the cluster's authority for its own name, and nothing in the clear");
    let address = scenario.lab.host("n1")?.address.to_string();
    let authority = scenario.folder.path().join("ca.crt");
    fs_err::write(&authority, scenario.lab.get("m1", "cat /etc/kubernetes/pki/ca.crt")?)?;
    let ask = |name: &str, more: &[&str]| -> Result<(Option<i32>, String)> {
        let (target, url) = (format!("{name}:9100:{address}"), format!("https://{name}:9100/metrics"));
        let authority = authority.display().to_string();
        let mut arguments = vec!["--silent", "--show-error", "--cacert", &authority, "--resolve", &target, "--write-out", "%{http_code}"];
        arguments.extend(more);
        arguments.push(&url);
        let done = run("curl", arguments)?;
        Ok((done.code, format!("{}{}", done.stdout, done.stderr)))
    };
    let (code, answer) = ask("node-exporter.monitoring-hosts.svc", &[])?;
    ensure!(code == Some(0) && answer.contains("node_cpu_seconds_total") && answer.ends_with("200"), "{code:?}: {answer:.400}");
    // 60: the certificate is not for that name.
    ensure!(ask("other.monitoring-hosts.svc", &[])?.0 == Some(60), "another name is taken");
    ensure!(ask("node-exporter.monitoring-hosts.svc", &["--tls-max", "1.2"])?.0 != Some(0), "TLS 1.2 is taken");
    let plain =
        run("curl", ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", &format!("http://{address}:9100/metrics")])?;
    ensure!(plain.stdout.trim() != "200", "metrics are served in the clear");

    scenario.step("no key of a pod is in the state directory outside the seal");
    for secret in SECRETS {
        let key = data(kubectl, secret, "tls.key")?;
        ensure!(key.len() > 100, "{secret} has no key");
        let state = scenario.state().display().to_string();
        // 1: it looked, and found nothing; the key itself is not to be in a message.
        let found = run("grep", ["--recursive", "--files-with-matches", "--fixed-strings", "-e", &key, &state])?;
        ensure!(found.code == Some(1), "the key of {secret} is in {state}, or that cannot be read: {} {}", found.stdout, found.stderr);
    }

    scenario.step("a certificate that somebody edits shows in drift; one that is deleted comes back the same, and no pod is replaced");
    let pods = || kubectl.get(&["-n", "monitoring", "get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"]);
    let (before, certificate) = (pods()?, data(kubectl, SECRETS[4], "tls.crt")?);
    kubectl.get(&["-n", "monitoring", "delete", "secret", "prometheus-tls"])?;
    kubectl.get(&["-n", "monitoring", "patch", "secret", "alertmanager-tls", "-p", r#"{"data": {"tls.key": "eA=="}}"#])?;
    let drift = scenario.remote(&["drift"])?.code(3)?;
    drift.says(&["Secret monitoring/prometheus-tls", "Secret monitoring/alertmanager-tls"])?;
    scenario.up(&["--overwrite-drift"])?.ok()?;
    ensure!(data(kubectl, SECRETS[4], "tls.crt")? == certificate, "another certificate came");
    ensure!(data(kubectl, SECRETS[2], "tls.key")?.len() > 100, "the edit is still there");
    ensure!(pods()? == before, "pods were replaced");
    scenario.remote(&["drift"])?.ok()?;
    Ok(())
}

/// A member of a Secret, in Base64.
fn data(kubectl: &Kubectl, secret: &str, member: &str) -> Result<String> {
    let (namespace, name) = secret.strip_prefix("Secret ").and_then(|name| name.split_once('/')).unwrap_or_default();
    let path = format!("jsonpath={{.data.{}}}", member.replace('.', "\\."));
    kubectl.get(&["-n", namespace, "get", "secret", name, "-o", &path])
}
