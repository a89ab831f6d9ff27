//! Ten hosts with etcd on its own three.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use anyhow::{Result, ensure};
use barque_e2e::{ClusterFile, Scenario};

const LAYOUT: [(&str, &str); 10] = [
    ("e1", "etcd"),
    ("e2", "etcd"),
    ("e3", "etcd"),
    ("lb1", "loadBalancer"),
    ("lb2", "loadBalancer"),
    ("m1", "master"),
    ("m2", "master"),
    ("m3", "master"),
    ("n1", "node"),
    ("n2", "node"),
];

#[test]
fn etcd_on_its_own_hosts() -> Result<()> {
    let topology = LAYOUT.map(|(name, _)| format!("[[hosts]]\nname = \"{name}\"\n")).concat();
    let scenario = Scenario::new("ten", &topology)?;
    // Plain routes between hosts of one segment: the other backend than the seven hosts use.
    scenario.write(
        &ClusterFile::new(&scenario.lab, &LAYOUT)?
            .spec("network:\n  flannel:\n    backend: host-gw\n  kubeProxyMode: iptables\nextraSans: [api.example.test]"),
    )?;
    scenario.step("up");
    scenario.up(&[])?.ok()?.says(&["everything answers"])?;
    let kubectl = scenario.kubectl()?;
    let nodes = kubectl.get(&["get", "nodes", "-o", "name"])?;
    ensure!(nodes.lines().count() == 5, "masters and nodes only, etcd's hosts are no nodes: {nodes}");
    scenario.step("etcd runs on its own hosts only");
    for (host, roles) in LAYOUT {
        let running = scenario.lab.shell(host, "systemctl is-active etcd")?.stdout.trim() == "active";
        ensure!(running == roles.contains("etcd"), "etcd on {host}: {running}");
        let client = scenario.lab.shell(host, "test -e /etc/kubernetes/pki/apiserver-etcd-client.key")?.code == Some(0);
        ensure!(client == roles.contains("master"), "etcd client key on {host}: {client}");
        let authority = scenario.lab.shell(host, "test -e /etc/kubernetes/pki/ca.key")?.code == Some(0);
        ensure!(authority == roles.contains("master"), "the authority's key on {host}: {authority}");
    }
    scenario.step("the extra name is in the certificate");
    let vip = scenario.lab.vip();
    let names = barque_e2e::run(
        "sh",
        ["-c", &format!("openssl s_client -connect {vip}:6443 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName")],
    )?
    .ok()?;
    ensure!(names.stdout.contains("DNS:api.example.test") && names.stdout.contains(&format!("IP Address:{vip}")), "{}", names.stdout);
    scenario.step("flannel's routes");
    let routes = scenario.lab.get("n1", "ip route")?;
    ensure!(
        !routes.contains("flannel.1") && routes.lines().filter(|line| line.contains("10.244.")).count() >= 4,
        "host-gw routes on n1:\n{routes}"
    );
    scenario.step("second up");
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    Ok(())
}
