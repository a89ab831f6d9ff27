//! Nodes: what they are, and their labels and taints.

use std::collections::BTreeMap;
use std::time::Duration;

use barque_model::{NodeState, Taint, TaintEffect};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::KubeError;
use crate::client::{Client, FIELD_MANAGER};

/// A kubelet that has just started writes its node several times a second; each write in between costs one attempt.
const ATTEMPTS: u32 = 8;

/// Pause after the first lost race; it grows by as much each time.
const PAUSE: Duration = Duration::from_millis(100);

/// A change of a node's labels and taints; what it does not name stays as it is.
#[derive(Debug, Clone, Copy)]
pub struct NodeChange<'a> {
    /// Labels to set.
    pub labels: &'a BTreeMap<String, String>,
    /// Labels to remove.
    pub remove_labels: &'a [String],
    /// Taints to set; one of the same key and effect gets the value wanted.
    pub taints: &'a [Taint],
    /// Taints to remove; one of another value stays.
    pub remove_taints: &'a [Taint],
}

impl Client {
    /// Lists the nodes, sorted by name.
    pub async fn nodes(&self) -> Result<Vec<NodeState>, KubeError> {
        let nodes: Api<Node> = Api::all(self.inner());
        let mut states: Vec<NodeState> = nodes.list(&ListParams::default()).await?.items.into_iter().map(node_state).collect();
        states.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(states)
    }

    /// Sets these labels and taints on a node and leaves all others as they are. A taint of the same key and effect gets the value
    /// wanted. Answers whether there was anything to change. A node that has not registered is [`KubeError::NotFound`]: it is
    /// never created here.
    pub async fn set_node(&self, name: &str, labels: &BTreeMap<String, String>, taints: &[Taint]) -> Result<bool, KubeError> {
        let change = NodeChange { labels, remove_labels: &[], taints, remove_taints: &[] };
        self.patch_node(name, |node| node_patch(node, &change)).await
    }

    /// Changes a node's labels and taints. Answers whether there was anything to change. A label or taint that is to go and is gone
    /// already, and a node that is gone, are nothing to change; so is a taint to remove whose value somebody has changed since.
    pub async fn change_node(&self, name: &str, change: &NodeChange<'_>) -> Result<bool, KubeError> {
        match self.patch_node(name, |node| node_patch(node, change)).await {
            Err(KubeError::NotFound(_)) => Ok(false),
            other => other,
        }
    }

    /// Writes what `patch` says of the node as it is; looks again when somebody else wrote it in between.
    async fn patch_node(&self, name: &str, patch: impl Fn(&Node) -> Option<Value>) -> Result<bool, KubeError> {
        let nodes: Api<Node> = Api::all(self.inner());
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let mut attempt = 1;
        loop {
            let Some(patch) = patch(&nodes.get(name).await?) else { return Ok(false) };
            match nodes.patch(name, &parameters, &Patch::Merge(&patch)).await.map_err(KubeError::from) {
                Ok(_) => return Ok(true),
                Err(KubeError::Conflict(_)) if attempt < ATTEMPTS => tokio::time::sleep(PAUSE * attempt).await,
                Err(error) => return Err(error),
            }
            attempt += 1;
        }
    }
}

fn node_state(node: Node) -> NodeState {
    let status = node.status.unwrap_or_default();
    let condition = status.conditions.unwrap_or_default().into_iter().find(|condition| condition.type_ == "Ready");
    let ready = condition.as_ref().is_some_and(|condition| condition.status == "True");
    let message = match condition {
        _ if ready => String::new(),
        Some(condition) => condition.message.or(condition.reason).unwrap_or_default(),
        None => "the kubelet has not reported yet".to_owned(),
    };
    NodeState {
        name: node.metadata.name.unwrap_or_default(),
        ready,
        message,
        version: status.node_info.map(|info| info.kubelet_version).unwrap_or_default(),
        addresses: status
            .addresses
            .unwrap_or_default()
            .into_iter()
            .filter(|address| address.type_ == "InternalIP")
            .map(|address| address.address)
            .collect(),
        labels: node.metadata.labels.unwrap_or_default(),
        taints: node.spec.and_then(|spec| spec.taints).unwrap_or_default().into_iter().filter_map(taint_of).collect(),
    }
}

/// `None` for an effect that core/v1 does not have.
fn taint_of(taint: k8s_openapi::api::core::v1::Taint) -> Option<Taint> {
    let effects = [TaintEffect::NoSchedule, TaintEffect::PreferNoSchedule, TaintEffect::NoExecute];
    let effect = effects.into_iter().find(|effect| effect.to_string() == taint.effect)?;
    Some(Taint { key: taint.key, value: taint.value.unwrap_or_default(), effect })
}

