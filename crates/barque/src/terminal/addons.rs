//! The words of `addons`.

use std::fmt::Write as _;

use barque_addon::Check;
use barque_engine::{AddonDetail, AddonDiff, AddonHealthReport, AddonRow};
use barque_model::ObjectDifference;
use barque_plan::ClusterGate;
use serde_json::Value;

use super::diff::{content_lines, printable};
use super::table;

/// The table of all add-ons.
pub(crate) fn list(rows: &[AddonRow], chinese: bool) -> String {
    let mut found = table(["ADD-ON", "VERSION", "ON", "DESCRIPTION"]);
    for row in rows {
        found.add_row([row.name.as_str(), &row.version, if row.enabled { "yes" } else { "no" }, &description(row, chinese)]);
    }
    found.to_string()
}

fn description(row: &AddonRow, chinese: bool) -> String {
    match &row.from {
        Some(from) if row.description.en.is_empty() => format!("your own, from {}", printable(from)),
        Some(from) => format!("{} (your own, from {})", row.description.en, printable(from)),
        None if chinese => row.description.zh.clone(),
        None => row.description.en.clone(),
    }
}

/// All of one add-on.
pub(crate) fn detail(detail: &AddonDetail, chinese: bool) -> String {
    let row = &detail.row;
    let mut text = format!("{} {}: {}\n", row.name, row.version, description(row, chinese));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}: {value}");
    };
    line("on", if row.enabled { "yes" } else { "no" });
    line("namespace", &detail.namespace);
    line("Kubernetes", &detail.kubernetes);
    let needs: Vec<&str> = row.needs.iter().map(barque_model::AddonName::as_str).collect();
    line("needs", &if needs.is_empty() { "no other add-on".to_owned() } else { needs.join(", ") });
    if !detail.settings.is_empty() {
        let mut settings = table(["SETTING", "TYPE", "DEFAULT", "HERE", "MEANING"]);
        for setting in &detail.settings {
            let here = if setting.value == setting.default { String::new() } else { shown(setting.value.as_ref()) };
            settings.add_row([&setting.name, &setting.kind, &shown(setting.default.as_ref()), &here, &setting.description]);
        }
        let _ = write!(text, "\n{settings}\n");
    }
    section(&mut text, "images", detail.images.iter().map(|image| image.reference.clone()));
    section(&mut text, "checks", detail.checks.iter().map(check_words));
    section(&mut text, "rights", detail.rights.iter().cloned());
    section(&mut text, "objects", detail.objects.iter().cloned());
    text.trim_end().to_owned()
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines = lines.fold(String::new(), |mut found, line| {
        let _ = writeln!(found, "  {}", printable(&line));
        found
    });
    if !lines.is_empty() {
        let _ = write!(text, "\n{title}\n{lines}");
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn check_words(check: &Check) -> String {
    match check {
        Check::DeploymentReady { namespace, name } => format!("every pod of Deployment {namespace}/{name} is ready"),
        Check::DaemonSetReady { namespace, name } => format!("DaemonSet {namespace}/{name} has a ready pod on every node that it is for"),
        Check::StatefulSetReady { namespace, name } => format!("every pod of StatefulSet {namespace}/{name} is ready"),
        Check::ApiServiceAvailable { name } => format!("the API server reaches what serves {name}"),
        Check::Answers { path, items: 0 } => format!("{path} answers"),
        Check::Answers { path, items } => format!("{path} answers with {items} or more entries"),
    }
}

fn gate_words(gate: &ClusterGate) -> String {
    match gate {
        ClusterGate::DeploymentReady { namespace, name, .. } => format!("Deployment {namespace}/{name} is ready"),
        ClusterGate::DaemonSetReady { namespace, name } => format!("DaemonSet {namespace}/{name} is ready"),
        ClusterGate::StatefulSetReady { namespace, name } => format!("StatefulSet {namespace}/{name} is ready"),
        ClusterGate::ApiServiceAvailable { name } => format!("{name} is available"),
        ClusterGate::Answers { path, .. } => format!("{path} answers"),
        ClusterGate::NodesRegistered { nodes } => format!("{} nodes have registered", nodes.len()),
        ClusterGate::NodesReady { nodes } => format!("{} nodes are Ready", nodes.len()),
    }
}

/// How each add-on is.
pub(crate) fn health(report: &AddonHealthReport) -> String {
    let mut found = table(["ADD-ON", "WELL", "CHECK", "PROBLEM"]);
    for addon in &report.addons {
        for check in &addon.checks {
            let (well, problem) = match &check.problem {
                None => ("yes", String::new()),
                Some(problem) => ("NO", printable(problem)),
            };
            found.add_row([addon.name.as_str(), well, &gate_words(&check.check), &problem]);
        }
    }
    let unwell: Vec<&str> = report.addons.iter().filter(|addon| !addon.healthy).map(|addon| addon.name.as_str()).collect();
    let verdict = if unwell.is_empty() { "every add-on is well".to_owned() } else { format!("NOT well: {}", unwell.join(", ")) };
    format!("{found}\n\ncluster `{}`: {verdict}", report.cluster)
}

/// Which objects differ, and how.
pub(crate) fn differences(found: &[AddonDiff]) -> String {
    if found.is_empty() {
        return "the objects of every add-on are as wanted".to_owned();
    }
    let mut text = String::new();
    for diff in found {
        let (owner, how) = match (&diff.addon, diff.state) {
            (Some(addon), Some(ObjectDifference::Absent)) => (format!("{addon}: "), "is not there"),
            (Some(addon), Some(ObjectDifference::Edited)) => (format!("{addon}: "), "was changed since barque applied it"),
            (Some(addon), _) => (format!("{addon}: "), "differs"),
            (None, _) => (String::new(), "is not wanted by any add-on any more"),
        };
        let _ = writeln!(text, "{owner}{} {how}", diff.object);
        for conflict in &diff.conflicts {
            let _ = writeln!(text, "  {}", printable(conflict));
        }
        if diff.state != Some(ObjectDifference::Absent) {
            text.push_str(&diff.content.as_ref().map_or_else(String::new, |content| content_lines(content, true, 4)));
        }
    }
    let things = if found.len() == 1 { "1 object differs".to_owned() } else { format!("{} objects differ", found.len()) };
    let _ = write!(text, "{things}; `barque plan` shows what `barque up` would do");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_engine::{AddonHealth, AddonSetting, CheckHealth};

    use super::*;

    fn row() -> AddonRow {
        AddonRow {
            name: "metrics-server".parse().unwrap(),
            version: "0.9.0".into(),
            enabled: true,
            from: None,
            needs: Vec::new(),
            description: barque_addon::Words { en: "Use of nodes".into(), zh: "用量".into() },
        }
    }

    #[test]
    fn one_add_on_in_full() {
        let setting = AddonSetting {
            name: "replicas".into(),
            kind: "integer, 0 to 10".into(),
            default: Some(0.into()),
            value: Some(3.into()),
            description: "Number of pods.".into(),
        };
        let found = AddonDetail {
            row: row(),
            namespace: "kube-system".into(),
            kubernetes: "1.34 or later".into(),
            settings: vec![setting],
            images: Vec::new(),
            checks: vec![Check::Answers { path: "/apis/x".into(), items: 1 }],
            rights: vec!["x: get nodes".into()],
            objects: vec!["Service kube-system/metrics-server".into()],
        };
        insta::assert_snapshot!(anstream::adapter::strip_str(&detail(&found, false)).to_string(), @r"
        metrics-server 0.9.0: Use of nodes
        on: yes
        namespace: kube-system
        Kubernetes: 1.34 or later
        needs: no other add-on

        SETTING   TYPE              DEFAULT  HERE  MEANING          
        replicas  integer, 0 to 10  0        3     Number of pods.  

        checks
          /apis/x answers with 1 or more entries

        rights
          x: get nodes

        objects
          Service kube-system/metrics-server
        ");
    }

    #[test]
    fn what_is_unwell_is_named() {
        let check = ClusterGate::ApiServiceAvailable { name: "v1.x".into() };
        let checks = vec![CheckHealth { check, problem: Some("no endpoints".into()) }];
        let addons = vec![AddonHealth { name: "x".parse().unwrap(), healthy: false, checks }];
        let report = AddonHealthReport { cluster: "ha".parse().unwrap(), healthy: false, addons };
        insta::assert_snapshot!(anstream::adapter::strip_str(&health(&report)).to_string(), @r"
        ADD-ON  WELL  CHECK              PROBLEM       
        x       NO    v1.x is available  no endpoints  

        cluster `ha`: NOT well: x
        ");
    }

    #[test]
    fn what_differs_and_what_goes() {
        let diff = |addon: Option<&str>, object: &str, state, conflicts: &[&str]| AddonDiff {
            addon: addon.map(|name| name.parse().unwrap()),
            object: object.into(),
            state,
            conflicts: conflicts.iter().map(|text| (*text).to_owned()).collect(),
            content: None,
        };
        let found = [
            diff(Some("x"), "Service a/x", Some(ObjectDifference::Absent), &[]),
            diff(Some("x"), "Deployment a/x", Some(ObjectDifference::Differs), &["`.spec.replicas` belongs to `kubectl`"]),
            diff(None, "Role a/y", None, &[]),
        ];
        insta::assert_snapshot!(differences(&found), @r"
        x: Service a/x is not there
        x: Deployment a/x differs
          `.spec.replicas` belongs to `kubectl`
        Role a/y is not wanted by any add-on any more
        3 objects differ; `barque plan` shows what `barque up` would do
        ");
        assert_eq!(differences(&[]), "the objects of every add-on are as wanted");
    }
}
