//! Objects without what is secret in them.

use serde_json::Value;

use crate::{Action, KubeUndo, Plan};

impl Plan {
    /// The same plan without the contents of Secrets that a rollback brings back: for a file that tells what a run did, and that no run is made from.
    #[must_use]
    pub fn without_former_secrets(mut self) -> Self {
        for step in &mut self.steps {
            let Action::UndoObjects { changes, .. } = &mut step.action else { continue };
            for change in changes {
                if let KubeUndo::Delete { object } | KubeUndo::Replace { object } = change {
                    *object = without_contents(object);
                }
            }
        }
        self
    }
}

/// An object's JSON; of a Secret without its contents, for whoever needs to know only which one it is.
pub fn without_contents(object: &str) -> String {
    match serde_json::from_str::<Value>(object) {
        Ok(Value::Object(mut members)) if members.get("kind").is_some_and(|kind| kind == "Secret") => {
            members.retain(|name, _| name != "data" && name != "stringData");
            Value::Object(members).to_string()
        }
        _ => object.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_stays_without_its_contents() {
        let secret = r#"{"kind":"Secret","metadata":{"name":"a"},"data":{"k":"dg=="},"stringData":{"k":"v"},"type":"Opaque"}"#;
        assert_eq!(without_contents(secret), r#"{"kind":"Secret","metadata":{"name":"a"},"type":"Opaque"}"#);
        let other = r#"{"kind":"ConfigMap","data":{"k":"v"}}"#;
        assert_eq!(without_contents(other), other);
        assert_eq!(without_contents("{"), "{");
    }
}
