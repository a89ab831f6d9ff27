//! Real pods on both nodes: they reach each other across hosts, a Service by name, and a node port from outside.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Kubectl, Scenario, eventually};

const OBJECTS: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      topologySpreadConstraints:
        - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, nodeTaintsPolicy: Honor, labelSelector: {matchLabels: {app: web}}}
      containers:
        - name: web
          image: barque.test/toolbox:1
          imagePullPolicy: IfNotPresent
          ports: [{containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
";

pub(crate) fn deploy(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("a Deployment of four replicas");
    scenario.load_toolbox(&crate::NODES)?;
    kubectl.apply(scenario.folder.path(), "web", OBJECTS)?;
    eventually("four replicas ready", Duration::from_mins(1), || {
        let ready = kubectl.get(&["get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"])?;
        ensure!(ready == "4", "ready: `{ready}`");
        Ok(())
    })
}

pub(crate) fn check(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("pods across hosts, Service by name, node port");
    let pods = eventually("pods", Duration::from_mins(1), || {
        let json = kubectl.json(&["get", "pods", "-l", "app=web", "--field-selector=status.phase=Running"])?;
        let pods: Vec<(String, String, String)> = json["items"]
            .as_array()
            .context("items")?
            .iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .map(|pod| {
                let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                (text(&pod["metadata"]["name"]), text(&pod["spec"]["nodeName"]), text(&pod["status"]["podIP"]))
            })
            .collect();
        ensure!(pods.len() == 4 && pods.iter().all(|(_, _, address)| !address.is_empty()), "running pods: {pods:?}");
        Ok(pods)
    })?;
    let nodes: BTreeSet<&str> = pods.iter().map(|(_, node, _)| node.as_str()).collect();
    ensure!(nodes == BTreeSet::from(["n1", "n2"]), "the pods run on {nodes:?}");
    for (from, from_node, _) in &pods {
        let Some((to, _, address)) = pods.iter().find(|(_, node, _)| node != from_node) else { continue };
        let answer = eventually("pod to pod across hosts", Duration::from_secs(20), || {
            kubectl.get(&["exec", from, "--", "/toolbox", "get", &format!("http://{address}:8080/")])
        })?;
        ensure!(answer.contains(to.as_str()), "{to} answered `{answer}`");
        let answer = eventually("Service by name", Duration::from_secs(20), || {
            kubectl.get(&["exec", from, "--", "/toolbox", "get", "http://web.default.svc.cluster.local/"])
        })?;
        ensure!(answer.contains("web-"), "the Service answered `{answer}`");
    }
    for node in crate::NODES.iter().chain(&crate::MASTERS) {
        let address = scenario.lab.host(node)?.address;
        eventually(&format!("node port of {node}"), Duration::from_secs(20), || {
            let answer = http_get(&format!("{address}:30080"))?;
            ensure!(answer.contains("web-"), "answer `{answer}`");
            Ok(())
        })?;
    }
    Ok(())
}

/// A plain HTTP request from this machine, which is no member of the cluster.
fn http_get(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address.parse()?, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
