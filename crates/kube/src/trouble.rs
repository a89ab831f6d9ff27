//! Why pods do not become ready, as kubelets and the scheduler told the API.

use k8s_openapi::api::core::v1::{Event, Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Api;
use kube::api::ListParams;
use kube::core::Selector;

use crate::KubeError;
use crate::client::Client;
use crate::pod::{is_ready, why_not_ready};

/// Conditions of a node that keep pods away while they are true.
const PRESSURE: [&str; 4] = ["DiskPressure", "MemoryPressure", "PIDPressure", "NetworkUnavailable"];
/// Characters of an event's message that are shown: containerd's may go on for pages.
const LONGEST: usize = 400;

impl Client {
    /// A line for each pod that is not ready and belongs to the DaemonSet, Deployment or StatefulSet under the API path `workload`, with the newest
    /// warning about it; and one for each node that takes no pods for want of something.
    pub async fn troubles(&self, namespace: &str, workload: &str) -> Result<Vec<String>, KubeError> {
        let object = self.get_json(workload).await?;
        let labels: LabelSelector = serde_json::from_value(object["spec"]["selector"].clone()).unwrap_or_default();
        let selector = Selector::try_from(labels).map_err(|error| KubeError::Other(format!("selector of `{workload}`: {error}")))?;
        let of_pods = ListParams::default().fields("type=Warning,involvedObject.kind=Pod");
        let of_workload = ListParams::default().labels_from(&selector);
        let all = ListParams::default();
        let pods: Api<Pod> = Api::namespaced(self.inner(), namespace);
        let events: Api<Event> = Api::namespaced(self.inner(), namespace);
        let nodes: Api<Node> = Api::all(self.inner());
        let (pods, events, nodes) = tokio::try_join!(pods.list(&of_workload), events.list(&of_pods), nodes.list(&all))?;
        let mut found: Vec<String> = pods.items.iter().filter_map(|pod| of_pod(pod, &events.items)).collect();
        found.extend(nodes.items.iter().flat_map(of_node));
        Ok(found)
    }
}

fn of_pod(pod: &Pod, events: &[Event]) -> Option<String> {
    if is_ready(pod) || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let about = events.iter().filter(|event| event.involved_object.uid == pod.metadata.uid);
    let warning = about.max_by_key(|event| (event.last_timestamp.clone(), event.event_time.clone())).map(|event| {
        let message: String = event.message.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = message.chars().take(LONGEST).collect();
        format!("; {}: {shown}", event.reason.as_deref().unwrap_or("warning"))
    });
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    Some(format!("pod `{name}`: {}{}", why_not_ready(pod), warning.unwrap_or_default()))
}

fn of_node(node: &Node) -> Vec<String> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let bad = conditions.iter().filter(|condition| condition.status == "True" && PRESSURE.contains(&condition.type_.as_str()));
    bad.map(|condition| format!("node `{name}` takes no pods: {}: {}", condition.type_, condition.message.as_deref().unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_has_its_newest_warning_and_a_node_its_want() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "a", "uid": "u"}, "status": {"phase": "Pending"}})).unwrap();
        let event = |uid: &str, time: &str, message: &str| -> Event {
            serde_json::from_value(
                json!({"metadata": {}, "involvedObject": {"uid": uid}, "reason": "Failed", "message": message, "lastTimestamp": time}),
            )
            .unwrap()
        };
        let events = [
            event("u", "2026-01-01T00:00:02Z", "no such\nimage"),
            event("u", "2026-01-01T00:00:01Z", "older"),
            event("v", "2026-01-01T00:00:03Z", "of another"),
        ];
        assert_eq!(of_pod(&pod, &events).unwrap(), "pod `a`: Pending, not ready; Failed: no such image");
        assert_eq!(of_pod(&pod, &[]).unwrap(), "pod `a`: Pending, not ready");
        let ready = json!({"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(of_pod(&serde_json::from_value(ready).unwrap(), &events), None);
        let node = json!({"metadata": {"name": "n1"}, "status": {"conditions": [
            {"type": "DiskPressure", "status": "True", "message": "kubelet has disk pressure"}, {"type": "Ready", "status": "True"},
            {"type": "MemoryPressure", "status": "False"}]}});
        assert_eq!(of_node(&serde_json::from_value(node).unwrap()), ["node `n1` takes no pods: DiskPressure: kubelet has disk pressure"]);
    }
}
