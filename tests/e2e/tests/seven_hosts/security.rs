//! What an outsider sees: listeners, anonymous requests, a node's rights, and what lies in etcd.

use anyhow::{Result, ensure};
use barque_e2e::{Kubectl, Scenario, run};

pub(crate) fn check(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("security from outside");
    listeners_speak_tls(scenario)?;
    anonymous_is_refused(scenario)?;
    a_kubelet_reads_only_its_own(scenario, kubectl)?;
    secrets_are_ciphertext(scenario, kubectl)?;
    files_have_the_right_modes(scenario)
}

/// Every TCP listener on every host is bound to loopback, is sshd, or completes a TLS handshake.
fn listeners_speak_tls(scenario: &Scenario) -> Result<()> {
    for host in crate::ALL {
        let address = scenario.lab.host(host)?.address;
        let listing = scenario.lab.get(host, "ss -Hltnp")?;
        let mut checked = 0;
        for line in listing.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let Some((bound, port)) = fields.get(3).and_then(|local| local.rsplit_once(':')) else { continue };
            if bound.starts_with("127.") || bound == "[::1]" || bound.starts_with("[::ffff:127.") {
                continue;
            }
            let owner = fields.get(5).copied().unwrap_or_default();
            // sshd has its own encryption; the node port is the test workload's, opened on purpose.
            if owner.contains("\"sshd\"") || owner.contains("\"systemd\"") && port == "22" || port == "30080" {
                continue;
            }
            let handshake = run("openssl", ["s_client", "-connect", &format!("{address}:{port}"), "-brief", "-verify_quiet"])?;
            ensure!(
                handshake.stderr.contains("CONNECTION ESTABLISHED")
                    || handshake.stderr.contains("alert")
                    || handshake.stdout.contains("CONNECTION ESTABLISHED"),
                "{host}: the listener `{line}` does not speak TLS:\n{}",
                handshake.stderr
            );
            checked += 1;
        }
        ensure!(checked > 0, "{host} has no listener to check:\n{listing}");
    }
    Ok(())
}

fn anonymous_is_refused(scenario: &Scenario) -> Result<()> {
    let url = |path: &str| format!("https://{}:6443{path}", scenario.lab.vip());
    let code =
        |path: &str| -> Result<String> { Ok(run("curl", ["-sk", "-o", "/dev/null", "-w", "%{http_code}", &url(path)])?.ok()?.stdout) };
    for path in ["/api", "/apis", "/api/v1/namespaces", "/version", "/metrics"] {
        let answer = code(path)?;
        ensure!(answer == "401" || answer == "403", "anonymous {path}: {answer}");
    }
    for path in ["/readyz", "/livez", "/healthz"] {
        ensure!(code(path)? == "200", "{path} must answer without a certificate, for the balancers");
    }
    for node in crate::NODES.iter().chain(&crate::MASTERS) {
        let kubelet = format!("https://{}:10250/pods", scenario.lab.host(node)?.address);
        let answer = run("curl", ["-sk", "-o", "/dev/null", "-w", "%{http_code}", &kubelet])?.ok()?.stdout;
        ensure!(answer == "401" || answer == "403", "anonymous request to the kubelet of {node}: {answer}");
    }
    Ok(())
}

/// n1's own credentials cannot read a Secret that only a pod on another node uses.
fn a_kubelet_reads_only_its_own(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    kubectl.run(&["create", "secret", "generic", "foreign", "--from-literal=word=plainly-visible-word"])?.ok()?;
    let local = scenario.folder.path().join("kubelet-n1.conf");
    fs_err::write(&local, scenario.lab.get("n1", "cat /etc/kubernetes/kubelet.conf")?)?;
    let as_node = Kubectl::new(&local)?;
    let refused = as_node.run(&["get", "secret", "foreign"])?.code(1)?;
    ensure!(refused.stderr.contains("Forbidden") || refused.stderr.contains("forbidden"), "{}", refused.stderr);
    let others = as_node.run(&["label", "node", "n2", "stolen=yes"])?.code(1)?;
    ensure!(others.stderr.contains("orbidden"), "{}", others.stderr);
    as_node.run(&["get", "node", "n1"])?.ok()?;
    Ok(())
}

fn secrets_are_ciphertext(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    let word = kubectl.get(&["get", "secret", "foreign", "-o", "jsonpath={.data.word}"])?;
    ensure!(word == "cGxhaW5seS12aXNpYmxlLXdvcmQ=", "the API gives back what was stored: {word}");
    let etcdctl = "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key get /registry/secrets/default/foreign";
    let raw = scenario.lab.get("m1", &format!("{etcdctl} | tr -cd '[:print:]'"))?;
    ensure!(raw.contains("k8s:enc:secretbox:v1:"), "not sealed by secretbox: {raw}");
    ensure!(!raw.contains("plainly-visible-word"), "the Secret lies in etcd as clear text");
    Ok(())
}

fn files_have_the_right_modes(scenario: &Scenario) -> Result<()> {
    for host in crate::ALL {
        let keys = scenario.lab.get(
            host,
            "find /etc/kubernetes /var/lib/kubelet/pki -name '*.key' -o -name '*.conf' 2>/dev/null | xargs -r stat -c '%a %n'",
        )?;
        for line in keys.lines() {
            ensure!(line.starts_with("600 "), "{host}: {line}");
        }
        let forbidden = scenario.lab.get(host, "find / -xdev -name 'super-admin*' -o -xdev -name 'front-proxy-ca.key' 2>/dev/null")?;
        ensure!(forbidden.is_empty(), "{host} holds what it must not: {forbidden}");
    }
    for balancer in crate::BALANCERS {
        let secrets = scenario.lab.get(balancer, "find /etc/kubernetes -type f")?;
        ensure!(secrets.lines().all(|line| line.ends_with("/ca.crt")), "{balancer} holds more than the authority's certificate: {secrets}");
    }
    Ok(())
}
