//! What an add-on may do in the cluster, for people.

use serde_json::Value;

/// The rules of every role among `objects`, a line each, such as `get, list nodes, pods`; and the roles of others that it is bound to.
pub fn rights(objects: &[Value]) -> Vec<String> {
    let kind = |object: &Value| object["kind"].as_str().unwrap_or_default().to_owned();
    let own: Vec<String> = objects.iter().filter(|object| kind(object).ends_with("Role")).map(name).collect();
    let mut lines = Vec::new();
    for object in objects {
        match kind(object).as_str() {
            "ClusterRole" | "Role" => {
                let whole = object["kind"] == "ClusterRole";
                for rule in object["rules"].as_array().into_iter().flatten() {
                    let place = if whole { String::new() } else { format!(" in {}", text(&object["metadata"]["namespace"])) };
                    lines.push(format!("{}: {}{place}", name(object), words(rule)));
                }
            }
            "ClusterRoleBinding" | "RoleBinding" => {
                let role = text(&object["roleRef"]["name"]);
                if !own.contains(&role) {
                    lines.push(format!("{}: what role `{role}` allows", name(object)));
                }
            }
            _ => {}
        }
    }
    lines
}

fn words(rule: &Value) -> String {
    let list = |member: &str| {
        let words: Vec<&str> = rule[member].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        words.join(", ")
    };
    if rule["nonResourceURLs"].is_array() {
        return format!("{} {}", list("verbs"), list("nonResourceURLs"));
    }
    let groups = list("apiGroups");
    let of = if groups.is_empty() { String::new() } else { format!(" of {groups}") };
    format!("{} {}{of}", list("verbs"), list("resources"))
}

fn name(object: &Value) -> String {
    text(&object["metadata"]["name"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
