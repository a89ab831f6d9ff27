//! barque's add-ons in real cluster files: what they come to, and what none of them may be.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use barque_addon::{Addon, Files, Library, name_of};
use barque_model::{Cluster, Version};
use barque_spec::{Known, NoFiles, Surroundings, addon_sources, parse, parse_with};
use serde_json::Value;

const KNOWN: Known<'static> = Known { kubernetes: &[Version::new(1, 37, 2)] };

const DEFINITION: &str = "CustomResourceDefinition";

/// What the registry cannot do without, one kind of storage each.
const REGISTRY_OVER_A_VOLUME: &str = "      settings: {tlsSecret: tls, usersSecret: users, storage: {claim: {name: images}}}\n";
const REGISTRY_OVER_A_STORE: &str = "      settings:\n        {tlsSecret: tls, usersSecret: users, readOnly: true, storage: {s3: {endpoint: \"https://192.0.2.9:9000\", bucket: images, credentialsSecret: store, caConfigMap: store-ca}}}\n";

/// A cluster of a master and so many nodes, with every add-on on.
fn cluster(nodes: usize) -> Cluster {
    let mut text =
        "apiVersion: barque.dev/v1\nkind: Cluster\nmetadata: {name: a}\nspec:\n  kubernetes: {version: 1.37.2}\n  hosts:\n".to_owned();
    let role = if nodes == 1 { "etcd, master, node" } else { "etcd, master" };
    let _ = writeln!(text, "    - {{name: m1, address: 192.0.2.1, roles: [{role}]}}");
    for number in 2..=nodes {
        let _ = writeln!(text, "    - {{name: n{number}, address: 192.0.2.{number}, roles: [node]}}");
    }
    text.push_str("  addons:\n");
    for addon in Library::embedded().barques() {
        let _ = writeln!(text, "    - name: {}", addon.name);
        let settings = match (addon.name.as_str(), nodes) {
            ("registry", 1) => REGISTRY_OVER_A_VOLUME,
            ("registry", _) => REGISTRY_OVER_A_STORE,
            ("ingress", 2..) => "      settings: {gatewayApi: true}\n",
            _ => "",
        };
        text.push_str(settings);
    }
    parse(&text, "a.yaml", &KNOWN).unwrap_or_else(|errors| panic!("{errors}")).cluster
}

/// Every object of every add-on.
fn objects(cluster: &Cluster) -> Vec<(String, Vec<Value>)> {
    let library = Library::embedded();
    let render = |addon: &barque_model::ClusterAddon| {
        let known = library.find(addon).unwrap();
        let rendered = known.render(cluster, &addon.settings).unwrap_or_else(|error| panic!("{}: {error}", addon.name));
        (addon.name.to_string(), rendered.objects)
    };
    cluster.addons.iter().filter(|addon| addon.name.as_str() != "dns").map(render).collect()
}

/// Definitions of kinds are upstream's: their names say enough.
fn yaml(objects: &[Value]) -> String {
    let text = |object: &Value| if object["kind"] == DEFINITION { "...".to_owned() } else { format!("{object:#}") };
    objects.iter().map(|object| format!("# {}\n{}\n", name_of(object), text(object))).collect::<Vec<_>>().concat()
}

#[test]
fn objects_for_one_and_for_three_nodes() {
    for nodes in [1, 3] {
        for (name, found) in objects(&cluster(nodes)) {
            insta::assert_snapshot!(format!("{name}-{nodes}"), yaml(&found));
        }
    }
}

#[test]
fn the_same_twice() {
    assert_eq!(objects(&cluster(3)), objects(&cluster(3)));
}

fn containers<'a>(value: &'a Value, found: &mut Vec<(&'a Value, &'a Value)>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if matches!(key.as_str(), "containers" | "initContainers") {
                    found.extend(member.as_array().into_iter().flatten().map(|container| (value, container)));
                }
                containers(member, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| containers(item, found)),
        _ => {}
    }
}

/// Containers that are root: files of pods' lines are root's, and nobody else may read them; and only root keeps the one capability for port 53.
const ROOT: [&str; 2] = ["logging/collector", "dns-cache/dns-cache"];
/// Containers whose own file system can be written: a keystore is made beside the image's configuration.
const WRITTEN: [&str; 1] = ["opensearch/opensearch"];
/// Add-ons that run an image of the release, which every node has.
const OF_THE_RELEASE: [&str; 1] = ["dns-cache"];

