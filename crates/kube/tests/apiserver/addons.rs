//! Objects of add-ons: applied, found unchanged, kept from being taken from somebody else, and gone without a trace.

use barque_addon::{Library, name_of};
use barque_kube::Client;
use barque_model::{ADDON_LABEL, CERTIFICATE_ANNOTATION, Cluster, ObjectDifference, Version};
use barque_spec::{Known, parse};
use serde_json::{Value, json};

use crate::server::Server;
use crate::{apply, difference, live};

/// Settings of add-ons that cannot do without, or that bring more objects.
const SETTINGS: [(&str, &str); 2] = [
    ("ingress", "      settings: {gatewayApi: true}\n"),
    (
        "registry",
        "      settings:\n        tlsSecret: tls\n        usersSecret: users\n        readOnly: true\n        storage:\n          s3: {endpoint: \"https://192.0.2.9:9000\", bucket: images, credentialsSecret: store, caConfigMap: store}\n",
    ),
];

/// Settings with which other objects are made than with those above.
const OTHERS: [(&str, &str); 4] = [
    ("ingress", "      settings: {controller: ingress-nginx, defaultCertificate: web, redirectToHttps: true}\n"),
    (
        "logging",
        "      settings: {collector: fluent-bit, endpoints: [\"https://192.0.2.9:9200\"], caConfigMap: ca, credentialsSecret: store}\n",
    ),
    (
        "logging",
        "      settings: {collector: fluentd, endpoints: [\"https://192.0.2.9:9200\"], caConfigMap: ca, credentialsSecret: store}\n",
    ),
    ("opensearch", "      settings: {replicas: 3, storageClass: local-path, nodePort: 30920}\n"),
];

/// Three nodes, and every add-on on.
fn cluster() -> Cluster {
    let library = Library::embedded();
    let settings = |name: &str| SETTINGS.iter().find(|(of, _)| *of == name).map_or("", |(_, lines)| *lines);
    with(&library.barques().iter().map(|addon| (addon.name.as_str(), settings(addon.name.as_str()))).collect::<Vec<_>>())
}

/// Three nodes, and these add-ons with their settings.
fn with(addons: &[(&str, &str)]) -> Cluster {
    let names = addons.iter().map(|(name, settings)| format!("    - name: {name}\n{settings}")).collect::<Vec<_>>().concat();
    let text = format!(
        "apiVersion: barque.dev/v1\nkind: Cluster\nmetadata: {{name: a}}\nspec:\n  kubernetes: {{version: 1.37.2}}\n  hosts:\n    - {{name: m1, address: 192.0.2.1, roles: [etcd, master]}}\n    - {{name: n1, address: 192.0.2.2, roles: [node]}}\n    - {{name: n2, address: 192.0.2.3, roles: [node]}}\n  addons:\n{names}"
    );
    parse(&text, "a.yaml", &Known { kubernetes: &[Version::new(1, 37, 2)] }).unwrap().cluster
}

fn objects() -> Vec<Value> {
    objects_of(&cluster())
}

fn objects_of(cluster: &Cluster) -> Vec<Value> {
    let library = Library::embedded();
    let render = |chosen| library.find(chosen).unwrap().render(cluster, &chosen.settings);
    let mut objects: Vec<Value> = cluster.addons.iter().flat_map(|chosen| render(chosen).unwrap().objects).collect();
    // What barque issues comes in on the way; the server asks for the two members and does not read them.
    for secret in objects.iter_mut().filter(|object| object["metadata"]["annotations"].get(CERTIFICATE_ANNOTATION).is_some()) {
        secret["data"] = json!({"tls.crt": "eA==", "tls.key": "eA=="});
    }
    objects
}

