//! Log lines of pods in a real Elasticsearch: none lost and none twice while it is down, entries of several lines whole, a configuration edited by
//! hand taken up, turned off, and brought back.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually, objects};
use serde_json::Value;

use store::{PASSWORD, Store, USER};

const TOPOLOGY: &str = "[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n";
const LAYOUT: [(&str, &str); 2] = [("m1", "etcd, master, node"), ("n1", "node")];
const LABEL: &str = "barque.dev/addon=logging";
/// Lines a second.
const RATE: usize = 200;
/// A pod's start, kubelet's look at a ConfigMap, the pause between two tries.
const SOON: Duration = Duration::from_mins(4);

#[test]
fn no_line_is_lost_and_none_comes_twice() -> Result<()> {
    let scenario = Scenario::new("logs", TOPOLOGY)?;
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?)?;
    let mut store = Store::start(&scenario)?;
    scenario.up(&[])?.ok()?;
    scenario.load_toolbox(&["m1", "n1"])?;
    let kubectl = scenario.kubectl()?;
    let before = objects(&kubectl, "")?;

    turned_on(&scenario, &kubectl, &store)?;
    the_store_is_down(&scenario, &kubectl, &mut store)?;
    edited_by_hand(&scenario, &kubectl, &store)?;
    a_setting(&scenario, &kubectl)?;
    off_and_back(&scenario, &kubectl, &store, &before)
}

/// A pod that writes numbered lines; each fiftieth entry has two lines.
fn writer(scenario: &Scenario, kubectl: &Kubectl, name: &str, node: &str, lines: usize) -> Result<()> {
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: default, labels: {{app: writer}}}}\nspec:\n  nodeName: {node}\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n    - name: writer\n      image: barque.test/toolbox:1\n      imagePullPolicy: Never\n      \
         args: [lines, \"{RATE}\", \"{lines}\"]\n"
    );
    kubectl.apply(scenario.folder.path(), name, &pod)
}

/// Every number of 1 to `lines` is there exactly once, with what Kubernetes knows of its pod.
fn whole(store: &Store, index: &str, pod: &str, node: &str, lines: usize) -> Result<()> {
    let documents = store.documents(index, pod)?;
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    for document in &documents {
        let message = document["message"].as_str().with_context(|| document.to_string())?;
        let number: usize =
            message.split(' ').next().unwrap_or_default().parse().with_context(|| format!("a line of its own: {message}"))?;
        ensure!(message.contains("second half") == number.is_multiple_of(50), "{message}");
        *seen.entry(number).or_default() += 1;
    }
    let missing = (1..=lines).filter(|number| !seen.contains_key(number)).count();
    let twice = seen.values().filter(|count| **count > 1).count();
    ensure!(missing == 0 && twice == 0, "of {lines} lines of {pod} {missing} are missing and {twice} there more than once");
    let first = documents.first().context("there is a document")?;
    let kubernetes = &first["kubernetes"];
    ensure!(kubernetes["namespace"] == "default" && kubernetes["container"]["name"] == "writer", "{first}");
    ensure!(kubernetes["node"]["name"] == node && first["k8s"]["pod"]["label"]["app"] == "writer", "{first}");
    Ok(())
}

fn turned_on(scenario: &Scenario, kubectl: &Kubectl, store: &Store) -> Result<()> {
    scenario.step("turned on: lines of both nodes are in the store, over TLS that is verified and with a password");
    let settings = format!(
        "addons:\n  - name: logging\n    settings:\n      endpoints: [{}/logs/doc]\n      index: cluster\n      caConfigMap: store\n      credentialsSecret: store\n      \
         multiline:\n        - {{namespace: default, container: writer, firstLine: '^[0-9]+ is'}}\n",
        store.url
    );
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?.spec(&settings))?;
    scenario.remote(&["plan"])?.code(3)?.says(&["DaemonSet logging/collector", "ConfigMap logging/collector"])?;
    // What the pods wait for is made by whoever knows the password: its namespace may be there before the add-on is.
    kubectl.run(&["create", "namespace", "logging"])?.ok()?;
    let authority = scenario.folder.path().join("store-ca.pem").display().to_string();
    kubectl.run(&["-n", "logging", "create", "configmap", "store", &format!("--from-file=ca.crt={authority}")])?.ok()?;
    let password = scenario.folder.path().join("password");
    fs_err::write(&password, PASSWORD)?;
    let (user, password) = (format!("--from-literal=username={USER}"), format!("--from-file=password={}", password.display()));
    kubectl.run(&["-n", "logging", "create", "secret", "generic", "store", &user, &password])?.ok()?;
    scenario.up(&[])?.ok()?;
    scenario.remote(&["addons", "status"])?.ok()?.says(&["every add-on is well"])?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    for node in ["m1", "n1"] {
        writer(scenario, kubectl, &format!("first-{node}"), node, 1000)?;
    }
    for node in ["m1", "n1"] {
        eventually("the lines of a pod are in the store", SOON, || whole(store, "cluster", &format!("first-{node}"), node, 1000))?;
    }
    Ok(())
}

