//! How far a Deployment is.

use std::collections::BTreeSet;

use barque_model::DeploymentState;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::ListParams;
use kube::core::Selector;

use crate::KubeError;
use crate::client::Client;
use crate::pod::{is_ready, why_not_ready};

/// The deployment controller numbers the ReplicaSets of a Deployment in this annotation.
const REVISION: &str = "deployment.kubernetes.io/revision";

impl Client {
    /// Counts the ready pods of a Deployment's present template, where they run, and why others do not.
    /// Pods of an older template do not count: they would show a broken update as healthy.
    pub async fn deployment(&self, namespace: &str, name: &str) -> Result<DeploymentState, KubeError> {
        let deployments: Api<Deployment> = Api::namespaced(self.inner(), namespace);
        let deployment = deployments.get(name).await?;
        let labels = deployment.spec.as_ref().map(|spec| spec.selector.clone()).unwrap_or_default();
        let selector =
            Selector::try_from(labels).map_err(|error| KubeError::Other(format!("selector of `{namespace}/{name}`: {error}")))?;
        let list = ListParams::default().labels_from(&selector);
        let sets: Api<ReplicaSet> = Api::namespaced(self.inner(), namespace);
        let pods: Api<Pod> = Api::namespaced(self.inner(), namespace);
        let (sets, pods) = tokio::try_join!(sets.list(&list), pods.list(&list))?;
        Ok(deployment_state(&deployment, &sets.items, &pods.items))
    }
}

fn deployment_state(deployment: &Deployment, sets: &[ReplicaSet], pods: &[Pod]) -> DeploymentState {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let mut state = DeploymentState {
        replicas: u32::try_from(wanted).unwrap_or(0),
        ready: 0,
        nodes: Vec::new(),
        problems: failed_conditions(deployment),
    };
    let seen = deployment.status.as_ref().and_then(|status| status.observed_generation).unwrap_or(0);
    if deployment.metadata.generation.is_some_and(|generation| seen < generation) {
        state.problems.push("the controller manager has not seen its latest change yet".to_owned());
        return state;
    }
    let Some(newest) = sets.iter().filter(|set| owned_by(&set.metadata, &deployment.metadata)).max_by_key(|set| revision(set)) else {
        state.problems.push("it has no ReplicaSet yet".to_owned());
        return state;
    };
    let mut nodes = BTreeSet::new();
    for pod in pods.iter().filter(|pod| owned_by(&pod.metadata, &newest.metadata) && pod.metadata.deletion_timestamp.is_none()) {
        if is_ready(pod) {
            state.ready += 1;
            nodes.extend(pod.spec.as_ref().and_then(|spec| spec.node_name.clone()));
        } else {
            state.problems.push(format!("pod `{}`: {}", pod.metadata.name.as_deref().unwrap_or_default(), why_not_ready(pod)));
        }
    }
    state.nodes = nodes.into_iter().collect();
    state.problems.sort();
    state
}

fn owned_by(object: &ObjectMeta, owner: &ObjectMeta) -> bool {
    let owners = object.owner_references.as_deref().unwrap_or_default();
    owner.uid.as_ref().is_some_and(|uid| owners.iter().any(|reference| reference.uid == *uid))
}

