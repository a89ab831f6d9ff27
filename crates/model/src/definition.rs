//! Definitions of kinds: where the objects of a kind are.

use serde_json::Value;

/// The kind of a definition.
const KIND: &str = "CustomResourceDefinition";

/// The path of the API that lists the objects of the kind that `object` defines; `None` for an object that is no `CustomResourceDefinition`, or of which
/// no version is served.
pub fn list_path(object: &Value) -> Option<String> {
    if object["kind"] != KIND {
        return None;
    }
    let spec = &object["spec"];
    let served = spec["versions"].as_array()?.iter().find(|version| version["served"] == true)?;
    Some(format!("/apis/{}/{}/{}", spec["group"].as_str()?, served["name"].as_str()?, spec["names"]["plural"].as_str()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn by_a_version_that_is_served() {
        let definition = json!({"kind": KIND, "spec": {"group": "example.test", "names": {"plural": "boats"},
            "versions": [{"name": "v1alpha1", "served": false}, {"name": "v1", "served": true}]}});
        assert_eq!(list_path(&definition).as_deref(), Some("/apis/example.test/v1/boats"));
        assert_eq!(list_path(&json!({"kind": "ConfigMap"})), None);
    }
}