/// The merge patch that makes the node so, `None` when it is.
fn node_patch(node: &Node, change: &NodeChange<'_>) -> Option<Value> {
    let present = node.metadata.labels.clone().unwrap_or_default();
    let differing = change.labels.iter().filter(|(key, value)| present.get(*key) != Some(*value));
    let mut labels: BTreeMap<&String, Value> = differing.map(|(key, value)| (key, json!(value))).collect();
    // A merge patch removes what it names as null.
    labels.extend(change.remove_labels.iter().filter(|key| present.contains_key(*key)).map(|key| (key, Value::Null)));
    let mut metadata = serde_json::Map::new();
    if !labels.is_empty() {
        metadata.insert("labels".to_owned(), json!(labels));
    }
    whole_patch(node, metadata, taint_list(node, change.taints, change.remove_taints))
}

/// The patch of a node's metadata and, if they change, of all its taints.
fn whole_patch(node: &Node, mut metadata: serde_json::Map<String, Value>, taints: Option<Vec<Value>>) -> Option<Value> {
    let Some(list) = taints else {
        return (!metadata.is_empty()).then(|| json!({ "metadata": metadata }));
    };
    // Taints are one list to the API: what someone else adds between our reading and our writing must not be lost.
    metadata.insert("resourceVersion".to_owned(), json!(node.metadata.resource_version));
    Some(json!({ "metadata": metadata, "spec": { "taints": list } }))
}

