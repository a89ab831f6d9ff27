//! An add-on's life: turned on, asked, changed, turned off without a trace, and brought back; others are not disturbed.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually};

const TOPOLOGY: &str = "[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n";

/// The scheduler's turn, a start on each node, two rounds of measuring.
const SERVING: Duration = Duration::from_mins(3);

const LABEL: &str = "barque.dev/addon=metrics-server";

#[test]
fn on_changed_off_and_back() -> Result<()> {
    let scenario = Scenario::new("addons", TOPOLOGY)?;
    scenario.write(&ClusterFile::new(&scenario.lab, &[("m1", "etcd, master"), ("n1", "node")])?)?;
    scenario.up(&[])?.ok()?;
    let kubectl = scenario.kubectl()?;
    let before = objects(&kubectl, "")?;
    ensure!(objects(&kubectl, LABEL)?.is_empty(), "something of the add-on is there before it is on");

    turned_on(&scenario, &kubectl)?;
    the_same_again(&scenario)?;
    a_foreign_change_shows(&scenario, &kubectl)?;
    one_setting_changes_one_deployment(&scenario, &kubectl)?;
    bad_input_changes_nothing(&scenario, &kubectl)?;
    let removal = turned_off(&scenario, &kubectl, &before)?;
    brought_back(&scenario, &kubectl, &removal)
}

/// Objects of every kind that a client may list and delete, `kind namespace/name`, with their generation where they have one.
fn objects(kubectl: &Kubectl, label: &str) -> Result<BTreeMap<String, String>> {
    let kinds = kubectl.get(&["api-resources", "--verbs=list,delete", "-o", "name"])?;
    // What Kubernetes writes by itself all the time, and what add-ons serve.
    let passing = [
        "events",
        "events.events.k8s.io",
        "leases.coordination.k8s.io",
        "endpointslices.discovery.k8s.io",
        "endpoints",
        "pods",
        "replicasets.apps",
        "ipaddresses.networking.k8s.io",
    ];
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !passing.contains(kind) && !kind.ends_with(".metrics.k8s.io")).collect();
    let kinds = kinds.join(",");
    let mut arguments = vec!["get", &kinds, "--all-namespaces", "--ignore-not-found"];
    if !label.is_empty() {
        arguments.extend(["-l", label]);
    }
    arguments.extend(["-o", "json"]);
    let text = kubectl.get(&arguments)?;
    // Of nothing there is no list.
    let found: serde_json::Value = if text.trim().is_empty() { serde_json::Value::Null } else { serde_json::from_str(&text)? };
    let mut named = BTreeMap::new();
    for object in found["items"].as_array().into_iter().flatten() {
        let text = |pointer: &str| object.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
        let name = format!("{} {}/{}", text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
        named.insert(name, object["metadata"]["generation"].to_string());
    }
    Ok(named)
}

/// The API server hands the question on, and each node has been measured over TLS that is verified.
fn serves(kubectl: &Kubectl) -> Result<()> {
    eventually("`kubectl top nodes` answers for each node", SERVING, || {
        let text = kubectl.get(&["top", "nodes", "--no-headers"])?;
        let named = |node: &str| text.lines().any(|line| line.starts_with(node) && line.contains('%'));
        ensure!(named("m1") && named("n1"), "{text}");
        Ok(())
    })
}

fn turned_on(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("turned on in the file, and nowhere else");
    let original = fs_err::read_to_string(scenario.cluster_file())?;
    scenario.barque(&["addons", "enable", "metrics-server", "--set", "resolutionSeconds=10"])?.ok()?.says(&["barque up"])?;
    let changed = fs_err::read_to_string(scenario.cluster_file())?;
    ensure!(changed.starts_with(&original), "more of the cluster file has changed than its end:\n{changed}");
    ensure!(objects(kubectl, LABEL)?.is_empty(), "turning it on in the file has changed the cluster");
    scenario
        .remote(&["plan"])?
        .code(3)?
        .says(&["Deployment kube-system/metrics-server", "registry.k8s.io/metrics-server/metrics-server"])?;
    scenario.remote(&["addons", "diff"])?.code(3)?.says(&["Deployment kube-system/metrics-server is not there"])?;
    scenario.remote(&["addons", "status"])?.code(1)?;

    scenario.step("up applies it, and it serves when up ends");
    scenario.up(&[])?.ok()?;
    // The gates have held: the first answer is good.
    let top = kubectl.get(&["top", "nodes", "--no-headers"])?;
    ensure!(top.contains("m1") || top.contains("n1"), "no node was measured: {top}");
    serves(kubectl)?;
    let flags = kubectl.get(&[
        "-n",
        "kube-system",
        "get",
        "deployment",
        "metrics-server",
        "-o",
        "jsonpath={.spec.template.spec.containers[0].args}",
    ])?;
    ensure!(
        flags.contains("--kubelet-certificate-authority=") && !flags.contains("insecure"),
        "kubelets' certificates are not verified: {flags}"
    );
    let nodes =
        kubectl.get(&["-n", "kube-system", "get", "pods", "-l", "k8s-app=metrics-server", "-o", "jsonpath={.items[*].spec.nodeName}"])?;
    let mut nodes: Vec<&str> = nodes.split_whitespace().collect();
    nodes.sort_unstable();
    ensure!(nodes == ["m1", "n1"], "its two pods run on {nodes:?}");
    scenario.remote(&["addons", "status"])?.ok()?.says(&["every add-on is well"])?;
    Ok(())
}

