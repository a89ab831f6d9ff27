//! Every call against a real API server. Needs the feature `e2e` and `BARQUE_TEST_BINARIES`, a folder with `etcd`,
//! `kube-apiserver` and `kubectl`; `cargo xtask e2e` provides both.
#![allow(clippy::unwrap_used, missing_docs)]

mod addons;
mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use barque_kube::{Client, KubeError, NodeChange, ready_anonymous};
use barque_model::{APPLIED_ANNOTATION, ObjectDifference, Taint, TaintEffect};
use serde_json::{Value, json};

use server::{Authority, Server};

#[tokio::test]
async fn identities_and_readiness() {
    let server = Server::start().await;
    ready_anonymous(&server.url, &server.authority.pem).await.unwrap();
    let foreign = Authority::new("foreign-ca");
    let error = ready_anonymous(&server.url, &foreign.pem).await.unwrap_err();
    assert!(matches!(error, KubeError::Tls(_)) && !error.is_retryable(), "{error}");

    let stranger = Client::connect(&server.access_signed_by(&foreign, "admin", Some("system:masters"))).unwrap();
    let error = stranger.nodes().await.unwrap_err();
    assert!(matches!(error, KubeError::Unauthorized(_)), "{error}");
    let nobody = Client::connect(&server.access("nobody", None)).unwrap();
    nobody.ready().await.unwrap();
    let error = nobody.nodes().await.unwrap_err();
    assert!(matches!(&error, KubeError::Forbidden(text) if text.contains("nobody")), "{error}");

    let client = server.administrator();
    assert!(client.get_json("/version").await.unwrap()["gitVersion"].as_str().unwrap().starts_with("v1."));
    assert!(matches!(client.get_json("/api/v1/nonsense").await, Err(KubeError::NotFound(_))));
    let url = server.url.clone();
    drop(server);
    let error = ready_anonymous(&url, &foreign.pem).await.unwrap_err();
    assert!(matches!(error, KubeError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn objects_nodes_and_deployments() {
    let server = Server::start().await;
    let client = server.administrator();
    objects_change_as_foretold(&server, &client).await;
    objects_go_back(&server, &client).await;
    every_kind_of_an_add_on(&client).await;
    addons::objects_are_applied_and_found_again(&server, &client).await;
    addons::objects_of_other_settings_too(&server, &client).await;
    addons::the_dashboards_viewer_only_looks(&server, &client).await;
    addons::pods_are_restricted(&server);
    addons::owners_are_named(&server, &client).await;
    addons::a_namespace_tells_who_is_in_it(&client).await;
    kinds_that_come_later(&client).await;
    nodes_keep_what_others_set(&server, &client).await;
    nodes_go_back(&server, &client).await;
    a_deployment_becomes_ready(&server, &client).await;
}

async fn difference(client: &Client, object: &Value) -> ObjectDifference {
    client.difference(&object.to_string()).await.unwrap().state
}

async fn apply(client: &Client, object: &Value) -> ObjectDifference {
    client.apply(&object.to_string()).await.unwrap().state
}

async fn objects_change_as_foretold(server: &Server, client: &Client) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo", "labels": {"a": "b"}}});
    let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "demo"}, "data": {"k": "1"}});
    assert_eq!(difference(client, &namespace).await, ObjectDifference::Absent);
    // Its namespace is not there yet: absent to a plan, an error to an apply.
    assert_eq!(difference(client, &map).await, ObjectDifference::Absent);
    let error = client.apply(&map.to_string()).await.unwrap_err();
    assert!(matches!(error, KubeError::NotFound(_)), "{error}");

    assert_eq!(apply(client, &namespace).await, ObjectDifference::Absent);
    assert_eq!(apply(client, &namespace).await, ObjectDifference::Same);
    assert_eq!(apply(client, &map).await, ObjectDifference::Absent);
    assert_eq!(client.difference(&map.to_string()).await.unwrap().name, "ConfigMap demo/m");
    assert_eq!(difference(client, &map).await, ObjectDifference::Same);
    map["data"]["k"] = json!("2");
    assert_eq!(difference(client, &map).await, ObjectDifference::Differs);
    assert_eq!(data(client).await, json!({"k": "1"}), "a difference must change nothing");
    assert_eq!(apply(client, &map).await, ObjectDifference::Differs);
    assert_eq!(data(client).await, json!({"k": "2"}));
    assert_eq!(difference(client, &map).await, ObjectDifference::Same);

    // Someone else takes the field and adds another: ours is taken back, theirs stays.
    server.kubectl(&["-n", "demo", "patch", "configmap", "m", "--type=merge", "-p", r#"{"data": {"k": "3", "other": "x"}}"#], "");
    assert_eq!(difference(client, &map).await, ObjectDifference::Differs);
    assert_eq!(apply(client, &map).await, ObjectDifference::Differs);
    assert_eq!(data(client).await, json!({"k": "2", "other": "x"}));

    // With the annotation that says what was applied, an edit can be told from a change of what is wanted.
    map["metadata"]["annotations"] = json!({ APPLIED_ANNOTATION: "first" });
    assert_eq!(apply(client, &map).await, ObjectDifference::Differs);
    server.kubectl(&["-n", "demo", "patch", "configmap", "m", "--type=merge", "-p", r#"{"data": {"k": "4"}}"#], "");
    assert_eq!(difference(client, &map).await, ObjectDifference::Edited);
    map["metadata"]["annotations"] = json!({ APPLIED_ANNOTATION: "second" });
    assert_eq!(difference(client, &map).await, ObjectDifference::Differs);
    assert_eq!(apply(client, &map).await, ObjectDifference::Differs);
    assert_eq!(difference(client, &map).await, ObjectDifference::Same);

    let broken = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "demo"},
        "spec": {"ports": [{"port": 99999}]}});
    let error = client.apply(&broken.to_string()).await.unwrap_err();
    assert!(matches!(&error, KubeError::Invalid(text) if text.contains("99999")), "{error}");
}

