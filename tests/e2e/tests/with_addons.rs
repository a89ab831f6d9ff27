//! An add-on's life: turned on, asked, changed, turned off without a trace, and brought back; others are not disturbed.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually, finish, objects};

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
    brought_back(&scenario, &kubectl, &removal)?;
    dns_is_set(&scenario, &kubectl)?;
    a_kustomization(&scenario, &kubectl)
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

/// The add-on that is always on has settings too.
fn dns_is_set(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("DNS: one pod, other seconds in its cache; then as before");
    let file = fs_err::read_to_string(scenario.cluster_file())?;
    scenario.barque(&["addons", "enable", "dns", "--set", "replicas=1", "--set", "cacheSeconds=7"])?.ok()?;
    scenario.up(&[])?.ok()?;
    let replicas = kubectl.get(&["-n", "kube-system", "get", "deployment", "coredns", "-o", "jsonpath={.spec.replicas}"])?;
    let corefile = || kubectl.get(&["-n", "kube-system", "get", "configmap", "coredns", "-o", "jsonpath={.data.Corefile}"]);
    ensure!(replicas == "1" && corefile()?.contains("cache 7"), "replicas {replicas}, {}", corefile()?);
    scenario.remote(&["rollback", "--yes"])?.ok()?;
    ensure!(corefile()?.contains("cache 30"), "{}", corefile()?);
    fs_err::write(scenario.cluster_file(), file)?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    Ok(())
}

/// An add-on of one's own that has to be built: by the kubectl that the operator has.
fn a_kustomization(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("a kustomization: built, applied, changed, gone");
    let folder = scenario.folder.path().join("site");
    fs_err::create_dir_all(folder.join("base"))?;
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: page, namespace: default}\ndata: {text: first}\n";
    fs_err::write(folder.join("base/page.yaml"), object)?;
    fs_err::write(folder.join("base/kustomization.yaml"), "resources: [page.yaml]\n")?;
    fs_err::write(folder.join("kustomization.yaml"), "namePrefix: my-\nresources: [base]\n")?;
    let file = fs_err::read_to_string(scenario.cluster_file())?;
    fs_err::write(scenario.cluster_file(), format!("{file}    - {{name: site, from: ./site}}\n"))?;

    // Without a program that builds it, it is named and nothing is done.
    let bare = finish(scenario.command(&["validate"]).env("PATH", "/nowhere"))?;
    bare.code(2)?.says(&["site", "neither `kubectl` nor `kustomize`"])?;
    let path = format!("{}:{}", kubectl.folder().display(), std::env::var("PATH").unwrap_or_default());
    let up = |arguments: &[&str]| finish(scenario.remote_command(arguments).env("PATH", &path));
    let text = || kubectl.get(&["get", "configmap", "my-page", "-o", "jsonpath={.data.text}"]);
    up(&["up"])?.ok()?;
    ensure!(text()? == "first", "{}", text()?);
    fs_err::write(folder.join("base/page.yaml"), object.replace("first", "second"))?;
    up(&["plan"])?.code(3)?.says(&["ConfigMap default/my-page"])?;
    up(&["up"])?.ok()?;
    ensure!(text()? == "second", "{}", text()?);
    fs_err::write(folder.join("kustomization.yaml"), "resources: [gone]\n")?;
    up(&["up"])?.code(2)?.says(&["kustomize", "gone"])?;
    fs_err::write(scenario.cluster_file(), file)?;
    up(&["up"])?.ok()?;
    let left = objects(kubectl, "barque.dev/addon=site")?;
    ensure!(left.is_empty(), "left behind: {:?}", left.keys());
    Ok(())
}
