//! Calls of the Kubernetes API from this host.

use std::time::Duration;

use barque_event::Failure;
use barque_kube::{Client, KubeError};
use barque_model::NodeState;
use barque_plan::ClusterGate;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::{Instant, sleep};

use crate::{KubeAnswer, KubeCall};

/// Objects compared at the same time: keeps the API server's default limits far away.
const PARALLEL: usize = 8;
/// How often a gate looks: nodes and Deployments change within seconds.
const INTERVAL: Duration = Duration::from_millis(500);

/// Does what is asked.
pub(crate) async fn call(client: &Client, call: KubeCall) -> Result<KubeAnswer, Failure> {
    match call {
        KubeCall::Ready => client.ready().await.map(|()| KubeAnswer::Done).map_err(|error| failed("the API server", &error)),
        KubeCall::Nodes => client.nodes().await.map(KubeAnswer::Nodes).map_err(|error| failed("nodes", &error)),
        KubeCall::Objects(objects) => {
            let compare =
                |object: String| async move { client.difference(&object).await.map_err(|error| failed(&name_of(&object), &error)) };
            stream::iter(objects).map(compare).buffered(PARALLEL).try_collect().await.map(KubeAnswer::Objects)
        }
        KubeCall::Live(objects) => {
            let read = |object: String| async move { client.live(&object).await.map_err(|error| failed(&name_of(&object), &error)) };
            stream::iter(objects).map(read).buffered(PARALLEL).try_collect().await.map(KubeAnswer::Live)
        }
        KubeCall::Present(objects) => {
            let look = |object: String| async move { client.is_present(&object).await.map_err(|error| failed(&name_of(&object), &error)) };
            stream::iter(objects).map(look).buffered(PARALLEL).try_collect().await.map(KubeAnswer::Present)
        }
        KubeCall::Gate { gate, timeout } => wait(client, &gate, timeout).await.map(|()| KubeAnswer::Done),
        KubeCall::Deployment { namespace, name } => {
            let state = client.deployment(&namespace, &name).await;
            state.map(KubeAnswer::Deployment).map_err(|error| failed(&format!("Deployment {namespace}/{name}"), &error))
        }
        KubeCall::Get { path } => {
            client.get_json(&path).await.map(|json| KubeAnswer::Json(json.to_string())).map_err(|error| failed(&path, &error))
        }
    }
}

/// What `error` means for whoever asked for `what`.
pub(crate) fn failed(what: &str, error: &KubeError) -> Failure {
    let failure = Failure::new(format!("{what}: {error}"));
    if error.is_retryable() {
        failure.with_hint("see that the API server runs (`barque status`), then run `barque up` again").retryable()
    } else {
        failure.with_hint("correct what the message names, then run `barque up` again")
    }
}

/// `Kind name` of an object's JSON, for messages.
pub(crate) fn name_of(object: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(object).unwrap_or_default();
    let text = |pointer: &str| value.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or("?").to_owned();
    format!("{} {}", text("/kind"), text("/metadata/name"))
}

async fn wait(client: &Client, gate: &ClusterGate, timeout: Duration) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    loop {
        let reasons = match observe(client, gate).await {
            Ok(reasons) if reasons.is_empty() => return Ok(()),
            Ok(reasons) => reasons,
            // Waiting repairs neither a wrong identity nor a wrong request.
            Err(error @ (KubeError::Unauthorized(_) | KubeError::Forbidden(_) | KubeError::Tls(_) | KubeError::Invalid(_))) => {
                return Err(failed(&describe(gate), &error));
            }
            Err(error) => vec![error.to_string()],
        };
        if Instant::now() + INTERVAL >= deadline {
            let message = format!(
                "{} did not come true within {} s: {}",
                describe(gate),
                timeout.as_secs(),
                reasons.first().cloned().unwrap_or_default()
            );
            let more = troubles(client, gate).await;
            let mut output = reasons;
            output.retain(|line| !more.iter().any(|other| other.starts_with(line.as_str())));
            output.extend(more);
            return Err(Failure { output, ..Failure::new(message).with_hint(hint(gate)) });
        }
        sleep(INTERVAL).await;
    }
}

/// What else the API knows of pods that are not there in time; nothing for other gates, or when it does not answer.
async fn troubles(client: &Client, gate: &ClusterGate) -> Vec<String> {
    let (kind, namespace, name) = match gate {
        ClusterGate::DeploymentReady { namespace, name, .. } => ("deployments", namespace, name),
        ClusterGate::DaemonSetReady { namespace, name } => ("daemonsets", namespace, name),
        ClusterGate::StatefulSetReady { namespace, name } => ("statefulsets", namespace, name),
        _ => return Vec::new(),
    };
    client.troubles(namespace, &format!("/apis/apps/v1/namespaces/{namespace}/{kind}/{name}")).await.unwrap_or_default()
}