/// Seconds without a store; the ten minutes by `BARQUE_TEST_OUTAGE_SECONDS=600`.
fn outage() -> u64 {
    std::env::var("BARQUE_TEST_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(45)
}

fn the_store_is_down(scenario: &Scenario, kubectl: &Kubectl, store: &mut Store) -> Result<()> {
    let lines = usize::try_from(outage())? * RATE + 20 * RATE;
    scenario.step(&format!("the store is down for {} s under {RATE} lines a second, {lines} in all", outage()));
    writer(scenario, kubectl, "steady", "n1", lines)?;
    eventually("its first lines arrive", SOON, || {
        ensure!(store.count("cluster", "steady")? > 0, "no line of it");
        Ok(())
    })?;
    store.stop()?;
    std::thread::sleep(Duration::from_secs(outage() / 2));
    scenario.step("in the midst of it the collector starts again");
    kubectl.run(&["-n", "logging", "delete", "pods", "--all", "--wait=false"])?.ok()?;
    std::thread::sleep(Duration::from_secs(outage() - outage() / 2));
    store.resume()?;
    let wanted = u64::try_from(lines)?;
    eventually("as many lines are in the store", SOON, || {
        let found = store.count("cluster", "steady")?;
        ensure!(found >= wanted, "{found} of {wanted}");
        Ok(())
    })?;
    eventually("every line is in the store", SOON, || whole(store, "cluster", "steady", "n1", lines))
}

fn edited_by_hand(scenario: &Scenario, kubectl: &Kubectl, store: &Store) -> Result<()> {
    scenario.step("the ConfigMap edited by hand: rolled out by itself, shown, kept, and put back when told");
    let text = kubectl.get(&["-n", "logging", "get", "configmap", "collector", "-o", "json"])?;
    let mut edited: Value = serde_json::from_str(&text)?;
    let config = edited["data"]["collector.yaml"].as_str().context("a configuration")?;
    edited["data"]["collector.yaml"] = config.replace("logs_index: \"cluster\"", "logs_index: \"edited\"").into();
    let patch = serde_json::json!({"data": edited["data"]}).to_string();
    kubectl.run(&["-n", "logging", "patch", "configmap", "collector", "--type", "merge", "--patch", &patch])?.ok()?;
    writer(scenario, kubectl, "after-edit", "n1", 60 * RATE)?;
    eventually("lines go where the edited configuration says", SOON, || {
        ensure!(store.count("edited", "after-edit")? > 0, "no line of it");
        Ok(())
    })?;
    scenario.remote(&["drift"])?.code(3)?.says(&["ConfigMap logging/collector"])?;
    scenario.up(&[])?.code(4)?.says(&["--overwrite-drift"])?;
    scenario.up(&["--overwrite-drift"])?.ok()?;
    scenario.remote(&["drift"])?.ok()?;
    eventually("no line of it is lost over both changes", SOON, || {
        let (old, new) = (store.count("cluster", "after-edit")?, store.count("edited", "after-edit")?);
        ensure!(old + new >= u64::try_from(60 * RATE)?, "{old} and {new} of {}", 60 * RATE);
        Ok(())
    })
}

fn a_setting(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("a setting changes the configuration and the collectors, and nothing else");
    let before = objects(kubectl, "")?;
    scenario.barque(&["addons", "enable", "logging", "--set", "queueMegabytes=500"])?.ok()?;
    scenario.up(&[])?.ok()?;
    let after = objects(kubectl, "")?;
    let changed: Vec<&String> = after.keys().filter(|name| before.get(*name) != after.get(*name)).collect();
    // A DaemonSet's former templates are objects of their own.
    let ours = |name: &&&String| !name.starts_with("ControllerRevision ");
    ensure!(changed.iter().filter(ours).all(|name| **name == "DaemonSet logging/collector"), "changed: {changed:?}");
    scenario.barque(&["addons", "enable", "logging", "--set", "queueMegabytes=5"])?.code(2)?.says(&["queueMegabytes"])?;
    Ok(())
}

fn off_and_back(scenario: &Scenario, kubectl: &Kubectl, store: &Store, before: &BTreeMap<String, String>) -> Result<()> {
    scenario.step("turned off: its objects go, and what others made stays");
    scenario.barque(&["addons", "disable", "logging"])?.ok()?;
    scenario.up(&[])?.ok()?;
    let removal = scenario.last_run()?;
    let left = objects(kubectl, LABEL)?;
    ensure!(left.keys().all(|name| name == "Namespace /logging"), "left behind: {:?}", left.keys());
    let others = objects(kubectl, "")?;
    for (name, generation) in before {
        ensure!(others.get(name) == Some(generation), "{name} was disturbed");
    }
    scenario.step("a rollback brings it back, and lines written meanwhile arrive too");
    writer(scenario, kubectl, "meanwhile", "n1", 500)?;
    scenario.remote(&["rollback", &removal, "--yes"])?.ok()?;
    eventually("the lines are in the store", SOON, || whole(store, "cluster", "meanwhile", "n1", 500))
}