/// The same of objects that other settings make.
pub(crate) async fn objects_of_other_settings_too(server: &Server, client: &Client) {
    for addon in OTHERS {
        let all = objects_of(&with(&[addon]));
        for object in &all {
            assert_eq!(apply(client, object).await, ObjectDifference::Absent, "{}", name_of(object));
        }
        for object in &all {
            assert_eq!(difference(client, object).await, ObjectDifference::Same, "{}", name_of(object));
        }
        for object in all.iter().rev() {
            assert!(client.delete(&object.to_string()).await.unwrap(), "{}", name_of(object));
            finalize(server, object);
        }
    }
}

/// Every object of every add-on is what the server takes, and what it fills in is no difference.
pub(crate) async fn objects_are_applied_and_found_again(server: &Server, client: &Client) {
    let all = objects();
    assert!(all.len() >= 9);
    for object in &all {
        assert_eq!(apply(client, object).await, ObjectDifference::Absent, "{}", name_of(object));
    }
    for object in &all {
        assert_eq!(difference(client, object).await, ObjectDifference::Same, "{}", name_of(object));
    }
    let mut former = Vec::new();
    for object in all.iter().rev() {
        former.push(client.live(&object.to_string()).await.unwrap().unwrap());
        assert!(client.delete(&object.to_string()).await.unwrap(), "{}", name_of(object));
        finalize(server, object);
        gone(client, object).await;
    }
    // A rollback brings them back, what was deleted last first: with the addresses that they had, and as barque's own.
    for object in former.iter().rev() {
        assert!(client.replace(object).await.unwrap(), "{object}");
    }
    for object in &all {
        let found = client.difference(&object.to_string()).await.unwrap();
        assert_eq!((found.state, found.conflicts.len()), (ObjectDifference::Same, 0), "{}", name_of(object));
    }
    let address = |text: &str| serde_json::from_str::<Value>(text).unwrap()["spec"]["clusterIP"].clone();
    for text in former.iter().filter(|text| address(text).is_string()) {
        assert_eq!(address(&client.live(text).await.unwrap().unwrap()), address(text));
    }
    for object in all.iter().rev() {
        assert!(client.delete(&object.to_string()).await.unwrap(), "{}", name_of(object));
        finalize(server, object);
    }
}

/// A definition goes after the objects of its kind, which takes the server a moment; everything else is gone at once.
async fn gone(client: &Client, object: &Value) {
    for _ in 0..100 {
        if object["kind"] != "CustomResourceDefinition" || live(client, object).await.is_none() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(live(client, object).await, None, "{}", name_of(object));
}

/// What the controller manager, which is not here, does to a deleted namespace when nothing is left in it.
fn finalize(server: &Server, object: &Value) {
    if object["kind"] == "Namespace" {
        let name = object["metadata"]["name"].as_str().unwrap();
        let request = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}});
        server.kubectl(&["replace", "--raw", &format!("/api/v1/namespaces/{name}/finalize"), "-f", "-"], &request.to_string());
    }
}

/// Whoever logs in to the dashboard as its viewer sees the cluster but no Secret, and changes nothing.
pub(crate) async fn the_dashboards_viewer_only_looks(server: &Server, client: &Client) {
    let of_dashboard = |object: &&Value| object["metadata"]["labels"]["barque.dev/addon"] == "dashboard";
    let rendered = objects();
    let parts: Vec<&Value> = rendered.iter().filter(of_dashboard).collect();
    for object in &parts {
        apply(client, object).await;
    }
    let may = |verb: &str, what: &str| {
        let (resource, part) = what.split_once('/').unwrap_or((what, ""));
        let part = format!("--subresource={part}");
        let asked = server.try_kubectl(&["auth", "can-i", verb, resource, &part, "-A", "--as=system:serviceaccount:dashboard:viewer"], "");
        asked.is_ok_and(|answer| answer.trim() == "yes")
    };
    for what in ["nodes", "persistentvolumes", "customresourcedefinitions", "storageclasses"] {
        assert!(may("list", what), "the viewer may not list {what}");
        assert!(!may("delete", what), "the viewer may delete {what}");
    }
    for (verb, what) in
        [("list", "secrets"), ("get", "secrets"), ("create", "pods"), ("delete", "pods"), ("create", "pods/exec"), ("get", "nodes/proxy")]
    {
        assert!(!may(verb, what), "the viewer may {verb} {what}");
    }
    for object in parts.iter().rev() {
        assert!(client.delete(&object.to_string()).await.unwrap(), "{}", name_of(object));
        finalize(server, object);
    }
}

