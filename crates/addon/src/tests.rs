//! Add-ons as texts: what is read, refused and put in order.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::yaml::documents;

fn files(texts: &[(&str, &str)]) -> Files {
    texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn read(texts: &[(&str, &str)]) -> Result<Addon, AddonError> {
    Addon::read(&"mine".parse().unwrap(), &files(texts))
}

const DESCRIPTION: &str = "name = \"mine\"\nversion = \"1\"\nnamespace = \"mine\"\n[description]\nen = \"Mine\"\nzh = \"我的\"\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n";

/// Images that are in no bundle.
const PULLED: [&str; 6] =
    ["dashboard/headlamp", "grafana/grafana", "ingress/ingress-nginx", "logging/fluent-bit", "logging/fluentd", "opensearch/opensearch"];

#[test]
fn every_add_on_of_barques_can_be_read() {
    let library = Library::embedded();
    assert!(library.barques().len() >= 2);
    for addon in library.barques() {
        assert!(!addon.description.en.is_empty() && !addon.description.zh.is_empty(), "{}", addon.name);
        assert!(!addon.checks.is_empty(), "{} checks nothing", addon.name);
        let (_, faults) = addon.settings.resolve(&json!({}));
        let must_be_given = |name: &str| faults.iter().any(|fault| fault.message.contains(&format!("setting `{name}` is missing")));
        for (name, _, default, words) in addon.settings.settings() {
            assert!(!words.is_empty() && default.is_some() != must_be_given(name), "{}: {name}", addon.name);
        }
        for needed in &addon.needs {
            assert!(library.get(needed.as_str()).is_some(), "{} needs {needed}", addon.name);
        }
        for image in &addon.images {
            // What no registry of modules has is pulled by nodes: docs/limits.md.
            let is_pulled = PULLED.contains(&format!("{}/{}", addon.name, image.name).as_str());
            assert!(image.artifact.is_none() == is_pulled && image.reference.contains(&image.version), "{}", image.reference);
        }
    }
    assert!(library.get("dns").unwrap().is_built_in());
    assert_eq!(library.nearest("metric-server"), Some("metrics-server"));
    assert_eq!(library.nearest("prometheus"), None);
}

#[test]
fn plain_objects_are_taken_as_they_are() {
    let chart = "# Source: chart/deployment.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: site}\nspec:\n  template:\n    spec:\n      containers: [{name: c, image: \"example.test/web:1\"}]\n---\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: test\n  annotations: {helm.sh/hook: test}\n";
    let addon = read(&[("chart.yaml", chart), ("map.yml", MAP), ("README.md", "no objects: [")]).unwrap();
    let Rendered { objects, .. } = addon.render_plain();
    let names: Vec<String> = objects.iter().map(name_of).collect();
    assert_eq!(names, ["ConfigMap b/a", "Deployment site/web"]);
    assert!(objects.iter().all(|object| owner_of(object) == Some("mine")));
    assert_eq!(addon.images[0].reference, "example.test/web:1");
    assert_eq!(addon.checks, [Check::DeploymentReady { namespace: "site".into(), name: "web".into() }]);
}

impl Addon {
    fn render_plain(&self) -> Rendered {
        match &self.objects {
            addon::Objects::Plain(objects) => Rendered { objects: objects.clone(), certificates: Vec::new() },
            _ => panic!("not plain"),
        }
    }
}

#[test]
fn namespaces_come_first_and_api_groups_last() {
    let list = "apiVersion: v1\nkind: List\nitems:\n  - {apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.x}, spec: {service: {name: s}}}\n  - {apiVersion: v1, kind: Service, metadata: {name: s, namespace: room}}\n  - {apiVersion: v1, kind: Namespace, metadata: {name: room}}\n";
    let names: Vec<String> = read(&[("a.yaml", list)]).unwrap().render_plain().objects.iter().map(name_of).collect();
    assert_eq!(names, ["Namespace room", "Service room/s", "APIService v1.x"]);
}

#[test]
fn what_is_no_add_on_says_why() {
    let wrong = |texts: &[(&str, &str)]| {
        let error = read(texts).unwrap_err();
        assert!(!error.hint().is_empty());
        error.to_string()
    };
    let found = [
        wrong(&[]),
        wrong(&[("empty.yaml", "# nothing is rendered\n---\n")]),
        wrong(&[("kustomization.yaml", "resources: [a.yaml]\n")]),
        wrong(&[("a.yaml", "kind: ConfigMap\nmetadata: {name: a}\n")]),
        wrong(&[("a.yaml", "a: [\n")]),
        wrong(&[("a.yaml", "a: 1\na: 2\n")]),
        wrong(&[("a.yaml", MAP), ("b.yaml", MAP)]),
        wrong(&[("addon.toml", "name = \"other\"\n")]),
        wrong(&[("addon.toml", &DESCRIPTION.replace("\"mine\"\nversion", "\"other\"\nversion")), ("objects/a.yaml", MAP)]),
        wrong(&[("addon.toml", DESCRIPTION)]),
        wrong(&[("addon.toml", DESCRIPTION), ("objects/a.yaml", MAP), ("settings.schema.json", r#"{"type": "object", "oneOf": []}"#)]),
        wrong(&[
            ("addon.toml", DESCRIPTION),
            ("objects/a.yaml", MAP),
            ("settings.schema.json", r#"{"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}"#),
        ]),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    there is no object in it
    there is no object in it
    it is a kustomization, and neither `kubectl` nor `kustomize` is installed here to build it
    `a.yaml` is not right: an object has no `apiVersion`
    `a.yaml` is not right: line 1: unclosed bracket '['
    `a.yaml` is not right: line 2: `a` is given twice
    `ConfigMap b/a` is in it twice
    `addon.toml` is not right: missing field `version`
    `addon.toml` describes `other`, not `mine`
    there is no object in it
    `settings.schema.json` is not right: keyword `oneOf` at the top level is not understood
    `settings.schema.json` is not right: its defaults are not right: `a` must be a whole number, not "x"
    "#);
}

#[test]
fn settings_get_their_defaults_and_faults_their_place() {
    let schema = SettingsSchema::read(
        r#"{"type": "object", "additionalProperties": false, "required": ["host"], "properties": {
            "host": {"type": "string", "description": "Where to."},
            "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
            "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "size": {"type": "string", "pattern": "^[0-9]+Mi$", "default": "1Mi"},
            "inner": {"type": "object", "properties": {"deep": {"type": "boolean", "default": true}}},
            "list": {"type": "array", "items": {"type": "number"}, "default": []}}}"#,
    );
    let (_, faults) = schema.unwrap().resolve(&json!({}));
    let found: Vec<_> = faults.iter().map(|fault| (fault.kind, fault.message.as_str())).collect();
    assert_eq!(found, [(FaultKind::Missing, "setting `host` is missing")]);
    let text = r#"{"type": "object", "additionalProperties": false, "properties": {
        "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "size": {"type": "string", "pattern": "^[0-9]+Mi$", "default": "1Mi", "description": "Memory."},
        "inner": {"type": "object", "properties": {"deep": {"type": "boolean", "default": true}}},
        "list": {"type": "array", "items": {"type": "number"}, "default": []}}}"#;
    let schema = SettingsSchema::read(text).unwrap();
    let (whole, faults) = schema.resolve(&json!({"count": 5}));
    assert_eq!((whole, faults.len()), (json!({"count": 5, "kind": "a", "size": "1Mi", "inner": {"deep": true}, "list": []}), 0));
    let (_, faults) = schema.resolve(&json!({"count": 12, "kind": "c", "size": "1", "inner": {"deep": "yes"}, "list": [1, "x"], "knd": 1}));
    let lines: Vec<String> = faults.iter().map(|fault| format!("{} -> {}", fault.message, fault.hint)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    `count` is 12, outside 1 to 9 -> give a number that is 1 to 9
    `kind` cannot be `c` -> possible: `a`, `b`
    `size` cannot be `1` -> it must match `^[0-9]+Mi$` (Memory)
    `inner.deep` must be `true` or `false`, not "yes" -> give `true` or `false`
    `list[1]` must be a number, not "x" -> write digits only, without quotes or a unit
    there is no setting `knd` -> did you mean `kind`?
    "#);
    assert_eq!(faults.iter().filter(|fault| fault.kind == FaultKind::Unknown).count(), 1);
}

#[test]
fn a_setting_of_closed_kinds_takes_exactly_one() {
    let schema = SettingsSchema::read(
        r#"{"type": "object", "required": ["storage"], "properties": {"storage": {"type": "object", "minProperties": 1, "maxProperties": 1,
            "additionalProperties": false, "description": "Where.", "properties": {
            "far": {"type": "object", "required": ["url"], "properties": {
                "url": {"type": "string", "description": "Its address."}, "style": {"type": "string", "default": "path"}}},
            "near": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "description": "Its name."}}}}}}}"#,
    )
    .unwrap();
    let lines = |settings: Value| {
        let (_, faults) = schema.resolve(&settings);
        faults.iter().map(|fault| format!("{} -> {}", fault.message, fault.hint)).collect::<Vec<_>>().join("\n")
    };
    let (whole, faults) = schema.resolve(&json!({"storage": {"far": {"url": "x"}}}));
    assert_eq!((whole, faults.len()), (json!({"storage": {"far": {"url": "x", "style": "path"}}}), 0));
    let found = [
        lines(json!({})),
        lines(json!({"storage": {}})),
        lines(json!({"storage": {"far": {"url": "x"}, "near": {"name": "y"}}})),
        lines(json!({"storage": {"far": {}}})),
    ];
    insta::assert_snapshot!(found.join("\n"), @r"
    setting `storage` is missing -> add `storage:` (Where)
    `storage` has 0 entries, not exactly one -> give exactly one of `far`, `near`
    `storage` has 2 entries, not exactly one -> give exactly one of `far`, `near`
    setting `url` is missing -> add `url:` (Its address)
    ");
}

