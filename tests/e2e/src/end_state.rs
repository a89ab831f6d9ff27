//! The state in which a deployment ends: files, units and cluster objects, so that two deployments can be compared.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{Kubectl, Listing, Scenario, Scope, together};

/// Every unit that barque manages.
const UNITS: &str = "etcd haproxy keepalived kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy flanneld";

/// Kinds of objects, and which of their fields count. What a cluster works out by itself (pod ranges, endpoints, leases) does not.
const KINDS: [(&str, &[&str]); 8] = [
    ("deployments", &["spec"]),
    ("daemonsets", &["spec"]),
    ("services", &["spec"]),
    ("configmaps", &["data"]),
    ("serviceaccounts", &[]),
    ("clusterroles", &["rules"]),
    ("clusterrolebindings", &["roleRef", "subjects"]),
    ("nodes", &[]),
];

/// What a deployment has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct EndState {
    files: BTreeMap<String, Listing>,
    /// `HOST UNIT`, to its state.
    units: BTreeMap<String, String>,
    /// `kind namespace/name`, to what counts of it.
    objects: BTreeMap<String, Value>,
}

impl EndState {
    /// Looks at all hosts and asks the API.
    pub fn take(scenario: &Scenario, kubectl: &Kubectl) -> Result<Self> {
        let hosts: Vec<&str> = scenario.lab.hosts().iter().map(|host| host.name.as_str()).collect();
        let scope =
            Scope::of(&["/etc", "/usr/local", "/opt", "/var/lib/kubelet/config.yaml", "/var/lib/barque/store", "/var/lib/barque/units"]);
        // Keys and identities of the hosts themselves, the copies that `useradd` makes, and when a blob arrived.
        let scope = scope.without(&["/etc/ssh", "/etc/machine-id", "/var/lib/barque/store/index"]).without(&[
            "/etc/passwd-",
            "/etc/group-",
            "/etc/shadow-",
            "/etc/gshadow-",
        ]);
        let files = scenario.lab.listings(&hosts, &scope.masking_runs())?;
        let mut units = BTreeMap::new();
        let show = format!(
            "for unit in {UNITS}; do echo $unit $(systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState $unit); done"
        );
        let shown = together(&hosts, |host| scenario.lab.get(host, &show))?;
        for (host, text) in hosts.iter().zip(shown) {
            for line in text.lines() {
                let (unit, state) = line.split_once(' ').context("a line of a unit and its state")?;
                units.insert(format!("{host} {unit}"), state.to_owned());
            }
        }
        Ok(Self { files, units, objects: objects(kubectl)? })
    }

    /// What is different in `later`, a line each.
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (host, before) in &self.files {
            let after = later.files.get(host).cloned().unwrap_or_default();
            found.extend(before.differences(&after).into_iter().map(|line| format!("{host}: {line}")));
        }
        found.extend(compared(&self.units, &later.units));
        found.extend(compared(&self.objects, &later.objects));
        found
    }
}

fn compared<Item: PartialEq + std::fmt::Debug>(before: &BTreeMap<String, Item>, after: &BTreeMap<String, Item>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, item) in before {
        match after.get(name) {
            Some(other) if other == item => {}
            other => found.push(format!("{name}: {item:?} -> {other:?}")),
        }
    }
    found.extend(after.keys().filter(|name| !before.contains_key(*name)).map(|name| format!("{name}: new")));
    found
}

fn objects(kubectl: &Kubectl) -> Result<BTreeMap<String, Value>> {
    let mut objects = BTreeMap::new();
    for (kind, fields) in KINDS {
        let list = kubectl.json(&["get", kind, "--all-namespaces"])?;
        for item in list["items"].as_array().context("a list has items")? {
            let metadata = &item["metadata"];
            let name = metadata["name"].as_str().unwrap_or_default();
            // It holds the day on which the API server first looked.
            if name == "kube-apiserver-legacy-service-account-token-tracking" {
                continue;
            }
            let mut counts: BTreeMap<&str, Value> = fields.iter().map(|field| (*field, item[*field].clone())).collect();
            if kind == "nodes" {
                counts.insert("labels", metadata["labels"].clone());
                counts.insert("taints", sorted(&item["spec"]["taints"]));
            }
            objects.insert(format!("{kind} {}/{name}", metadata["namespace"].as_str().unwrap_or_default()), json!(counts));
        }
    }
    Ok(objects)
}

/// Taints without the moment at which they were set, in an order of their own.
fn sorted(taints: &Value) -> Value {
    let mut texts: Vec<String> =
        taints.as_array().into_iter().flatten().map(|taint| format!("{}={}:{}", taint["key"], taint["value"], taint["effect"])).collect();
    texts.sort();
    json!(texts)
}
