//! The collectors of the add-on `logging`: one setting, three programs, the same promises as far as each can keep them.

#![allow(clippy::unwrap_used)]

use barque_addon::{Addon, AddonError, Files, Library};
use barque_model::{Cluster, Version};
use barque_spec::{Known, parse};
use serde_json::Value;

const KNOWN: Known<'static> = Known { kubernetes: &[Version::new(1, 37, 2)] };

/// What every promise of the settings takes.
const WHOLE: &str = "
        endpoints: [\"https://logs.example.com:9200/logs/doc\"]
        index: production
        caConfigMap: logs-ca
        credentialsSecret: logs-writer
        excludeNamespaces: [noise]
        multiline:
          - {namespace: shop, container: web.v2, firstLine: '^[0-9]{4}-[0-9]{2}/'}
          - {namespace: bank, firstLine: '^\\S'}
";

fn cluster(collector: &str, settings: &str) -> Cluster {
    let text = format!(
        "apiVersion: barque.dev/v1\nkind: Cluster\nmetadata: {{name: a}}\nspec:\n  kubernetes: {{version: 1.37.2}}\n  hosts:\n    \
         - {{name: m1, address: 192.0.2.1, roles: [etcd, master, node]}}\n  addons:\n    - name: logging\n      settings:\n        \
         collector: {collector}{settings}"
    );
    parse(&text, "a.yaml", &KNOWN).unwrap_or_else(|errors| panic!("{errors}")).cluster
}

/// ConfigMap and DaemonSet.
fn rendered(collector: &str, settings: &str) -> Result<(Value, Value), AddonError> {
    let cluster = cluster(collector, settings);
    let chosen = cluster.addons.iter().find(|addon| addon.name.as_str() == "logging").unwrap();
    let objects = Library::embedded().get("logging").unwrap().render(&cluster, &chosen.settings)?.objects;
    let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap().clone();
    Ok((of("ConfigMap"), of("DaemonSet")))
}

/// What YAML says, read as an add-on's objects are.
fn yaml(text: &str) -> Value {
    let object = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n{}",
        text.lines().map(|line| format!("  {line}\n")).collect::<Vec<_>>().concat()
    );
    let addon = Addon::read(&"a".parse().unwrap(), &Files::from([("a.yaml".to_owned(), object)])).unwrap();
    addon.render(&cluster("fluentd", "\n"), &Value::Null).unwrap().objects[0]["data"].clone()
}

#[test]
fn each_has_its_own_program_and_configuration() {
    for (collector, file) in [("opentelemetry", "collector.yaml"), ("fluent-bit", "collector.yaml"), ("fluentd", "collector.conf")] {
        for (kind, settings) in [("whole", WHOLE), ("none", "\n")] {
            let (map, set) = rendered(collector, settings).unwrap();
            assert_eq!(map["data"].as_object().unwrap().len(), 1);
            insta::assert_snapshot!(format!("{collector}-{kind}"), map["data"][file].as_str().unwrap());
            if collector != "opentelemetry" && kind == "whole" {
                let pod = serde_json::to_string_pretty(&set["spec"]["template"]["spec"]).unwrap();
                insta::assert_snapshot!(format!("{collector}-pod"), pod);
            }
        }
    }
}

#[test]
fn configurations_in_yaml_are_yaml() {
    for collector in ["opentelemetry", "fluent-bit"] {
        for settings in [WHOLE, "\n"] {
            let (map, _) = rendered(collector, settings).unwrap();
            let config = yaml(map["data"]["collector.yaml"].as_str().unwrap());
            assert!(config.is_object(), "{collector}");
            if collector == "fluent-bit" && settings == WHOLE {
                let store = &config["pipeline"]["outputs"][0];
                let place = [&store["host"], &store["port"], &store["path"], &store["tls"]];
                assert_eq!(place.map(ToString::to_string), ["\"logs.example.com\"", "9200", "\"/logs/doc\"", "true"]);
                assert_eq!(config["multiline_parsers"][0]["rules"][0]["regex"], "/^[0-9]{4}-[0-9]{2}//");
            }
        }
    }
}

#[test]
fn ports_follow_the_scheme() {
    let port = |endpoint: &str| {
        let (map, _) = rendered("fluent-bit", &format!("\n        endpoints: [\"{endpoint}\"]\n")).unwrap();
        let config = yaml(map["data"]["collector.yaml"].as_str().unwrap());
        let store = &config["pipeline"]["outputs"][0];
        format!("{} {} {}", store["host"], store["port"], store["path"])
    };
    assert_eq!(port("https://logs.example.com"), "\"logs.example.com\" 443 null");
    assert_eq!(port("http://logs.example.com/"), "\"logs.example.com\" 80 null");
    assert_eq!(port("http://192.0.2.9:9200/a/"), "\"192.0.2.9\" 9200 \"/a\"");
}

#[test]
fn what_one_cannot_do_is_refused() {
    let two = "\n        endpoints: [\"https://a.example:9200\", \"https://b.example:9200\"]\n";
    let error = rendered("fluent-bit", two).unwrap_err().to_string();
    assert!(error.contains("fluent-bit sends to one of `endpoints`"), "{error}");
    for collector in ["opentelemetry", "fluentd"] {
        let (map, _) = rendered(collector, two).unwrap();
        assert!(map["data"].to_string().contains("b.example"), "{collector}");
    }
}

#[test]
fn a_configuration_of_ones_own_is_taken_as_it_is() {
    let (map, _) = rendered("fluentd", "\n        configuration: \"<match **>\\n</match>\\n\"\n").unwrap();
    assert_eq!(map["data"]["collector.conf"], "<match **>\n</match>\n");
    let two = "\n        endpoints: [\"https://a.example:9200\", \"https://b.example:9200\"]\n        configuration: \"pipeline: {}\"\n";
    assert_eq!(rendered("fluent-bit", two).unwrap().0["data"]["collector.yaml"], "pipeline: {}");
}