#[test]
fn add_ons_come_after_those_that_they_need() {
    let all = |list: &[(&str, &[&str])]| -> Vec<(barque_model::AddonName, Vec<barque_model::AddonName>)> {
        list.iter().map(|(name, needs)| (name.parse().unwrap(), needs.iter().map(|name| name.parse().unwrap()).collect())).collect()
    };
    let order = in_order(&all(&[("c", &["a", "b"]), ("a", &[]), ("b", &["a"]), ("d", &[])])).unwrap();
    assert_eq!(order.iter().map(barque_model::AddonName::as_str).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    let faults = in_order(&all(&[("a", &["b"]), ("b", &["a"]), ("c", &["gone"])])).unwrap_err();
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["add-on `c` needs `gone`, which is not on", "add-ons need each other: a -> b -> a"]);
}

#[test]
fn yaml_means_what_kubernetes_reads() {
    let value = |text: &str| documents(text).unwrap().remove(0);
    assert_eq!(
        value("a: &x {b: 0x10, c: 1.5, d: \"1\", e: yes, f: ~}\ng: *x\nh: |\n  two\n  lines\n"),
        json!({"a": {"b": 16, "c": 1.5, "d": "1", "e": true, "f": null}, "g": {"b": 16, "c": 1.5, "d": "1", "e": true, "f": null}, "h": "two\nlines\n"})
    );
    // As sigs.k8s.io/yaml 1.6.0 turned each of them into JSON.
    let numbers = "[0400, 0o400, 0x10, 0b11, -0400, 08, 1_000, +5, .5, 1e3, 012.5, 0x1_0, -0x10, 0, 00, -0, 1., 12e03]";
    assert_eq!(value(numbers), json!([256, 256, 16, 3, -256, 8.0, 1000, 5, 0.5, 1000.0, 12.5, 16, -16, 0, 0, 0, 1.0, 12000.0]));
    assert_eq!(value("[on, Off, y, n, No, TRUE]"), json!([true, false, true, false, false, true]));
    assert_eq!(value("[190:20, 2001-01-01, =, 1e, yep, \"on\", '0400']"), json!(["190:20", "2001-01-01", "=", "1e", "yep", "on", "0400"]));
    assert_eq!(documents("---\na: 1\n---\n---\nb: 2\n...\n").unwrap().len(), 2);
    assert_eq!(documents("").unwrap(), Vec::<Value>::new());
    assert!(documents("a: b: c").unwrap_err().starts_with("line 1: "));
}
