//! Prometheus asks every part of the cluster and is answered, over TLS; a fault becomes an alert and reaches Alertmanager;
//! changed, turned off, and brought back.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_addon::Library;
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually, objects};
use barque_model::Version;
use barque_spec::{Known, parse};
use serde_json::Value;

mod balancers;
mod certificates;

const TOPOLOGY: &str = "[[hosts]]\nname = \"lb1\"\n[[hosts]]\nname = \"lb2\"\n[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n";
const LAYOUT: [(&str, &str); 4] = [("lb1", "loadBalancer"), ("lb2", "loadBalancer"), ("m1", "etcd, master"), ("n1", "node")];
const LABEL: &str = "barque.dev/addon=monitoring";
/// A pod's start, some rounds of asking, kubelet's look at a ConfigMap.
const SOON: Duration = Duration::from_mins(4);

const SETTINGS: &str = "addons:\n  - name: monitoring\n    settings:\n      scrapeSeconds: 5\n      alertAfterSeconds: 10\n";

#[test]
fn targets_alerts_and_a_life() -> Result<()> {
    let scenario = Scenario::new("watch", TOPOLOGY)?;
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?)?;
    scenario.up(&[])?.ok()?;
    let kubectl = scenario.kubectl()?;
    let before = objects(&kubectl, "")?;

    turned_on(&scenario, &kubectl)?;
    has_pages(&kubectl)?;
    certificates::serve_and_are_kept(&scenario, &kubectl)?;
    rules_are_sound(&kubectl)?;
    every_panel_has_data(&scenario, &kubectl)?;
    a_fault_is_an_alert(&scenario, &kubectl)?;
    balancers::nobody_else_is_answered(&scenario, &kubectl)?;
    balancers::faults_are_alerts(&scenario, &kubectl)?;
    a_setting(&scenario, &kubectl)?;
    off_and_back(&scenario, &kubectl, &before)
}

/// An answer of Prometheus's API, asked through the API server.
fn ask(kubectl: &Kubectl, path: &str) -> Result<Value> {
    let path = format!("/api/v1/namespaces/monitoring/services/https:prometheus:https/proxy/api/v1/{path}");
    Ok(serde_json::from_str::<Value>(&kubectl.get(&["get", "--raw", &path])?)?["data"].clone())
}

/// Every target that Prometheus has: job, address and health.
fn targets(kubectl: &Kubectl) -> Result<Vec<(String, String, String)>> {
    let data = ask(kubectl, "targets?state=active")?;
    let list = data["activeTargets"].as_array().context("a list of targets")?;
    let text = |target: &Value, pointer: &str| target.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let one = |target: &Value| {
        (text(target, "/labels/job"), text(target, "/scrapeUrl"), format!("{} {}", text(target, "/health"), text(target, "/lastError")))
    };
    Ok(list.iter().map(one).collect())
}

/// The page that shows them comes with the program that it is made of.
fn has_pages(kubectl: &Kubectl) -> Result<()> {
    let root = "/api/v1/namespaces/monitoring/services/https:prometheus:https/proxy";
    let page = kubectl.get(&["get", "--raw", &format!("{root}/targets")])?;
    let (_, script) = page.split_once("src=\"./").with_context(|| format!("the page loads a program: {page}"))?;
    let script = script.split('"').next().unwrap_or_default();
    let program = kubectl.get(&["get", "--raw", &format!("{root}/{script}")])?;
    ensure!(program.contains("scrapePool"), "{script} has {} bytes and does not show targets", program.len());
    Ok(())
}

fn all_up(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    eventually("every target is up", SOON, || {
        let found = targets(kubectl)?;
        for (job, url, health) in &found {
            ensure!(health.trim() == "up" && url.starts_with("https://"), "{job} {url}: {health}");
        }
        let jobs: BTreeSet<&str> = found.iter().map(|(job, _, _)| job.as_str()).collect();
        let wanted = [
            "alertmanager",
            "cadvisor",
            "coredns",
            "etcd",
            "haproxy",
            "host",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-state-metrics",
            "kubelet",
            "node-exporter",
            "prometheus",
        ];
        ensure!(jobs.into_iter().eq(wanted), "targets: {found:?}");
        for (job, count) in
            [("kubelet", 2), ("node-exporter", 2), ("kube-scheduler", 1), ("prometheus", 2), ("etcd", 1), ("haproxy", 2), ("host", 3)]
        {
            ensure!(found.iter().filter(|(of, _, _)| of == job).count() == count, "targets of {job}: {found:?}");
        }
        let master = scenario.lab.host("m1")?.address;
        for port in [6443, 9259, 10250, 10257, 10259] {
            let url = format!("https://{master}:{port}/");
            ensure!(found.iter().any(|(_, of, _)| of.starts_with(&url)), "nothing is asked at {url}");
        }
        Ok(())
    })
}