fn describe(gate: &ClusterGate) -> String {
    match gate {
        ClusterGate::NodesRegistered { nodes } => format!("{} nodes registered", nodes.len()),
        ClusterGate::NodesReady { nodes } => format!("{} nodes ready", nodes.len()),
        ClusterGate::DeploymentReady { namespace, name, .. } => format!("Deployment {namespace}/{name} ready"),
        ClusterGate::DaemonSetReady { namespace, name } => format!("DaemonSet {namespace}/{name} ready"),
        ClusterGate::StatefulSetReady { namespace, name } => format!("StatefulSet {namespace}/{name} ready"),
        ClusterGate::ApiServiceAvailable { name } => format!("APIService {name} available"),
        ClusterGate::Answers { path, .. } => format!("an answer of {path}"),
    }
}

fn hint(gate: &ClusterGate) -> String {
    match gate {
        ClusterGate::NodesRegistered { .. } => "look at `journalctl -u kubelet.service -n 100` on the nodes named".to_owned(),
        ClusterGate::NodesReady { .. } => "look at `kubectl describe node NAME`, and at kubelet and flanneld with `journalctl -u kubelet.service -u flanneld.service -n 100` on that node".to_owned(),
        ClusterGate::DeploymentReady { namespace, name, .. } => format!("look at `kubectl -n {namespace} describe deployment {name}` and `kubectl -n {namespace} get pods -o wide`"),
        ClusterGate::DaemonSetReady { namespace, name } => format!("look at `kubectl -n {namespace} describe daemonset {name}` and `kubectl -n {namespace} get pods -o wide`"),
        ClusterGate::StatefulSetReady { namespace, name } => format!("look at `kubectl -n {namespace} describe statefulset {name}` and `kubectl -n {namespace} get pods -o wide`"),
        ClusterGate::ApiServiceAvailable { name } => format!("look at `kubectl describe apiservice {name}`; the API servers must reach its pods"),
        ClusterGate::Answers { path, .. } => format!("look at `kubectl get --raw {path}` and at the pods behind it"),
    }
}

/// Why the gate does not hold, a line each; empty when it does.
async fn observe(client: &Client, gate: &ClusterGate) -> Result<Vec<String>, KubeError> {
    match gate {
        ClusterGate::NodesRegistered { nodes } => Ok(missing(&client.nodes().await?, nodes, false)),
        ClusterGate::NodesReady { nodes } => Ok(missing(&client.nodes().await?, nodes, true)),
        ClusterGate::DeploymentReady { namespace, name, nodes } => {
            let state = client.deployment(namespace, name).await?;
            let spread = u32::try_from(state.nodes.len()).unwrap_or(u32::MAX);
            if state.replicas > 0 && state.ready >= state.replicas && spread >= *nodes {
                return Ok(Vec::new());
            }
            let mut reasons = vec![format!("{} of {} replicas are ready, on {spread} of {nodes} nodes", state.ready, state.replicas)];
            reasons.extend(state.problems);
            Ok(reasons)
        }
        ClusterGate::DaemonSetReady { namespace, name } => {
            let path = format!("/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}");
            Ok(daemon_set_reasons(&client.get_json(&path).await?))
        }
        ClusterGate::StatefulSetReady { namespace, name } => {
            let path = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}");
            Ok(stateful_set_reasons(&client.get_json(&path).await?))
        }
        ClusterGate::ApiServiceAvailable { name } => {
            Ok(api_service_reasons(&client.get_json(&format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}")).await?))
        }
        ClusterGate::Answers { path, items: 0 } => client.get_text(path).await.map(|_| Vec::new()),
        ClusterGate::Answers { path, items } => {
            let found = client.get_json(path).await?["items"].as_array().map_or(0, Vec::len);
            let enough = u64::try_from(found).unwrap_or(u64::MAX) >= u64::from(*items);
            Ok(if enough { Vec::new() } else { vec![format!("it lists {found} of {items} entries")] })
        }
    }
}

fn daemon_set_reasons(object: &serde_json::Value) -> Vec<String> {
    let number = |pointer: &str| object.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or(0);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return vec!["the controller manager has not seen its latest change yet".to_owned()];
    }
    let (wanted, updated) = (number("/status/desiredNumberScheduled"), number("/status/updatedNumberScheduled"));
    let ready = number("/status/numberReady");
    // A set that is for no node of the cluster has nothing to be ready.
    if updated >= wanted && ready >= wanted {
        Vec::new()
    } else {
        vec![format!("{ready} of {wanted} pods are ready, {updated} are of its latest template")]
    }
}

