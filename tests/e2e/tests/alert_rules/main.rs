//! Every alert of the add-on `monitoring` fires for its fault and is silent without it, as Prometheus's own `promtool test rules` judges.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use barque_addon::Library;
use barque_e2e::run;
use barque_model::Version;
use barque_spec::{Known, parse};
use serde::Deserialize;
use serde_json::{Value, json};

/// Each alert with its fault: series by the minute in Prometheus's notation (`0x60` is 0 for 60 minutes more, `100+10x30` grows by 10 a minute).
const CASES: &str = include_str!("cases.json");
const CLUSTER: &str = include_str!("../../../../examples/ha.yaml");

#[derive(Debug, Deserialize)]
struct Case {
    alert: String,
    /// Minute at which it is silent; none for the one that never is.
    silent: Option<u32>,
    /// Minute at which it fires.
    fires: u32,
    /// Labels that the alert has.
    labels: String,
    series: BTreeMap<String, String>,
}

#[test]
fn every_alert_fires_for_its_fault() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (files, alerts) = rules(folder.path())?;
    let cases: Vec<Case> = serde_json::from_str(CASES)?;
    let tried: BTreeSet<&str> = cases.iter().map(|case| case.alert.as_str()).collect();
    ensure!(alerts.iter().map(String::as_str).eq(tried.iter().copied()), "alerts {alerts:?} and cases {tried:?} are not the same");
    let tests: Vec<Value> = cases.iter().map(test).collect();
    let document = json!({"rule_files": files, "evaluation_interval": "1m", "tests": tests});
    let path = folder.path().join("tests.yaml");
    fs_err::write(&path, document.to_string())?;
    let program =
        std::env::var_os("BARQUE_TEST_BINARIES").context("BARQUE_TEST_BINARIES is not set; run the scenarios by `cargo xtask e2e`")?;
    let promtool = Path::new(&program).join("promtool");
    for file in &files {
        run(&promtool, ["check", "rules", file])?.ok()?;
    }
    run(&promtool, ["test", "rules", &path.display().to_string()])?.ok()?;
    Ok(())
}

/// The add-on's files of rules as they are in a cluster, and the names of all alerts.
fn rules(folder: &Path) -> Result<(Vec<String>, BTreeSet<String>)> {
    let text = format!("{CLUSTER}  addons:\n    - name: monitoring\n");
    let known = Known { kubernetes: &[Version::new(1, 37, 2)] };
    let cluster = parse(&text, "ha.yaml", &known).map_err(|errors| anyhow::anyhow!("{errors}"))?.cluster;
    let chosen = cluster.addons.iter().find(|addon| addon.name.as_str() == "monitoring").context("the add-on is on")?;
    let rendered = Library::embedded().find(chosen).context("there is such an add-on")?.render(&cluster, &chosen.settings)?;
    let (mut files, mut alerts) = (Vec::new(), BTreeSet::new());
    for object in rendered.objects.iter().filter(|object| object["kind"] == "ConfigMap") {
        let data = object["data"].as_object().into_iter().flatten();
        for (name, text) in data.filter(|(name, _)| name.ends_with(".rules.yaml")) {
            let (path, text) = (folder.join(name), text.as_str().unwrap_or_default());
            fs_err::write(&path, text)?;
            files.push(path.display().to_string());
            alerts.extend(text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned));
        }
    }
    Ok((files, alerts))
}

/// Labels differ from alert to alert, texts too: what is asked is whether the alert is there with the labels that matter.
fn test(case: &Case) -> Value {
    let labels = if case.labels.is_empty() { String::new() } else { format!(",{}", case.labels) };
    let asked = |minute: u32, count: Option<u32>| {
        let samples: Vec<Value> = count.into_iter().map(|count| json!({"labels": "{}", "value": count})).collect();
        let expression = format!("count(ALERTS{{alertname=\"{}\",alertstate=\"firing\"{labels}}})", case.alert);
        json!({"expr": expression, "eval_time": format!("{minute}m"), "exp_samples": samples})
    };
    let asked: Vec<Value> = case.silent.map(|minute| asked(minute, None)).into_iter().chain([asked(case.fires, Some(1))]).collect();
    let series: Vec<Value> = case.series.iter().map(|(series, values)| json!({"series": series, "values": values})).collect();
    json!({"name": case.alert, "interval": "1m", "input_series": series, "promql_expr_test": asked})
}