/// What needs more of its host than a namespace of level `restricted` lets it have: it reads the host's files or listens on it.
const PRIVILEGED: [&str; 3] =
    ["DaemonSet kube-system/dns-cache", "DaemonSet logging/collector", "DaemonSet monitoring-hosts/node-exporter"];

/// Pods of every Deployment, DaemonSet and CronJob are let into a namespace of level `restricted`, but for the named ones.
pub(crate) fn pods_are_restricted(server: &Server) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict",
        "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    server.kubectl(&["create", "-f", "-"], &namespace.to_string());
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "strict"}});
    server.kubectl(&["apply", "-f", "-"], &account.to_string());
    let mut refused = Vec::new();
    for object in objects() {
        let job = &object["spec"]["jobTemplate"]["spec"]["template"];
        let template = if job.is_null() { &object["spec"]["template"] } else { job };
        if !template["spec"]["containers"].is_array() {
            continue;
        }
        let mut spec = template["spec"].clone();
        // An account that is there; tokens among the volumes need one.
        spec["serviceAccountName"] = json!("default");
        spec["automountServiceAccountToken"] = json!(false);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "strict"}, "spec": spec});
        if let Err(error) = server.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &pod.to_string()) {
            assert!(error.contains("violates PodSecurity"), "{}: {error}", name_of(&object));
            refused.push(name_of(&object));
        }
    }
    refused.sort();
    assert_eq!(refused, PRIVILEGED);
}

/// Who owns a field that an apply would take is named; what is barque's own is not.
pub(crate) async fn owners_are_named(server: &Server, client: &Client) {
    let map =
        |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned", "namespace": "demo"}, "data": data});
    let conflicts = async |object: &Value| client.difference(&object.to_string()).await.unwrap().conflicts;
    assert_eq!(apply(client, &map(json!({"a": "1", "b": "1"}))).await, ObjectDifference::Absent);
    assert_eq!(conflicts(&map(json!({"a": "2", "b": "1"}))).await, [""; 0]);
    server.kubectl(&["-n", "demo", "patch", "configmap", "owned", "--type=merge", "-p", r#"{"data": {"a": "3"}}"#], "");
    let found = client.difference(&map(json!({"a": "2", "b": "1"})).to_string()).await.unwrap();
    assert_eq!(
        (found.state, found.conflicts.as_slice()),
        (ObjectDifference::Differs, ["`.data.a` belongs to `kubectl-patch`".to_owned()].as_slice())
    );
    // What a rollback brought back was written in another way, and is barque's all the same.
    let former = client.live(&map(json!({})).to_string()).await.unwrap().unwrap();
    assert!(client.delete(&former).await.unwrap() && client.replace(&former).await.unwrap());
    assert!(conflicts(&map(json!({"a": "3", "b": "2"}))).await.iter().all(|line| !line.contains("`barque`")));
    assert!(client.delete(&former).await.unwrap());
}

/// A namespace is empty when nothing is in it but what Kubernetes and the add-on put there.
pub(crate) async fn a_namespace_tells_who_is_in_it(client: &Client) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shared"}});
    let map = |name: &str, addon: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shared",
        "labels": {ADDON_LABEL: addon}}})
    };
    assert_eq!(apply(client, &namespace).await, ObjectDifference::Absent);
    apply(client, &map("ours", "x")).await;
    assert_eq!(client.others_in_namespace("shared", "x").await.unwrap(), None);
    apply(client, &map("theirs", "y")).await;
    assert_eq!(client.others_in_namespace("shared", "x").await.unwrap().as_deref(), Some("ConfigMap theirs"));
}