async fn live(client: &Client, object: &Value) -> Option<Value> {
    client.live(&object.to_string()).await.unwrap().map(|text| serde_json::from_str(&text).unwrap())
}

/// Who owns which field, without the times.
fn owners(object: &Value) -> Vec<(Value, Value, Value)> {
    let owned = |entry: &Value| (entry["manager"].clone(), entry["operation"].clone(), entry["fieldsV1"].clone());
    object["metadata"]["managedFields"].as_array().unwrap().iter().map(owned).collect()
}

/// Someone else's object that barque changes, and one that barque makes: both are as before in the end.
async fn objects_go_back(server: &Server, client: &Client) {
    let map = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "demo"}, "data": data});
    server.kubectl(&["create", "-f", "-"], &map("theirs", json!({"k": "1", "kept": "x"})).to_string());
    let changed = map("theirs", json!({"k": "2", "more": "y"}));
    let before = live(client, &changed).await.unwrap();
    assert_eq!(before["data"], json!({"k": "1", "kept": "x"}));
    for member in ["uid", "resourceVersion", "creationTimestamp"] {
        assert!(before["metadata"].get(member).is_none(), "{member}");
    }
    assert_eq!(apply(client, &changed).await, ObjectDifference::Differs);
    assert_ne!(live(client, &changed).await.unwrap()["data"], before["data"]);
    assert!(client.replace(&before.to_string()).await.unwrap());
    let after = live(client, &changed).await.unwrap();
    assert_eq!((&after["data"], owners(&after)), (&before["data"], owners(&before)));
    assert!(!client.replace(&before.to_string()).await.unwrap());

    // A field that barque set in an earlier run comes back as barque's: what leaves it out later removes it.
    let (two, one) = (map("ours", json!({"a": "1", "b": "2"})), map("ours", json!({"a": "1"})));
    assert_eq!(live(client, &two).await, None);
    assert_eq!(apply(client, &two).await, ObjectDifference::Absent);
    let before = live(client, &two).await.unwrap();
    assert_eq!(apply(client, &one).await, ObjectDifference::Differs);
    assert!(client.replace(&before.to_string()).await.unwrap());
    assert_eq!(live(client, &two).await.unwrap()["data"], json!({"a": "1", "b": "2"}));
    assert_eq!(apply(client, &one).await, ObjectDifference::Differs);
    assert_eq!(live(client, &two).await.unwrap()["data"], json!({"a": "1"}));

    assert!(client.delete(&two.to_string()).await.unwrap());
    assert!(!client.delete(&two.to_string()).await.unwrap());
    assert_eq!(live(client, &two).await, None);
    // Deleted by someone else meanwhile: made again.
    assert!(client.replace(&before.to_string()).await.unwrap());
    assert_eq!(live(client, &two).await.unwrap()["data"], json!({"a": "1", "b": "2"}));
    assert!(client.delete(&two.to_string()).await.unwrap());

    // No such kind, no such namespace.
    let ship = json!({"apiVersion": "example.org/v1", "kind": "Boat", "metadata": {"name": "s"}});
    assert_eq!(live(client, &ship).await, None);
    assert!(!client.delete(&ship.to_string()).await.unwrap());
    let nowhere = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "nowhere"}});
    assert_eq!(live(client, &nowhere).await, None);
    assert!(!client.delete(&nowhere.to_string()).await.unwrap());
}