#[test]
fn every_container_is_bounded_and_confined() {
    for (name, found) in objects(&cluster(3)) {
        let mut all = Vec::new();
        for object in &found {
            containers(object, &mut all);
        }
        let only_defines = found.iter().all(|object| object["kind"] == DEFINITION);
        assert!(only_defines == all.is_empty(), "{name} runs nothing");
        for (pod, container) in all {
            let called = format!("{name}/{}", container["name"].as_str().unwrap());
            for resource in ["cpu", "memory"] {
                assert!(container["resources"]["requests"][resource].is_string(), "{called} asks for no {resource}");
            }
            let (own, of_pod) = (&container["securityContext"], &pod["securityContext"]);
            // Pod Security Standards, level `restricted`.
            assert_eq!(own["allowPrivilegeEscalation"], false, "{called}");
            assert_eq!(own["capabilities"]["drop"][0], "ALL", "{called}");
            assert_eq!(own["readOnlyRootFilesystem"] != true, WRITTEN.contains(&called.as_str()), "{called}: whether it may write");
            let is_root = own["runAsNonRoot"] != true && of_pod["runAsNonRoot"] != true;
            assert_eq!(is_root, ROOT.contains(&called.as_str()), "{called}: whether it may be root");
            let profile = |context: &Value| context["seccompProfile"]["type"] == "RuntimeDefault";
            assert!(profile(own) || profile(of_pod), "{called} has no seccomp profile");
            let image = container["image"].as_str().unwrap();
            let (_, last) = image.rsplit_once('/').unwrap();
            assert!(last.contains(':') && !last.ends_with(":latest"), "{called}: {image}");
        }
    }
}

#[test]
fn no_role_may_do_everything() {
    for (name, found) in objects(&cluster(3)) {
        for object in found.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Role")) {
            for rule in object["rules"].as_array().unwrap() {
                let wide = |member: &str| rule[member].as_array().is_some_and(|words| words.iter().any(|word| word == "*"));
                assert!(!(wide("verbs") && (wide("resources") || wide("apiGroups"))), "{name}: {}", name_of(object));
            }
        }
        let all = |object: &&Value| object["roleRef"]["name"] == "cluster-admin";
        assert!(!found.iter().any(|object| all(&object)), "{name} is bound to cluster-admin");
    }
}

#[test]
fn images_and_labels_are_those_of_the_add_on() {
    let library = Library::embedded();
    for (name, found) in objects(&cluster(3)) {
        let mut all = Vec::new();
        for object in &found {
            containers(object, &mut all);
        }
        let known = &library.get(&name).unwrap().images;
        for (_, container) in all.into_iter().filter(|_| !OF_THE_RELEASE.contains(&name.as_str())) {
            assert!(known.iter().any(|image| container["image"] == image.reference.as_str()), "{name}: {}", container["image"]);
        }
        for object in &found {
            let labels = &object["metadata"]["labels"];
            assert_eq!((&labels["app.kubernetes.io/managed-by"], &labels["barque.dev/addon"]), (&"barque".into(), &name.as_str().into()));
        }
    }
}

#[test]
fn a_setting_changes_what_it_says() {
    let mut other = cluster(3);
    let addon = other.addons.iter_mut().find(|addon| addon.name.as_str() == "metrics-server").unwrap();
    addon.settings["resolutionSeconds"] = 30.into();
    let all = |cluster| objects(cluster).into_iter().flat_map(|(_, found)| found).collect::<Vec<_>>();
    let (before, after) = (all(&cluster(3)), all(&other));
    let changed: Vec<String> = before.iter().zip(&after).filter(|(one, two)| one != two).map(|(one, _)| name_of(one)).collect();
    assert_eq!(changed, ["Deployment kube-system/metrics-server"]);
}

const HEAD: &str = "apiVersion: barque.dev/v1\nkind: Cluster\nmetadata: {name: a}\nspec:\n  kubernetes: {version: VERSION}\n  hosts:\n    - {name: m1, address: 192.0.2.1, roles: [etcd, master, node]}\n  addons:\n";

/// A user's own, which needs others.
fn own(name: &str, needs: &[&str]) -> Addon {
    let description =
        format!("name = \"{name}\"\nversion = \"1\"\nnamespace = \"a\"\nneeds = {needs:?}\n[description]\nen = \"x\"\nzh = \"x\"\n");
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: {{ addon.namespace }}}\n";
    let files = Files::from([("addon.toml".to_owned(), description), ("objects/a.yaml".to_owned(), object.to_owned())]);
    Addon::read(&name.parse().unwrap(), &files).unwrap()
}

/// What is said of a file with these lines, or the names of the add-ons in their order.
fn said(lines: &str, version: Version) -> String {
    let text = format!("{}{lines}", HEAD.replace("VERSION", &version.to_string()));
    let mut library = Library::embedded();
    for (name, from) in addon_sources(&text) {
        let addon = match from.as_str() {
            "broken" => Err(("there is no object in it".to_owned(), "name another".to_owned())),
            needs => Ok(own(&name, &needs.split(',').filter(|need| !need.is_empty()).collect::<Vec<_>>())),
        };
        library.add(&name, &from, addon);
    }
    match parse_with(&text, "a.yaml", &Known { kubernetes: &[version] }, &Surroundings { files: &NoFiles, addons: &library }) {
        Ok(loaded) => loaded.cluster.addons.iter().map(|addon| addon.name.as_str()).collect::<Vec<_>>().join(" "),
        Err(errors) => errors
            .items()
            .iter()
            .map(|item| format!("{}:{} {} ({})\n", item.line, item.column, item.message, item.hint))
            .collect::<Vec<_>>()
            .concat(),
    }
}

