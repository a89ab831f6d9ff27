//! Pods on both nodes, and what they can reach.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Kubectl, Scenario, eventually};

const OBJECTS: &str = r"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
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

/// A pod: its name, node and address.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) address: String,
}

pub(crate) fn deploy(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("a pod on each node");
    let image = std::env::var("BARQUE_TEST_TOOLBOX")?;
    for node in ["n1", "n2"] {
        let root = &scenario.lab.host(node)?.root;
        fs_err::copy(&image, root.join("var/tmp/toolbox.tar"))?;
        scenario.lab.get(node, "ctr -n k8s.io images import /var/tmp/toolbox.tar && rm /var/tmp/toolbox.tar")?;
    }
    kubectl.apply(scenario.folder.path(), "web", OBJECTS)?;
    works(scenario, kubectl)
}

/// The pods on n1 and n2.
pub(crate) fn pods(kubectl: &Kubectl) -> Result<Vec<Pod>> {
    let json = kubectl.json(&["get", "pods", "-l", "app=web", "--field-selector=status.phase=Running"])?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let pods = json["items"].as_array().context("items")?.iter().map(|pod| Pod {
        name: text(&pod["metadata"]["name"]),
        node: text(&pod["spec"]["nodeName"]),
        address: text(&pod["status"]["podIP"]),
    });
    let mut pods: Vec<Pod> = pods.filter(|pod| !pod.address.is_empty() && pod.node.starts_with('n')).collect();
    pods.sort_by(|one, other| one.node.cmp(&other.node));
    ensure!(pods.len() == 2, "pods: {pods:?}");
    Ok(pods)
}

/// Whether a pod gets a connection, whatever is said over it.
pub(crate) fn connects(kubectl: &Kubectl, pod: &Pod, place: &str) -> Result<bool> {
    let finished = kubectl.run_for("30s", &["exec", &pod.name, "--", "/toolbox", "get", &format!("http://{place}/")])?;
    ensure!(finished.stderr.is_empty() || finished.stderr.contains("toolbox"), "{}", finished.stderr);
    Ok(!finished.stderr.contains("Client.Timeout"))
}

/// Nodes are Ready, pods reach each other across nodes, names resolve, a node port answers, logs and exec work.
pub(crate) fn works(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    let minute = Duration::from_mins(1);
    eventually("nodes are Ready", minute, || {
        let nodes = kubectl.get(&["get", "nodes", "--no-headers"])?;
        ensure!(nodes.lines().filter(|line| line.contains(" Ready ")).count() == 3, "{nodes}");
        Ok(())
    })?;
    let pods = eventually("a pod on each node", minute, || pods(kubectl))?;
    for (from, to) in [(&pods[0], &pods[1]), (&pods[1], &pods[0])] {
        let get = |url: &str| kubectl.get(&["exec", &from.name, "--", "/toolbox", "get", url]);
        let answer = eventually("pod to pod across nodes", minute, || get(&format!("http://{}:8080/", to.address)))?;
        ensure!(answer.contains(&to.name), "{} answered `{answer}`", to.name);
        eventually("a Service by name", minute, || get("http://web.default.svc.cluster.local/"))?;
        kubectl.get(&["logs", &from.name])?;
    }
    for node in ["m1", "n1", "n2"] {
        let place = format!("{}:30080", scenario.lab.host(node)?.address);
        eventually(&format!("node port of {node}"), minute, || node_port(&place))?;
    }
    Ok(())
}

/// A request from this machine, which is no member of the cluster.
pub(crate) fn node_port(place: &str) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&place.parse()?, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.contains("web-"), "answer `{answer}`");
    Ok(())
}