async fn data(client: &Client) -> Value {
    client.get_json("/api/v1/namespaces/demo/configmaps/m").await.unwrap()["data"].clone()
}

/// Defaults that the server fills in are no difference: a second run must find nothing to do.
async fn every_kind_of_an_add_on(client: &Client) {
    let meta = json!({"name": "x", "namespace": "demo"});
    let labels = json!({"app": "x"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 53, "protocol": "UDP"}]}]}});
    let rule = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let role = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "x"});
    let subjects = json!([{"kind": "ServiceAccount", "name": "x", "namespace": "demo"}]);
    let objects = [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": {"k": "dg=="}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": labels, "clusterIP": "10.96.0.10", "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}}),
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": {"selector": {"matchLabels": labels}, "template": template}}),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rule}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta, "roleRef": role("Role"), "subjects": subjects}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "x"}, "rules": rule}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "x"}, "roleRef": role("ClusterRole"), "subjects": subjects}),
    ];
    for object in &objects {
        let kind = &object["kind"];
        assert_eq!(apply(client, object).await, ObjectDifference::Absent, "{kind}");
        assert_eq!(difference(client, object).await, ObjectDifference::Same, "{kind}");
        assert_eq!(apply(client, object).await, ObjectDifference::Same, "{kind}");
    }
}

/// A kind that no table knows: absent while its definition is not there, found by asking the server then.
async fn kinds_that_come_later(client: &Client) {
    let ship = json!({"apiVersion": "example.com/v1", "kind": "Ship", "metadata": {"name": "s"}, "spec": {"masts": 3}});
    assert_eq!(difference(client, &ship).await, ObjectDifference::Absent);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "ships.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Ship", "plural": "ships"}, "versions": [{
            "name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"masts": {"type": "integer"}}}}}}
        }]}
    });
    assert_eq!(apply(client, &definition).await, ObjectDifference::Absent);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match client.apply(&ship.to_string()).await {
            Ok(state) => break assert_eq!((state.name.as_str(), state.state), ("Ship s", ObjectDifference::Absent)),
            Err(KubeError::NotFound(_)) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(difference(client, &ship).await, ObjectDifference::Same);
}

async fn nodes_keep_what_others_set(server: &Server, client: &Client) {
    let labels = BTreeMap::from([("node-role.kubernetes.io/master".to_owned(), String::new())]);
    let taint = |key: &str| Taint { key: key.into(), value: String::new(), effect: TaintEffect::NoSchedule };
    let error = client.set_node("n1", &labels, &[]).await.unwrap_err();
    assert!(matches!(error, KubeError::NotFound(_)), "{error}");
    assert!(client.nodes().await.unwrap().is_empty(), "a node must not be made by labelling it");

    for name in ["n2", "n1"] {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"foreign": "x"}},
            "spec": {"taints": [{"key": "foreign", "effect": "NoExecute"}]}});
        server.kubectl(&["create", "-f", "-"], &node.to_string());
    }
    let status = r#"{"status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}"#;
    server.kubectl(&["patch", "node", "n1", "--subresource=status", "--type=merge", "-p", status], "");

    assert!(client.set_node("n1", &labels, &[taint("ours")]).await.unwrap());
    assert!(!client.set_node("n1", &labels, &[taint("ours")]).await.unwrap());
    // Writers at the same moment: none of them loses the other's taint.
    let (left, right) = (taint("left"), taint("right"));
    let none = BTreeMap::new();
    let (first, second) =
        tokio::join!(client.set_node("n1", &none, std::slice::from_ref(&left)), client.set_node("n1", &none, std::slice::from_ref(&right)));
    assert!(first.unwrap() && second.unwrap());

    let nodes = client.nodes().await.unwrap();
    assert_eq!(nodes.iter().map(|node| (node.name.as_str(), node.ready)).collect::<Vec<_>>(), [("n1", true), ("n2", false)]);
    let node = &nodes[0];
    assert_eq!(node.addresses, ["10.0.0.1"]);
    assert_eq!(node.labels.get("foreign").map(String::as_str), Some("x"));
    assert!(node.labels.contains_key("node-role.kubernetes.io/master"));
    assert!(node.taints.iter().any(|taint| taint.key == "foreign" && taint.effect == TaintEffect::NoExecute));
    for wanted in [taint("ours"), left, right] {
        assert!(node.taints.contains(&wanted), "{wanted} in {:?}", node.taints);
    }
}