fn the_same_again(scenario: &Scenario) -> Result<()> {
    scenario.step("a second up changes nothing");
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    scenario.remote(&["addons", "diff"])?.ok()?;
    Ok(())
}

fn a_foreign_change_shows(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("what somebody changes shows, and is kept until told otherwise");
    kubectl.run(&["-n", "kube-system", "scale", "deployment", "metrics-server", "--replicas=1"])?.ok()?;
    scenario.remote(&["drift"])?.code(3)?.says(&["Deployment kube-system/metrics-server", "\"replicas\": 1"])?;
    let replicas = || kubectl.get(&["-n", "kube-system", "get", "deployment", "metrics-server", "-o", "jsonpath={.spec.replicas}"]);
    scenario.up(&[])?.code(4)?.says(&["metrics-server", "--overwrite-drift"])?;
    ensure!(replicas()? == "1", "up has written over somebody's object");

    scenario.step("a field of somebody else's is not taken over with a new setting: its owner is named");
    scenario.barque(&["addons", "enable", "metrics-server", "--set", "verbosity=2"])?.ok()?;
    scenario.up(&[])?.code(5)?.says(&["Deployment kube-system/metrics-server", ".spec.replicas", "kubectl"])?;
    ensure!(replicas()? == "1", "a refused run has changed the object");
    scenario.up(&["--overwrite-drift"])?.ok()?;
    ensure!(replicas()? == "2", "the object is as somebody left it");
    scenario.remote(&["drift"])?.ok()?;
    Ok(())
}

fn one_setting_changes_one_deployment(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("a setting changes the Deployment and nothing else");
    let before = objects(kubectl, "")?;
    let generation = |objects: &BTreeMap<String, String>| objects.get("Deployment kube-system/metrics-server").cloned();
    scenario.barque(&["addons", "enable", "metrics-server", "--set", "verbosity=1"])?.ok()?;
    scenario.up(&[])?.ok()?;
    let after = objects(kubectl, "")?;
    ensure!(generation(&before) != generation(&after), "the Deployment has not changed");
    let without = |mut objects: BTreeMap<String, String>| {
        objects.remove("Deployment kube-system/metrics-server");
        objects
    };
    ensure!(without(before) == without(after), "more than the Deployment has changed");
    serves(kubectl)
}

fn bad_input_changes_nothing(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("bad input: the file and the cluster stay");
    let (file, before) = (fs_err::read(scenario.cluster_file())?, objects(kubectl, "")?);
    scenario.barque(&["addons", "enable", "metric-server"])?.code(2)?.says(&["did you mean `metrics-server`?"])?;
    scenario.barque(&["addons", "enable", "metrics-server", "--set", "replicas=99"])?.code(2)?.says(&["replicas", "0 to 10"])?;
    scenario.barque(&["addons", "enable", "metrics-server", "--set", "replica=2"])?.code(2)?.says(&["did you mean `replicas`?"])?;
    scenario.barque(&["addons", "disable", "dns"])?.code(5)?;
    ensure!(fs_err::read(scenario.cluster_file())? == file, "the cluster file has changed");
    ensure!(objects(kubectl, "")? == before, "the cluster has changed");
    Ok(())
}

fn turned_off(scenario: &Scenario, kubectl: &Kubectl, before: &BTreeMap<String, String>) -> Result<String> {
    scenario.step("turned off: its objects go, and no other");
    scenario.barque(&["addons", "disable", "metrics-server"])?.ok()?;
    scenario
        .remote(&["plan"])?
        .code(3)?
        .says(&["remove object Deployment kube-system/metrics-server", "remove object APIService v1beta1.metrics.k8s.io"])?;
    scenario.up(&[])?.ok()?;
    let removal = scenario.last_run()?;
    let left = objects(kubectl, LABEL)?;
    ensure!(left.is_empty(), "left behind: {:?}", left.keys());
    let after = objects(kubectl, "")?;
    ensure!(
        after == *before,
        "others were disturbed: {:?}",
        after.iter().filter(|(name, generation)| before.get(*name) != Some(generation)).collect::<Vec<_>>()
    );
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    scenario.remote(&["drift"])?.ok()?;
    Ok(removal)
}

fn brought_back(scenario: &Scenario, kubectl: &Kubectl, removal: &str) -> Result<()> {
    scenario.step("a rollback brings it back, and it serves");
    scenario.remote(&["rollback", removal, "--yes"])?.ok()?;
    ensure!(objects(kubectl, LABEL)?.len() >= 9, "not all of it is back");
    serves(kubectl)?;
    scenario.step("and the rollback can be taken back in turn");
    scenario.remote(&["rollback", "--yes"])?.ok()?;
    ensure!(objects(kubectl, LABEL)?.is_empty(), "something of it is there again");
    Ok(())
}