fn stateful_set_reasons(object: &serde_json::Value) -> Vec<String> {
    let number = |pointer: &str| object.pointer(pointer).and_then(serde_json::Value::as_u64);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return vec!["the controller manager has not seen its latest change yet".to_owned()];
    }
    // Fields that are left out: one replica is wanted, and none is counted.
    let wanted = number("/spec/replicas").unwrap_or(1);
    let (updated, ready) = (number("/status/updatedReplicas").unwrap_or(0), number("/status/readyReplicas").unwrap_or(0));
    if updated >= wanted && ready >= wanted {
        Vec::new()
    } else {
        vec![format!("{ready} of {wanted} pods are ready, {updated} are of its latest template")]
    }
}

fn api_service_reasons(object: &serde_json::Value) -> Vec<String> {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    match conditions.iter().find(|condition| condition["type"] == "Available") {
        Some(condition) if condition["status"] == "True" => Vec::new(),
        Some(condition) => vec![condition["message"].as_str().unwrap_or("it is not available").to_owned()],
        None => vec!["the API server has not looked at it yet".to_owned()],
    }
}

fn missing(present: &[NodeState], wanted: &[barque_model::HostName], ready: bool) -> Vec<String> {
    let reason = |name: &barque_model::HostName| match present.iter().find(|node| node.name == name.as_str()) {
        None => Some(format!("{name} has not registered")),
        Some(node) if ready && !node.ready => Some(format!("{name} is not ready: {}", node.message)),
        Some(_) => None,
    };
    wanted.iter().filter_map(reason).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_missing_node_is_named() {
        let node = |name: &str, ready| NodeState {
            name: name.into(),
            ready,
            message: "no network".into(),
            version: String::new(),
            addresses: Vec::new(),
            labels: std::collections::BTreeMap::new(),
            taints: Vec::new(),
        };
        let wanted = ["m1".parse().unwrap(), "m2".parse().unwrap(), "m3".parse().unwrap()];
        let present = [node("m1", true), node("m2", false)];
        assert_eq!(missing(&present, &wanted, false), ["m3 has not registered"]);
        assert_eq!(missing(&present, &wanted, true), ["m2 is not ready: no network", "m3 has not registered"]);
        assert_eq!(name_of(r#"{"kind":"Service","metadata":{"name":"dns"}}"#), "Service dns");
    }

    #[test]
    fn sets_and_api_groups_say_what_they_lack() {
        let set = |generation: u32, ready: u32| {
            serde_json::json!({"metadata": {"generation": generation}, "status": {"observedGeneration": 2, "desiredNumberScheduled": 3,
                "updatedNumberScheduled": 3, "numberReady": ready}})
        };
        assert_eq!(daemon_set_reasons(&set(2, 3)), [""; 0]);
        assert_eq!(daemon_set_reasons(&set(2, 1)), ["1 of 3 pods are ready, 3 are of its latest template"]);
        assert_eq!(daemon_set_reasons(&set(3, 3)), ["the controller manager has not seen its latest change yet"]);
        let stateful = |updated: u32| {
            serde_json::json!({"metadata": {"generation": 2}, "spec": {"replicas": 2},
                "status": {"observedGeneration": 2, "updatedReplicas": updated, "readyReplicas": 2}})
        };
        assert_eq!(stateful_set_reasons(&stateful(2)), [""; 0]);
        assert_eq!(stateful_set_reasons(&stateful(1)), ["2 of 2 pods are ready, 1 are of its latest template"]);
        let unseen = serde_json::json!({"metadata": {"generation": 1}, "spec": {}});
        assert_eq!(stateful_set_reasons(&unseen), ["the controller manager has not seen its latest change yet"]);
        let group = |status: &str| serde_json::json!({"status": {"conditions": [{"type": "Available", "status": status, "message": "no endpoints"}]}});
        assert_eq!(api_service_reasons(&group("True")), [""; 0]);
        assert_eq!(api_service_reasons(&group("False")), ["no endpoints"]);
        assert_eq!(api_service_reasons(&serde_json::json!({})), ["the API server has not looked at it yet"]);
    }

    #[test]
    fn only_passing_trouble_is_worth_another_try() {
        for (error, retryable) in [
            (KubeError::Unavailable("etcd failed".into()), true),
            (KubeError::Conflict("changed".into()), true),
            (KubeError::Invalid("port".into()), false),
            (KubeError::Forbidden("no".into()), false),
        ] {
            assert_eq!(failed("x", &error).retryable, retryable, "{error}");
        }
    }
}
