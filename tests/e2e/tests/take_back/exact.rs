//! `plan` changes nothing and says the same thing twice; `up plan.json` does what it lists and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Scenario, changes, resource_id};
use serde_json::Value;

use crate::hosts::{self, Found};

/// Plans twice; the hosts stay as they are but for barque's own program. Answers the saved plan.
pub(crate) fn plan_changes_nothing_and_repeats(scenario: &Scenario, found: &Found) -> Result<PathBuf> {
    scenario.step("plan changes nothing");
    let [one, two] = ["plan-1.json", "plan-2.json"].map(|name| scenario.folder.path().join(name));
    scenario.remote(&["plan", "-o", &one.display().to_string()])?.code(3)?;
    hosts::files_are_as_found(scenario, found, &["/var/lib/barque"])?;
    for host in crate::ALL {
        // The agent, which is barque itself, is there; nothing that it would have written or received for a run is.
        let left = scenario.lab.get(host, "find /var/lib/barque -type f -not -path '/var/lib/barque/agent/*'")?;
        ensure!(left.is_empty(), "{host}: plan left {left}");
    }
    ensure!(hosts::kernel(scenario)? == found.kernel, "plan changed parameters, interfaces, units or users");
    scenario.step("plan repeats itself");
    scenario.remote(&["plan", "-o", &two.display().to_string()])?.code(3)?;
    ensure!(fs_err::read(&one)? == fs_err::read(&two)?, "two plans of the same hosts differ: `{}` and `{}`", one.display(), two.display());
    let text = scenario.remote(&["plan", "--verbose"])?.code(3)?;
    let texts = ["m1", "/etc/kubernetes/kube-apiserver.env", "--service-cluster-ip-range", "etcd.service", "kube-apiserver"];
    let text = text.says(&texts)?;
    let secret = format!("{}{}", text.stdout, text.stderr);
    for never in ["PRIVATE KEY", "client-key-data: L"] {
        ensure!(!secret.contains(never), "plan shows `{never}`");
    }
    Ok(one)
}

/// Performs the saved plan and compares it with the hosts' journals and stores. Answers the run.
pub(crate) fn up_does_what_the_plan_lists(scenario: &Scenario, plan: &PathBuf) -> Result<String> {
    scenario.step("up with the saved plan");
    let text = fs_err::read_to_string(plan)?;
    let saved: Value = serde_json::from_str(&text)?;
    let steps = steps(&saved).context("the saved plan has steps")?;
    scenario.up(&[&plan.display().to_string()])?.ok()?;
    let run = scenario.last_run()?;
    scenario.step("its journals against the plan");
    let mut planned: BTreeMap<(String, String, String), &Value> = BTreeMap::new();
    let mut sent: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for step in steps {
        let host = step["host"].as_str().unwrap_or_default().to_owned();
        let title = step["title"].as_str().unwrap_or_default().to_owned();
        match step["action"]["type"].as_str() {
            Some("apply") => {
                let resource = &step["action"]["resource"];
                planned.insert((host, resource_id(resource), title), resource);
            }
            Some("transfer") => {
                sent.entry(host).or_default().insert(step["action"]["blob"]["digest"].as_str().unwrap_or_default().to_owned());
            }
            _ => {}
        }
    }
    ensure!(planned.len() > 300, "the plan has {} changes only", planned.len());
    let mut journalled = BTreeSet::new();
    for change in changes(&scenario.lab)? {
        ensure!(change.run == run, "{} has a journal of another run, {}", change.host, change.run);
        // What is changed through the API is not a resource of the host that asks.
        if change.resource.is_null() || change.resource.as_object().is_some_and(serde_json::Map::is_empty) {
            continue;
        }
        let key = (change.host.clone(), resource_id(&change.resource), change.step.clone());
        let wanted = planned.get(&key).with_context(|| format!("a change that the plan does not list: {key:?}"))?;
        ensure!(**wanted == change.resource, "{key:?} is not as planned: {wanted} and {}", change.resource);
        ensure!(change.result.as_deref() == Some("changed"), "{key:?} ended with {:?}", change.result);
        ensure!(journalled.insert(key.clone()), "{key:?} was applied twice");
    }
    for (key, resource) in &planned {
        // A package brings folders of its own: such a step finds nothing to do any more.
        let Some(directory) = (!journalled.contains(key)).then(|| &resource["Directory"]["path"]) else { continue };
        let path = directory.as_str().with_context(|| format!("a listed step was not done: {key:?}"))?;
        scenario.lab.get(&key.0, &format!("test -d {path}"))?;
    }
    for host in crate::ALL {
        let stored = scenario.lab.get(host, "cd /var/lib/barque/store && find . -maxdepth 1 -type f -printf '%f\\n'")?;
        let stored: BTreeSet<String> = stored.lines().map(str::to_owned).collect();
        let listed = sent.remove(host).unwrap_or_default();
        ensure!(stored == listed, "{host} holds other blobs than the plan lists: {:?}", stored.symmetric_difference(&listed));
    }
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    scenario.remote(&["plan"])?.code(0)?;
    crate::nothing_differs(scenario)?;
    Ok(run)
}

/// The steps in a saved plan, wherever its form keeps them.
fn steps(saved: &Value) -> Option<&Vec<Value>> {
    match saved {
        Value::Object(fields) => fields.get("steps").and_then(Value::as_array).or_else(|| fields.values().find_map(steps)),
        _ => None,
    }
}