/// The whole list of taints with those wanted in it and those unwanted gone, `None` when it is so. Foreign ones keep their place and their
/// `timeAdded`.
fn taint_list(node: &Node, wanted: &[Taint], unwanted: &[Taint]) -> Option<Vec<Value>> {
    let present = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let goes = |taint: &k8s_openapi::api::core::v1::Taint| taint_of(taint.clone()).is_some_and(|taint| unwanted.contains(&taint));
    let mut list: Vec<Value> = present.iter().filter(|taint| !goes(taint)).map(|taint| json!(taint)).collect();
    let mut changed = list.len() < present.len();
    for taint in wanted {
        let effect = taint.effect.to_string();
        let mut entry = json!({ "key": taint.key, "effect": effect });
        if !taint.value.is_empty() {
            entry["value"] = json!(taint.value);
        }
        match list.iter_mut().find(|other| other["key"] == json!(taint.key) && other["effect"] == json!(effect)) {
            Some(other) if other["value"].as_str().unwrap_or_default() == taint.value => {}
            Some(other) => {
                *other = entry;
                changed = true;
            }
            None => {
                list.push(entry);
                changed = true;
            }
        }
    }
    changed.then_some(list)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn node(value: Value) -> Node {
        serde_json::from_value(value).unwrap()
    }

    fn taint(key: &str, value: &str, effect: TaintEffect) -> Taint {
        Taint { key: key.into(), value: value.into(), effect }
    }

    fn setting(node: &Node, labels: &[(&str, &str)], taints: &[Taint]) -> Option<Value> {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        node_patch(node, &NodeChange { labels: &labels, remove_labels: &[], taints, remove_taints: &[] })
    }

    fn taking(node: &Node, label: (&str, &str), gone: &[&str], remove_taints: &[Taint]) -> Option<Value> {
        let labels = BTreeMap::from([(label.0.to_owned(), label.1.to_owned())]);
        let gone: Vec<String> = gone.iter().map(|key| (*key).to_owned()).collect();
        node_patch(node, &NodeChange { labels: &labels, remove_labels: &gone, taints: &[], remove_taints })
    }

    #[test]
    fn states() {
        let state = node_state(node(json!({
            "metadata": {"name": "m1", "labels": {"a": "b"}},
            "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}, {"key": "l", "value": "w", "effect": "NoExecute"}]},
            "status": {
                "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True", "message": "kubelet is posting ready status"}],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "m1"}],
                "nodeInfo": {
                    "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "",
                    "kubeletVersion": "v1.37.2", "machineID": "", "operatingSystem": "linux", "osImage": "", "systemUUID": ""
                }
            }
        })));
        assert!(state.ready);
        assert_eq!(state.message, "");
        assert_eq!(state.version, "v1.37.2");
        assert_eq!(state.addresses, ["10.0.0.1"]);
        assert_eq!(state.taints, [taint("k", "", TaintEffect::NoSchedule), taint("l", "w", TaintEffect::NoExecute)]);
    }

    #[test]
    fn why_a_node_is_not_ready() {
        let message =
            |conditions: Value| node_state(node(json!({"metadata": {"name": "n"}, "status": {"conditions": conditions}}))).message;
        assert_eq!(
            message(json!([{"type": "Ready", "status": "False", "message": "cni plugin not initialized"}])),
            "cni plugin not initialized"
        );
        assert_eq!(message(json!([{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}])), "NodeStatusUnknown");
        assert_eq!(message(json!([])), "the kubelet has not reported yet");
    }

    #[test]
    fn nothing_to_do_is_no_patch() {
        let node = node(json!({
            "metadata": {"name": "n", "labels": {"a": "b", "foreign": "x"}},
            "spec": {"taints": [{"key": "k", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:00Z"}]}
        }));
        assert_eq!(setting(&node, &[("a", "b")], &[taint("k", "", TaintEffect::NoSchedule)]), None);
        assert_eq!(setting(&node, &[], &[]), None);
    }

    #[test]
    fn labels_alone_need_no_version() {
        let node = node(json!({"metadata": {"name": "n", "resourceVersion": "7", "labels": {"a": "old", "c": "d"}}}));
        assert_eq!(setting(&node, &[("a", "new"), ("c", "d")], &[]), Some(json!({"metadata": {"labels": {"a": "new"}}})));
    }

    #[test]
    fn foreign_taints_stay_and_values_are_corrected() {
        let node = node(json!({
            "metadata": {"name": "n", "resourceVersion": "7"},
            "spec": {"taints": [
                {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"},
                {"key": "k", "value": "old", "effect": "NoSchedule"}
            ]}
        }));
        let wanted = [taint("k", "new", TaintEffect::NoSchedule), taint("k", "", TaintEffect::NoExecute)];
        assert_eq!(
            setting(&node, &[], &wanted),
            Some(json!({"metadata": {"resourceVersion": "7"}, "spec": {"taints": [
                {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"},
                {"key": "k", "value": "new", "effect": "NoSchedule"},
                {"key": "k", "effect": "NoExecute"}
            ]}}))
        );
    }

    #[test]
    fn taking_back_names_only_what_is_there() {
        let node = node(json!({
            "metadata": {"name": "n", "resourceVersion": "7", "labels": {"a": "new", "b": "x", "foreign": "y"}},
            "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}, {"key": "k", "value": "theirs", "effect": "NoExecute"}]}
        }));
        assert_eq!(
            taking(
                &node,
                ("a", "old"),
                &["b", "never"],
                &[taint("k", "", TaintEffect::NoSchedule), taint("k", "", TaintEffect::NoExecute)]
            ),
            Some(json!({"metadata": {"labels": {"a": "old", "b": null}, "resourceVersion": "7"}, "spec": {"taints": [
                {"key": "k", "value": "theirs", "effect": "NoExecute"}
            ]}}))
        );
        assert_eq!(taking(&node, ("a", "new"), &["never"], &[taint("l", "", TaintEffect::NoSchedule)]), None);
    }

    #[tokio::test]
    async fn a_node_is_as_before_after_setting_and_taking_back() {
        let before = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"a": "old", "foreign": "y"}}});
        let server = crate::testing::FakeServer::with(Some(before.clone()));
        let client = server.client();
        let (labels, taints) =
            (BTreeMap::from([("a".into(), "new".into()), ("b".into(), "x".into())]), [taint("k", "", TaintEffect::NoSchedule)]);
        assert!(client.set_node("n", &labels, &taints).await.unwrap());
        assert_ne!(server.object().unwrap()["metadata"]["labels"], before["metadata"]["labels"]);
        let former = BTreeMap::from([("a".to_owned(), "old".to_owned())]);
        let added = ["b".to_owned()];
        let back = NodeChange { labels: &former, remove_labels: &added, taints: &[], remove_taints: &taints };
        assert!(client.change_node("n", &back).await.unwrap());
        let after = server.object().unwrap();
        assert_eq!((&after["metadata"]["labels"], &after["spec"]["taints"]), (&before["metadata"]["labels"], &json!([])));
        assert!(!client.change_node("n", &back).await.unwrap());
        server.set(None);
        assert!(!client.change_node("n", &back).await.unwrap());
    }

    fn any_taint() -> impl Strategy<Value = Taint> {
        let effect = prop_oneof![Just(TaintEffect::NoSchedule), Just(TaintEffect::PreferNoSchedule), Just(TaintEffect::NoExecute)];
        ("[abc]", "[xy]?", effect).prop_map(|(key, value, effect)| Taint { key, value, effect })
    }

    fn distinct(taints: Vec<Taint>) -> Vec<Taint> {
        let mut seen = std::collections::BTreeSet::new();
        taints.into_iter().filter(|taint| seen.insert((taint.key.clone(), taint.effect))).collect()
    }

    proptest! {
        /// After the patch everything wanted is there, everything foreign still is, and there is nothing left to do.
        #[test]
        fn patching_taints_converges(before in prop::collection::vec(any_taint(), 0..5), wanted in prop::collection::vec(any_taint(), 0..5)) {
            let (before, wanted) = (distinct(before), distinct(wanted));
            let entries: Vec<Value> =
                before.iter().map(|t| json!({"key": t.key, "value": t.value, "effect": t.effect.to_string()})).collect();
            let first = node(json!({"metadata": {"name": "n"}, "spec": {"taints": entries}}));
            let list = taint_list(&first, &wanted, &[]).unwrap_or(entries);
            let second = node(json!({"metadata": {"name": "n"}, "spec": {"taints": list}}));
            prop_assert_eq!(taint_list(&second, &wanted, &[]), None);
            let after = node_state(second).taints;
            for taint in &wanted {
                prop_assert!(after.contains(taint));
            }
            for taint in before.iter().filter(|old| !wanted.iter().any(|new| new.key == old.key && new.effect == old.effect)) {
                prop_assert!(after.contains(taint));
            }
        }
    }
}