fn turned_on(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("turned on: every target is up, over TLS that is verified");
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?.spec(SETTINGS))?;
    scenario.remote(&["plan"])?.code(3)?.says(&["StatefulSet monitoring/prometheus", "bind-address", "barque-metrics.service"])?;
    scenario.up(&[])?.ok()?;
    scenario.remote(&["addons", "status"])?.ok()?.says(&["every add-on is well"])?;
    all_up(scenario, kubectl)?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    let anonymous = "curl --silent --insecure --output /dev/null --write-out '%{http_code}' https://$(hostname):10257/metrics";
    let code = barque_e2e::run("sh", ["-c", &anonymous.replace("$(hostname)", &scenario.lab.host("m1")?.address.to_string())])?;
    ensure!(matches!(code.stdout.trim(), "401" | "403"), "anybody may read metrics of the controller manager: {}", code.stdout);
    Ok(())
}

/// Prometheus has evaluated every rule, and each expression is one that its metrics answer.
fn rules_are_sound(kubectl: &Kubectl) -> Result<()> {
    eventually("every rule is evaluated", SOON, || {
        let data = ask(kubectl, "rules")?;
        let rules: Vec<&Value> =
            data["groups"].as_array().into_iter().flatten().flat_map(|group| group["rules"].as_array().into_iter().flatten()).collect();
        ensure!(rules.len() > 20, "{} rules", rules.len());
        for rule in rules {
            ensure!(rule["health"] == "ok", "{}: {} {}", rule["name"], rule["health"], rule["lastError"]);
        }
        Ok(())
    })
}

/// Grafana itself cannot be had here: each query of its dashboards is put to Prometheus as Grafana would.
fn every_panel_has_data(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    let queries = panels(&fs_err::read_to_string(scenario.cluster_file())?)?;
    scenario.step(&format!("{} queries of Grafana's dashboards: each has data", queries.len()));
    for (panel, query) in queries {
        let asked = query.replace("$__rate_interval", "1m").replace("$namespace", ".*");
        let path = asked.bytes().fold("query?query=".to_owned(), |path, byte| format!("{path}%{byte:02X}"));
        eventually(&format!("data of `{panel}`"), SOON, || {
            let found = ask(kubectl, &path)?;
            let values = found["result"].as_array().with_context(|| found.to_string())?;
            ensure!(values.iter().any(|one| one["value"][1] != "NaN"), "{asked}: {found}");
            Ok(())
        })?;
    }
    Ok(())
}

/// Title of each panel, and one of its queries.
fn panels(cluster_file: &str) -> Result<Vec<(String, String)>> {
    let text = format!("{cluster_file}    - name: grafana\n");
    let known = Known { kubernetes: &[Version::new(1, 37, 2)] };
    let cluster = parse(&text, "cluster.yaml", &known).map_err(|errors| anyhow::anyhow!("{errors}"))?.cluster;
    let chosen = cluster.addons.iter().find(|addon| addon.name.as_str() == "grafana").context("the add-on is on")?;
    let rendered = Library::embedded().find(chosen).context("there is such an add-on")?.render(&cluster, &chosen.settings)?;
    let mut found = Vec::new();
    for object in rendered.objects.iter().filter(|object| object["kind"] == "ConfigMap") {
        for (name, text) in
            object["data"].as_object().into_iter().flatten().filter(|(_, text)| text.as_str().is_some_and(|text| text.starts_with('{')))
        {
            let board: Value = serde_json::from_str(text.as_str().unwrap_or_default()).with_context(|| name.clone())?;
            for panel in board["panels"].as_array().context("a dashboard has panels")? {
                let title = panel["title"].as_str().context("a panel has a title")?;
                let targets = panel["targets"].as_array().context("a panel has targets")?;
                found.extend(targets.iter().filter_map(|target| Some((title.to_owned(), target["expr"].as_str()?.to_owned()))));
            }
        }
    }
    ensure!(found.len() > 30, "{found:?}");
    Ok(found)
}