#[test]
fn needs_order_add_ons_and_are_checked() {
    let new = Version::new(1, 37, 2);
    assert_eq!(
        said("    - {name: b, from: \"a,metrics-server\"}\n    - {name: a, from: \"\"}\n    - name: metrics-server\n", new),
        "dns a metrics-server b"
    );
    assert_eq!(said("    - {name: b, from: \"\", enabled: false}\n    - {name: dns}\n", new), "dns");
    let faults = [
        said("    - {name: a, from: metrics-server}\n    - {name: metrics-server, enabled: false}\n", new),
        said("    - {name: a, from: gone}\n", new),
        said("    - {name: a, from: b}\n    - {name: b, from: a}\n", new),
        said("    - {name: dns, from: \"\"}\n    - {name: c, from: broken}\n", new),
        said("    - name: metrics-server\n", Version::new(1, 33, 6)),
    ];
    insta::assert_snapshot!(faults.concat(), @r"
    9:14 add-on `a` needs `metrics-server`, which is not on (remove its `enabled: false`, or turn this one off too)
    9:14 add-on `a` needs `gone`, which is not on (turn it on too: `- name: gone`)
    9:14 add-ons need each other: a -> b -> a (take one `needs` out of an `addon.toml` of yours)
    9:25 `dns` is an add-on of barque's own (give yours another name, or remove `from`)
    10:23 the add-on in `broken` cannot be used: there is no object in it (name another)
    9:13 add-on `metrics-server` 0.9.0 does not run on Kubernetes 1.33.6 (it runs on Kubernetes 1.34 or later)
    ");
}

#[test]
fn ports_of_the_ingress_are_nobody_elses() {
    let said = |settings: &str| said(&format!("    - {{name: ingress, settings: {{{settings}}}}}\n"), Version::new(1, 37, 2));
    assert_eq!(said("httpPort: 443"), "dns ingress", "without load balancers nothing listens there");
    let faults = [said("httpNodePort: 80"), said("httpsNodePort: 30081"), said("healthNodePort: 30443, httpsPort: 80")];
    insta::assert_snapshot!(faults.concat(), @r"
    9:48 add-on `ingress`: `httpNodePort` is 80, outside the cluster's node ports 30000-32767 (give a port of 30000-32767, or change `spec.network.nodePorts`)
    9:23 add-on `ingress`: `httpsNodePort` and `healthNodePort` are the same (give each a port of its own)
    9:50 add-on `ingress`: `httpsNodePort` and `healthNodePort` are the same (give each a port of its own)
    ");
}

#[test]
fn a_frozen_controller_is_warned_of() {
    let text = |settings: &str| {
        let lines = format!("    - name: ingress\n      settings:\n        {settings}\n");
        match parse(&format!("{}{lines}", HEAD.replace("VERSION", "1.37.2")), "a.yaml", &KNOWN) {
            Ok(loaded) => loaded.warnings.to_string(),
            Err(errors) => errors.to_string(),
        }
    };
    assert_eq!(text("controller: traefik"), "a.yaml: 0 warnings");
    insta::assert_snapshot!(text("controller: ingress-nginx"));
    insta::assert_snapshot!(text("controller: ingress-nginx\n        gatewayApi: true"));
}

#[test]
fn ports_of_the_balancers_are_one_for_each_purpose() {
    let file = |settings: &str| {
        let text = include_str!("../../../examples/ha.yaml");
        format!("{text}  addons:\n    - name: ingress\n      settings:\n        {settings}\n")
    };
    let said = |settings: &str| match parse(&file(settings), "ha.yaml", &KNOWN) {
        Ok(loaded) => format!("{:?}\n", loaded.cluster.ingress_front()),
        Err(errors) => {
            errors.items().iter().map(|item| format!("{} {} ({})\n", item.column, item.message, item.hint)).collect::<Vec<_>>().concat()
        }
    };
    let all = ["behindLoadBalancer: false", "httpPort: 8080", "httpPort: 443", "httpsPort: 6443"].map(said);
    insta::assert_snapshot!(all.concat(), @r"
    None
    Some(IngressFront { http: Passed { port: 8080, node_port: 30080 }, https: Passed { port: 443, node_port: 30443 }, health_node_port: 30081 })
    7 add-on `ingress`: `httpPort` and `httpsPort` are the same (give each a port of its own)
    20 add-on `ingress`: `httpsPort` is 6443, which haproxy has for the API (give it another port, or change `spec.loadBalancer.port`)
    ");
}
