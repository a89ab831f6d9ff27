//! Objects of add-ons: applied, found unchanged, kept from being taken from somebody else, and gone without a trace.

use barque_addon::{Library, name_of};
use barque_kube::Client;
use barque_model::{ADDON_LABEL, Cluster, ObjectDifference, Version};
use barque_spec::{Known, parse};
use serde_json::{Value, json};

use crate::server::Server;
use crate::{apply, difference, live};

/// Three nodes, and every add-on on.
fn cluster() -> Cluster {
    let library = Library::embedded();
    let names = library.barques().iter().map(|addon| format!("    - name: {}\n", addon.name)).collect::<Vec<_>>().concat();
    let text = format!(
        "apiVersion: barque.dev/v1\nkind: Cluster\nmetadata: {{name: a}}\nspec:\n  kubernetes: {{version: 1.37.2}}\n  hosts:\n    - {{name: m1, address: 192.0.2.1, roles: [etcd, master]}}\n    - {{name: n1, address: 192.0.2.2, roles: [node]}}\n    - {{name: n2, address: 192.0.2.3, roles: [node]}}\n  addons:\n{names}"
    );
    parse(&text, "a.yaml", &Known { kubernetes: &[Version::new(1, 37, 2)] }).unwrap().cluster
}

fn objects() -> Vec<Value> {
    let (cluster, library) = (cluster(), Library::embedded());
    let render = |chosen| library.find(chosen).unwrap().render(&cluster, &chosen.settings);
    cluster.addons.iter().flat_map(|chosen| render(chosen).map(|rendered| rendered.objects).unwrap_or_default()).collect()
}

/// Every object of every add-on is what the server takes, and what it fills in is no difference.
pub(crate) async fn objects_are_applied_and_found_again(client: &Client) {
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
        assert_eq!(live(client, object).await, None, "{}", name_of(object));
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
    for object in &all {
        assert!(client.delete(&object.to_string()).await.unwrap(), "{}", name_of(object));
    }
}

/// Pods of every Deployment and DaemonSet are let into a namespace of level `restricted`.
pub(crate) fn pods_are_restricted(server: &Server) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict",
        "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    server.kubectl(&["create", "-f", "-"], &namespace.to_string());
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "strict"}});
    server.kubectl(&["apply", "-f", "-"], &account.to_string());
    for object in objects() {
        let template = &object["spec"]["template"];
        if !template["spec"]["containers"].is_array() {
            continue;
        }
        let mut spec = template["spec"].clone();
        spec.as_object_mut().unwrap().shift_remove("serviceAccountName");
        spec["automountServiceAccountToken"] = json!(false);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "strict"}, "spec": spec});
        server.kubectl(&["create", "--dry-run=server", "-f", "-"], &pod.to_string());
    }
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