async fn nodes_go_back(server: &Server, client: &Client) {
    let node = |name: &'static str| async move {
        let mut nodes = client.nodes().await.unwrap();
        nodes.retain(|node| node.name == name);
        nodes.pop().unwrap()
    };
    let before = node("n2").await;
    let taint = Taint { key: "mine".into(), value: "v".into(), effect: TaintEffect::NoSchedule };
    let labels = BTreeMap::from([("foreign".to_owned(), "changed".to_owned()), ("added".to_owned(), String::new())]);
    assert!(client.set_node("n2", &labels, std::slice::from_ref(&taint)).await.unwrap());
    server.kubectl(&["label", "node", "n2", "later=z"], "");
    let former = BTreeMap::from([("foreign".to_owned(), before.labels["foreign"].clone())]);
    let (gone, taints) = (["added".to_owned()], [taint]);
    let back = NodeChange { labels: &former, remove_labels: &gone, taints: &[], remove_taints: &taints };
    assert!(client.change_node("n2", &back).await.unwrap());
    assert!(!client.change_node("n2", &back).await.unwrap());
    let mut after = node("n2").await;
    assert_eq!(after.labels.remove("later").as_deref(), Some("z"), "what others set since stays");
    assert_eq!((after.labels, after.taints), (before.labels, before.taints));
    assert!(!client.change_node("absent", &back).await.unwrap());
}

/// No controller runs here, so the test makes the ReplicaSet and the pods that a controller would.
async fn a_deployment_becomes_ready(server: &Server, client: &Client) {
    assert!(matches!(client.deployment("demo", "absent").await, Err(KubeError::NotFound(_))));
    let state = client.deployment("demo", "x").await.unwrap();
    assert_eq!((state.replicas, state.ready), (2, 0));
    assert_eq!(state.problems, ["the controller manager has not seen its latest change yet"]);

    let owner = |value: &Value, kind: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": value["metadata"]["name"], "uid": value["metadata"]["uid"]}]);
    let create =
        |object: Value| serde_json::from_str::<Value>(&server.kubectl(&["create", "-o", "json", "-f", "-"], &object.to_string())).unwrap();
    let deployment = client.get_json("/apis/apps/v1/namespaces/demo/deployments/x").await.unwrap();
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let set = create(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "x-1", "namespace": "demo", "labels": {"app": "x"}, "ownerReferences": owner(&deployment, "Deployment"),
            "annotations": {"deployment.kubernetes.io/revision": "1"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "x"}}, "template": template}}));
    for (pod, node) in [("x-1-a", "n1"), ("x-1-b", "n2")] {
        create(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": pod, "namespace": "demo", "labels": {"app": "x"}, "ownerReferences": owner(&set, "ReplicaSet")},
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}}));
    }
    let patch = |kind: &str, name: &str, status: Value| {
        server.kubectl(&["-n", "demo", "patch", kind, name, "--subresource=status", "--type=merge", "-p", &status.to_string()], "");
    };
    patch("deployment", "x", json!({"status": {"observedGeneration": deployment["metadata"]["generation"]}}));
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    patch("pod", "x-1-a", ready.clone());
    let state = client.deployment("demo", "x").await.unwrap();
    assert_eq!((state.ready, state.nodes), (1, vec!["n1".to_owned()]));
    assert_eq!(state.problems, ["pod `x-1-b`: Pending, not ready"]);
    patch("pod", "x-1-b", ready);
    let state = client.deployment("demo", "x").await.unwrap();
    assert_eq!((state.ready, state.nodes, state.problems), (2, vec!["n1".to_owned(), "n2".to_owned()], vec![]));
}