fn revision(set: &ReplicaSet) -> u64 {
    let text = set.metadata.annotations.as_ref().and_then(|annotations| annotations.get(REVISION));
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Conditions of the Deployment itself that tell of trouble: pods that may not be created, an update that got stuck.
fn failed_conditions(deployment: &Deployment) -> Vec<String> {
    let conditions = deployment.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions
        .iter()
        .filter(|condition| {
            matches!((condition.type_.as_str(), condition.status.as_str()), ("ReplicaFailure", "True") | ("Progressing", "False"))
        })
        .filter_map(|condition| condition.message.clone().or_else(|| condition.reason.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

    use serde_json::{Value, json};

    use super::*;

    fn deployment(status: Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "dns", "uid": "d", "generation": 2},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "dns"}}, "template": {}},
            "status": status
        }))
        .unwrap()
    }

    fn set(uid: &str, owner: &str, revision: &str) -> ReplicaSet {
        serde_json::from_value(json!({"metadata": {
            "name": uid, "uid": uid, "annotations": {REVISION: revision},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "dns", "uid": owner}]
        }}))
        .unwrap()
    }

    fn pod(name: &str, owner: &str, node: Option<&str>, status: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner}]},
            "spec": {"nodeName": node, "containers": []},
            "status": status
        }))
        .unwrap()
    }

    fn ready() -> Value {
        json!({"conditions": [{"type": "Ready", "status": "True"}]})
    }

    #[test]
    fn only_the_newest_template_counts() {
        // Revision 10 is newer than 9, which a comparison of texts would get wrong.
        let sets = [set("old", "d", "9"), set("new", "d", "10"), set("foreign", "other", "11")];
        let pods = [
            pod("a", "old", Some("n1"), ready()),
            pod("b", "new", Some("n2"), ready()),
            pod("c", "new", Some("n2"), ready()),
            pod("d", "foreign", Some("n3"), ready()),
        ];
        let state = deployment_state(&deployment(json!({"observedGeneration": 2})), &sets, &pods);
        assert_eq!(state, DeploymentState { replicas: 2, ready: 2, nodes: vec!["n2".into()], problems: vec![] });
    }

    #[test]
    fn a_change_not_yet_seen_is_not_ready() {
        let state =
            deployment_state(&deployment(json!({"observedGeneration": 1})), &[set("s", "d", "1")], &[pod("a", "s", Some("n1"), ready())]);
        assert_eq!(state.ready, 0);
        assert_eq!(state.problems, ["the controller manager has not seen its latest change yet"]);
        let state = deployment_state(&deployment(json!({"observedGeneration": 2})), &[], &[]);
        assert_eq!(state.problems, ["it has no ReplicaSet yet"]);
    }

    #[test]
    fn pods_that_go_do_not_count() {
        let mut going = pod("a", "s", Some("n1"), ready());
        going.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        let state = deployment_state(&deployment(json!({"observedGeneration": 2})), &[set("s", "d", "1")], &[going]);
        assert_eq!((state.ready, state.problems.len()), (0, 0));
    }

    #[test]
    fn problems_are_named() {
        let pods = [
            pod(
                "a",
                "s",
                None,
                json!({"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/5 nodes are available"}]}),
            ),
            pod(
                "b",
                "s",
                Some("n1"),
                json!({"containerStatuses": [{
                "name": "dns", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}),
            ),
            pod(
                "c",
                "s",
                Some("n1"),
                json!({"containerStatuses": [{
                "name": "dns", "image": "i", "imageID": "", "ready": false, "restartCount": 3,
                "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}]}),
            ),
            pod(
                "d",
                "s",
                Some("n1"),
                json!({"containerStatuses": [{
                "name": "dns", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": {"running": {}}}]}),
            ),
            pod("e", "s", Some("n1"), json!({"phase": "Pending"})),
        ];
        let conditions = json!({"observedGeneration": 2, "conditions": [
            {"type": "Available", "status": "False", "message": "not named here"},
            {"type": "ReplicaFailure", "status": "True", "message": "pods \"x\" is forbidden"}]});
        let state = deployment_state(&deployment(conditions), &[set("s", "d", "1")], &pods);
        assert_eq!(
            state.problems,
            [
                "pod `a`: 0/5 nodes are available",
                "pod `b`: container `dns` ImagePullBackOff: no such image",
                "pod `c`: container `dns` Error: exit code 2",
                "pod `d`: container `dns` runs and is not ready",
                "pod `e`: Pending, not ready",
                "pods \"x\" is forbidden",
            ]
        );
    }
}