fn firing(kubectl: &Kubectl) -> Result<BTreeSet<String>> {
    let path = "/api/v1/namespaces/monitoring/services/https:alertmanager:https/proxy/api/v2/alerts";
    let alerts: Value = serde_json::from_str(&kubectl.get(&["get", "--raw", path])?)?;
    let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap_or_default().to_owned();
    Ok(alerts.as_array().into_iter().flatten().map(name).collect())
}

fn a_fault_is_an_alert(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("without a fault no alert of these; kubelet stopped, then the whole host frozen: alerts that reach Alertmanager and end");
    let none = |names: [&str; 3]| {
        eventually("no alert", SOON, || {
            let found = firing(kubectl)?;
            ensure!(names.iter().all(|name| !found.contains(*name)), "{found:?}");
            Ok(())
        })
    };
    none(["KubeletDown", "NodeDown", "NodeNotReady"])?;
    scenario.lab.get("n1", "systemctl stop kubelet.service")?;
    eventually("KubeletDown reaches Alertmanager", SOON, || {
        let found = firing(kubectl)?;
        ensure!(found.contains("KubeletDown") && !found.contains("NodeDown"), "{found:?}");
        Ok(())
    })?;
    scenario.lab.get("n1", "systemctl start kubelet.service")?;
    none(["KubeletDown", "NodeDown", "NodeNotReady"])?;
    scenario.lab.pause("n1")?;
    let seen = eventually("NodeDown reaches Alertmanager", SOON, || {
        let found = firing(kubectl)?;
        ensure!(found.contains("NodeDown"), "{found:?}");
        Ok(())
    });
    scenario.lab.resume("n1")?;
    seen?;
    none(["KubeletDown", "NodeDown", "NodeNotReady"])?;
    all_up(scenario, kubectl)
}

fn a_setting(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("a rule of one's own: taken up without a new pod");
    let pods = || kubectl.get(&["-n", "monitoring", "get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"]);
    let before = pods()?;
    let own = "      rules:\n        - name: own\n          rules:\n            - {alert: AlwaysThere, expr: vector(1), labels: {severity: info}}\n";
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?.spec(&format!("{SETTINGS}{own}")))?;
    scenario.up(&[])?.ok()?;
    eventually("the rule of one's own is an alert", SOON, || {
        ensure!(firing(kubectl)?.contains("AlwaysThere"), "no such alert");
        Ok(())
    })?;
    ensure!(pods()? == before, "pods were replaced");
    scenario.barque(&["addons", "enable", "monitoring", "--set", "retentionDays=0"])?.code(2)?.says(&["retentionDays"])?;
    Ok(())
}

fn off_and_back(scenario: &Scenario, kubectl: &Kubectl, before: &BTreeMap<String, String>) -> Result<()> {
    scenario.step("turned off: nothing is left, and the control plane listens on loopback again");
    scenario.barque(&["addons", "disable", "monitoring"])?.ok()?;
    scenario.up(&[])?.ok()?;
    let removal = scenario.last_run()?;
    let left = objects(kubectl, LABEL)?;
    ensure!(left.is_empty(), "left behind: {:?}", left.keys());
    let after = objects(kubectl, "")?;
    // CoreDNS's metrics are in the clear again, and its certificate is gone.
    ensure!(!after.contains_key("Secret kube-system/coredns-tls"), "the certificate of CoreDNS was left behind");
    for (name, generation) in before.iter().filter(|(name, _)| *name != "Deployment kube-system/coredns") {
        ensure!(after.get(name) == Some(generation), "{name} was disturbed");
    }
    let listening = scenario.lab.get("m1", "ss -Hltn")?;
    for port in [10257, 10259] {
        ensure!(listening.contains(&format!("127.0.0.1:{port} ")), "port {port} is not on loopback:\n{listening}");
    }
    balancers::nothing_is_left(scenario)?;
    scenario.step("a rollback brings it back");
    scenario.remote(&["rollback", &removal, "--yes"])?.ok()?;
    all_up(scenario, kubectl)
}
