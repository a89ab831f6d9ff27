//! What barque applied for add-ons, as the masters' journals tell.

use std::collections::{BTreeMap, BTreeSet};

use barque_agent::{KubeAnswer, KubeCall};
use barque_model::{ADDON_LABEL, HostName, KubeAccess, Role};
use barque_plan::{ClusterObject, ObjectEntry};
use futures::future::join_all;
use serde_json::Value;

use super::kept::{KeptDefinition, take_kept};
use crate::{Context, EngineError, Sessions};

/// Objects of add-ons that barque applied and did not delete, by name, as they were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger(BTreeMap<String, ClusterObject>);

/// Asks every master that answers.
pub(crate) async fn ledger(context: &Context, sessions: &Sessions) -> Result<Ledger, EngineError> {
    let masters = context.cluster.with_role(Role::Master).filter_map(|host| Some((host.name.clone(), sessions.agent(&host.name)?)));
    let answers = join_all(masters.map(|(host, agent)| async move { (host, agent.objects().await) })).await;
    let mut entries = Vec::new();
    for (host, answer) in answers {
        entries.extend(answer.map_err(|error| EngineError::Observe { host, message: error.to_string() })?);
    }
    Ok(Ledger::of(entries))
}

impl Ledger {
    /// Of the masters that changed an object, the one of the latest run tells what became of it.
    fn of(entries: Vec<ObjectEntry>) -> Self {
        let mut latest: BTreeMap<String, ObjectEntry> = BTreeMap::new();
        for entry in entries {
            match latest.get(&entry.name) {
                // In one run: whether an object is there is looked up, so one too many is no harm.
                Some(known) if known.run > entry.run || (known.run == entry.run && known.object.is_some()) => {}
                _ => drop(latest.insert(entry.name.clone(), entry)),
            }
        }
        let objects = latest.into_iter().filter_map(|(name, entry)| {
            let json = as_applied(&entry.object?)?;
            Some((name.clone(), ClusterObject { name, json }))
        });
        Self(objects.collect())
    }

    /// Objects that the add-ons named do not come to, in the order in which they are deleted: what was applied last goes first.
    pub(crate) fn unwanted(&self, wanted: &BTreeSet<&str>) -> Vec<ClusterObject> {
        let mut found: Vec<&ClusterObject> = self.0.values().filter(|object| !wanted.contains(object.name.as_str())).collect();
        found.sort_by_key(|object| (rank(&object.name), object.name.clone()));
        // Who they are is enough to delete them, and the plan is kept.
        found
            .into_iter()
            .map(|object| ClusterObject { name: object.name.clone(), json: barque_plan::without_contents(&object.json) })
            .collect()
    }

    /// All of them, by name.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &ClusterObject> {
        self.0.values()
    }
}

/// In which order kinds go: API groups before what serves them, workloads before what they use, namespaces last.
fn rank(name: &str) -> u8 {
    match name.split(' ').next().unwrap_or_default() {
        "APIService" | "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => 0,
        "ConfigMap" | "Secret" => 2,
        "ClusterRoleBinding" | "RoleBinding" => 3,
        "ClusterRole" | "Role" => 4,
        "PriorityClass" | "StorageClass" | "IngressClass" | "ServiceAccount" => 5,
        "CustomResourceDefinition" => 6,
        "Namespace" => 7,
        _ => 1,
    }
}

/// The object as an apply takes it; `None` for one that is not of an add-on. What a rollback brought back carries its owners, which no
/// apply may.
fn as_applied(object: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(object).ok()?;
    value["metadata"]["labels"][ADDON_LABEL].as_str()?;
    let metadata = value["metadata"].as_object_mut()?;
    metadata.shift_remove("managedFields");
    Some(value.to_string())
}

/// Of `objects`, those that are there, still belong to their add-on and may go; and those that stay because of what else would go with them. None
/// when no API server answers: nothing is deleted unseen.
pub(crate) async fn present(
    sessions: &Sessions,
    masters: &[(HostName, KubeAccess)],
    objects: Vec<ClusterObject>,
) -> (Vec<ClusterObject>, Vec<KeptDefinition>) {
    if objects.is_empty() {
        return (objects, Vec::new());
    }
    let texts: Vec<String> = objects.iter().map(|object| object.json.clone()).collect();
    for (host, access) in masters {
        let Some(agent) = sessions.agent(host) else { continue };
        let Ok(KubeAnswer::Live(live)) = agent.kube(access.clone(), KubeCall::Live(texts.clone())).await else { continue };
        let there = objects.into_iter().zip(live).filter(|(object, live)| live.as_ref().is_some_and(|live| same_owner(&object.json, live)));
        let mut unwanted = there.map(|(object, _)| object).collect();
        let kept = take_kept(sessions, masters, &mut unwanted).await;
        return (unwanted, kept);
    }
    (Vec::new(), Vec::new())
}

fn same_owner(applied: &str, live: &str) -> bool {
    let owner = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        value["metadata"]["labels"][ADDON_LABEL].as_str().map(str::to_owned)
    };
    owner(applied).is_some() && owner(applied) == owner(live)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(name: &str, run: u8, labelled: bool, object: bool) -> ObjectEntry {
        let label = if labelled { format!(r#""{ADDON_LABEL}": "x""#) } else { String::new() };
        let (kind, rest) = name.split_once(' ').unwrap();
        let text = format!(r#"{{"kind": "{kind}", "metadata": {{"name": "{rest}", "labels": {{{label}}}, "managedFields": []}}}}"#);
        ObjectEntry { name: name.into(), object: object.then_some(text), run: format!("20261126T00000{run}Z-0000").parse().unwrap() }
    }

    #[test]
    fn the_latest_run_tells_and_only_add_ons_count() {
        let ledger = Ledger::of(vec![
            entry("Service a", 1, true, true),
            entry("Service a", 3, true, false),
            entry("Service b", 2, true, true),
            entry("Service b", 1, true, false),
            entry("Service c", 1, false, true),
            entry("Namespace n", 1, true, true),
            entry("APIService g", 1, true, true),
        ]);
        let names = |objects: Vec<ClusterObject>| objects.into_iter().map(|object| object.name).collect::<Vec<_>>();
        assert_eq!(names(ledger.unwanted(&BTreeSet::new())), ["APIService g", "Service b", "Namespace n"]);
        assert_eq!(names(ledger.unwanted(&BTreeSet::from(["Service b", "APIService g"]))), ["Namespace n"]);
        assert!(ledger.objects().all(|object| !object.json.contains("managedFields")));
    }

    #[test]
    fn what_somebody_took_over_is_not_deleted() {
        let of = |owner: &str| format!(r#"{{"metadata": {{"labels": {{"{ADDON_LABEL}": "{owner}"}}}}}}"#);
        assert!(same_owner(&of("a"), &of("a")));
        assert!(!same_owner(&of("a"), &of("b")) && !same_owner(&of("a"), "{}") && !same_owner("{}", "{}"));
    }
}
