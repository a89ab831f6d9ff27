//! Private registries with an authority and a password of their own: every node pulls from them, the second when the first is gone, and the
//! password shows nowhere.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

mod registry;
mod secrecy;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually};

use registry::{PASSWORD, Registries, USER};

/// One host that is everything, one more node, and two hosts of no cluster for the registries.
const TOPOLOGY: &str = "[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n[[hosts]]\nname = \"r1\"\n[[hosts]]\nname = \"r2\"\n";
const LAYOUT: [(&str, &str); 2] = [("m1", "etcd, master, node"), ("n1", "node")];
pub(crate) const NODES: [&str; 2] = ["m1", "n1"];
/// A registry host that exists only in names of images: its mirrors answer for it.
const HOST: &str = "images.barque.test";
const FOLDER: &str = "/etc/containerd/certs.d/images.barque.test";

/// A pod on every node, whose image is asked for at each start.
const PODS: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: pulled, namespace: default}
spec:
  selector: {matchLabels: {app: pulled}}
  template:
    metadata: {labels: {app: pulled}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      containers:
        - {name: pulled, image: "images.barque.test/library/toolbox:1", imagePullPolicy: Always}
"#;

#[test]
fn pulls_go_through_the_mirrors_and_nobody_sees_the_password() -> Result<()> {
    let scenario = Scenario::new("pull", TOPOLOGY)?;
    scenario.step("two registries with TLS and a password, one image in both");
    let registries = Registries::start(&scenario)?;
    registries.push("r1")?;
    registries.push("r2")?;
    scenario.write(&file(&scenario, Some(["r1", "r2"]))?)?;

    scenario.step("plan shows that there is a secret, and not the secret");
    let plan = scenario.remote(&["plan"])?;
    plan_is_silent(&plan.stdout, &plan.stderr)?;
    ensure!(plan.stdout.contains(&format!("{FOLDER}/hosts.toml")), "hosts.toml is not in the plan:\n{}", plan.stdout);

    scenario.step("up, with a test pull on each node before its kubelet starts");
    scenario.up(&[])?.ok()?.says(&["everything answers"])?;
    let recorded = barque_e2e::run("grep", ["-r", "-l", "toolbox:1 can be pulled", &scenario.state().display().to_string()])?;
    ensure!(recorded.code == Some(0), "no record of a test pull");
    for node in NODES {
        let modes = scenario.lab.get(node, &format!("stat -c '%a %U %n' {FOLDER}/*"))?;
        ensure!(modes.contains(&format!("600 root {FOLDER}/hosts.toml")), "{node}:\n{modes}");
        ensure!(modes.contains(&format!("644 root {FOLDER}/mirror-1.ca.pem")), "{node}:\n{modes}");
        let namespaces = scenario.lab.get(node, "ctr namespaces ls -q")?;
        ensure!(!namespaces.contains("barque-test"), "the test pull left something on {node}: {namespaces}");
    }

    scenario.step("pods on every node");
    let kubectl = scenario.kubectl()?;
    kubectl.apply(scenario.folder.path(), "pods", PODS)?;
    running_on_every_node(&kubectl)?;

    scenario.step("first mirror down: the second is used");
    scenario.lab.kill("r1")?;
    kubectl.get(&["delete", "pods", "-l", "app=pulled", "--wait=false"])?;
    running_on_every_node(&kubectl)?;

    scenario.step("another order: containerd goes on running");
    let before = containerds(&scenario)?;
    scenario.write(&file(&scenario, Some(["r2", "r1"]))?)?;
    scenario.up(&[])?.ok()?;
    ensure!(containerds(&scenario)? == before, "containerd was restarted");
    let text = scenario.lab.get("n1", &format!("cat {FOLDER}/hosts.toml"))?;
    let first = text.lines().find(|line| line.starts_with("[host.")).context("no mirror in hosts.toml")?;
    ensure!(first.contains(&scenario.lab.host("r2")?.address.to_string()), "first in hosts.toml: {first}");

    scenario.step("a wrong password is found by the test pull");
    registries.password("wrong-word")?;
    scenario.up(&[])?.code(1)?.says(&["cannot be pulled", HOST, "authorization failed"])?;
    registries.password(PASSWORD)?;
    scenario.up(&[])?.ok()?;

    secrecy::check(&scenario)?;

    scenario.step("without the entry its folder goes");
    scenario.write(&file(&scenario, None)?)?;
    scenario.up(&[])?.ok()?;
    for node in NODES {
        let gone = scenario.lab.shell(node, &format!("test -e {FOLDER}"))?;
        ensure!(gone.code == Some(1), "{FOLDER} is still on {node}");
    }
    ensure!(containerds(&scenario)? == before, "containerd was restarted");
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    Ok(())
}

/// A cluster whose images come from two mirrors, in this order, and from nowhere else.
fn file(scenario: &Scenario, order: Option<[&str; 2]>) -> Result<ClusterFile> {
    let file = ClusterFile::new(&scenario.lab, &LAYOUT)?;
    let Some(order) = order else { return Ok(file) };
    let mut lines = format!("registries:\n  - host: {HOST}\n    fallback: false\n    testImage: {HOST}/library/toolbox:1\n    mirrors:\n");
    for name in order {
        let address = scenario.lab.host(name)?.address;
        let _ = writeln!(
            lines,
            "      - url: https://{address}:5000\n        ca: authority.pem\n        username: {USER}\n        passwordFile: password"
        );
    }
    Ok(file.spec(lines.trim_end()))
}

fn plan_is_silent(stdout: &str, stderr: &str) -> Result<()> {
    for word in secrecy::words() {
        ensure!(!stdout.contains(&word) && !stderr.contains(&word), "the password is in what `plan` prints");
    }
    Ok(())
}

fn running_on_every_node(kubectl: &Kubectl) -> Result<()> {
    eventually("a pod on every node", Duration::from_mins(3), || {
        let ready = kubectl.get(&["get", "daemonset", "pulled", "-o", "jsonpath={.status.numberReady}"])?;
        let old = kubectl.get(&["get", "pods", "-l", "app=pulled", "-o", "jsonpath={.items[*].metadata.deletionTimestamp}"])?;
        ensure!(ready == "2" && old.is_empty(), "ready: `{ready}`, ending: `{old}`");
        Ok(())
    })
}

fn containerds(scenario: &Scenario) -> Result<Vec<String>> {
    NODES.iter().map(|node| scenario.lab.get(node, "systemctl show -p MainPID --value containerd")).collect()
}
