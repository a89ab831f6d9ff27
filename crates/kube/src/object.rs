//! Objects by server-side apply: what would change, and making it so.

use std::time::Duration;

use barque_model::{APPLIED_ANNOTATION, ObjectDifference, ObjectState, list_path};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::Value;

use crate::client::{Client, FIELD_MANAGER};
use crate::{KubeError, kind};

/// Members of `metadata` that the server writes and that say nothing about what was asked for.
const SERVER_METADATA: &[&str] = &[
    "managedFields",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "uid",
    "selfLink",
];

/// Looks for a kind that was just defined, ten seconds' worth: it takes the API server less than one as a rule.
const SERVED_LOOKS: u32 = 50;
const SERVED_PAUSE: Duration = Duration::from_millis(200);

impl Client {
    /// Says what [`Client::apply`] would do to the object, without doing it. The server itself works it out (`dryRun=All`), so
    /// defaults it fills in and fields that others own are no difference. Absent too: a kind or namespace that is not there yet. A
    /// difference is somebody's edit when the live object carries the very [`APPLIED_ANNOTATION`] that is wanted.
    pub async fn difference(&self, object_json: &str) -> Result<ObjectState, KubeError> {
        let wanted = Wanted::parse(object_json)?;
        let api = match self.api(&wanted).await {
            Ok(api) => api,
            // Its CustomResourceDefinition comes earlier in the same run.
            Err(KubeError::NotFound(_)) => return Ok(wanted.state(ObjectDifference::Absent)),
            Err(error) => return Err(error),
        };
        let Some(live) = api.get_opt(&wanted.name).await? else { return Ok(wanted.state(ObjectDifference::Absent)) };
        let (conflicts, then) = match api.patch(&wanted.name, &unforced().dry_run(), &Patch::Apply(&wanted.object)).await {
            Err(error) if !conflicts(&error).is_empty() => {
                let forced = api.patch(&wanted.name, &parameters().dry_run(), &Patch::Apply(&wanted.object)).await;
                // Fields that barque itself wrote in another way are its own all the same.
                (conflicts(&error).into_iter().filter(|(owner, _)| owner != FIELD_MANAGER).map(|(_, words)| words).collect(), forced)
            }
            other => (Vec::new(), other),
        };
        match then {
            Ok(then) => Ok(ObjectState { conflicts, ..wanted.state(wanted.judge(&live, &then)?) }),
            Err(error) => match KubeError::from(error) {
                // Deleted in between.
                KubeError::NotFound(_) => Ok(wanted.state(ObjectDifference::Absent)),
                other => Err(other),
            },
        }
    }

    /// Creates the object or changes the fields it names, taking them over from other owners. The answer says what the object was
    /// before. A namespace that is not there is [`KubeError::NotFound`].
    pub async fn apply(&self, object_json: &str) -> Result<ObjectState, KubeError> {
        let wanted = Wanted::parse(object_json)?;
        let api = self.api(&wanted).await?;
        let before = api.get_opt(&wanted.name).await?;
        let after = api.patch(&wanted.name, &parameters(), &Patch::Apply(&wanted.object)).await?;
        self.served(&wanted.object).await;
        let was = match before {
            Some(before) => compare(&before, &after)?,
            None => ObjectDifference::Absent,
        };
        Ok(wanted.state(was))
    }

    /// Waits until objects can be made of a kind that was just defined: the API server needs a moment. One that takes longer is told by whoever needs it.
    pub(crate) async fn served(&self, object: &Value) {
        let Some(path) = list_path(object) else { return };
        for _ in 0..SERVED_LOOKS {
            if self.get_json(&format!("{path}?limit=1")).await.is_ok() {
                return;
            }
            tokio::time::sleep(SERVED_PAUSE).await;
        }
    }

    pub(crate) async fn api(&self, wanted: &Wanted) -> Result<Api<DynamicObject>, KubeError> {
        let kind = kind::find(&self.inner(), &wanted.api_version, &wanted.kind).await?;
        if !kind.namespaced {
            return Ok(Api::all_with(self.inner(), &kind.resource));
        }
        let namespace = wanted.namespace.as_deref().unwrap_or("default");
        Ok(Api::namespaced_with(self.inner(), namespace, &kind.resource))
    }
}

fn parameters() -> PatchParams {
    unforced().force()
}

fn unforced() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER)
}

/// Owners of fields that keep an apply from happening, and each with its field in words; nothing for any other error.
fn conflicts(error: &kube::Error) -> Vec<(String, String)> {
    let kube::Error::Api(status) = error else { return Vec::new() };
    let causes = status.details.iter().flat_map(|details| &details.causes).filter(|cause| cause.reason == "FieldManagerConflict");
    let found = causes.map(|cause| {
        // `conflict with "OWNER" using VERSION`.
        let owner = cause.message.split('"').nth(1).unwrap_or(&cause.message).to_owned();
        let words = format!("`{}` belongs to `{owner}`", cause.field);
        (owner, words)
    });
    found.collect()
}

/// An object to be applied and who it is.
#[derive(Debug)]
pub(crate) struct Wanted {
    api_version: String,
    kind: String,
    namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) object: Value,
}

impl Wanted {
    pub(crate) fn parse(text: &str) -> Result<Self, KubeError> {
        let object: Value = serde_json::from_str(text).map_err(|error| KubeError::Invalid(format!("object is not JSON: {error}")))?;
        let member = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let needed = |pointer: &str| {
            member(pointer)
                .ok_or_else(|| KubeError::Invalid(format!("object has no `{}`", pointer.trim_start_matches('/').replace('/', "."))))
        };
        Ok(Self {
            api_version: needed("/apiVersion")?,
            kind: needed("/kind")?,
            name: needed("/metadata/name")?,
            namespace: member("/metadata/namespace"),
            object,
        })
    }

    /// What it means that the server would make `then` of `live`.
    fn judge(&self, live: &DynamicObject, then: &DynamicObject) -> Result<ObjectDifference, KubeError> {
        let applied = live.metadata.annotations.as_ref().and_then(|annotations| annotations.get(APPLIED_ANNOTATION));
        let wanted = self.object["metadata"]["annotations"][APPLIED_ANNOTATION].as_str();
        match compare(live, then)? {
            ObjectDifference::Differs if wanted.is_some() && applied.map(String::as_str) == wanted => Ok(ObjectDifference::Edited),
            found => Ok(found),
        }
    }

    fn state(&self, state: ObjectDifference) -> ObjectState {
        let name = match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        };
        ObjectState { name, state, conflicts: Vec::new() }
    }
}

fn compare(before: &DynamicObject, after: &DynamicObject) -> Result<ObjectDifference, KubeError> {
    let same = essence(before)? == essence(after)?;
    Ok(if same { ObjectDifference::Same } else { ObjectDifference::Differs })
}

pub(crate) fn essence(object: &DynamicObject) -> Result<Value, KubeError> {
    let mut value = serde_json::to_value(object).map_err(|error| KubeError::Other(error.to_string()))?;
    strip(&mut value);
    Ok(value)
}

/// Takes out what the server and its controllers write.
pub(crate) fn strip(object: &mut Value) {
    let Some(members) = object.as_object_mut() else { return };
    members.remove("status");
    if let Some(metadata) = members.get_mut("metadata").and_then(Value::as_object_mut) {
        for member in SERVER_METADATA {
            metadata.remove(*member);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    fn base() -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b", "labels": {"x": "y"}}, "data": {"k": "v"}})
    }

    #[test]
    fn names_and_missing_members() {
        assert_eq!(Wanted::parse(&base().to_string()).unwrap().state(ObjectDifference::Same).name, "ConfigMap b/a");
        let cluster = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b"}}"#;
        assert_eq!(Wanted::parse(cluster).unwrap().state(ObjectDifference::Absent).name, "Namespace b");
        for (text, expected) in [
            ("{", "not JSON"),
            (r#"{"kind": "Namespace", "metadata": {"name": "b"}}"#, "`apiVersion`"),
            (r#"{"apiVersion": "v1", "metadata": {"name": "b"}}"#, "`kind`"),
            (r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {}}"#, "`metadata.name`"),
            (r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ""}}"#, "`metadata.name`"),
        ] {
            let error = Wanted::parse(text).unwrap_err();
            assert!(matches!(&error, KubeError::Invalid(message) if message.contains(expected)), "{text}: {error}");
        }
    }

    #[test]
    fn what_the_server_writes_is_no_difference() {
        let mut live = base();
        live["metadata"]["uid"] = json!("u");
        live["metadata"]["resourceVersion"] = json!("7");
        live["metadata"]["generation"] = json!(3);
        live["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        live["metadata"]["managedFields"] = json!([{"manager": "kubectl"}]);
        live["status"] = json!({"phase": "Active"});
        assert_eq!(compare(&object(live), &object(base())).unwrap(), ObjectDifference::Same);
    }

    #[test]
    fn everything_else_is() {
        for pointer in ["/metadata/labels/x", "/data/k"] {
            let mut other = base();
            *other.pointer_mut(pointer).unwrap() = json!("changed");
            assert_eq!(compare(&object(base()), &object(other)).unwrap(), ObjectDifference::Differs, "{pointer}");
        }
    }

    #[test]
    fn an_edit_is_what_differs_although_the_wanted_was_applied() {
        let marked = |mark: Option<&str>, data: &str| {
            let mut value = base();
            value["data"]["k"] = json!(data);
            if let Some(mark) = mark {
                value["metadata"]["annotations"] = json!({ APPLIED_ANNOTATION: mark });
            }
            value
        };
        let judge = |live: Value, wanted: Value| Wanted::parse(&wanted.to_string()).unwrap().judge(&object(live), &object(wanted)).unwrap();
        assert_eq!(judge(marked(Some("1"), "v"), marked(Some("1"), "v")), ObjectDifference::Same);
        assert_eq!(judge(marked(Some("1"), "edited"), marked(Some("1"), "v")), ObjectDifference::Edited);
        assert_eq!(judge(marked(Some("1"), "edited"), marked(Some("2"), "v")), ObjectDifference::Differs);
        assert_eq!(judge(marked(None, "edited"), marked(Some("1"), "v")), ObjectDifference::Differs);
        assert_eq!(judge(marked(None, "edited"), marked(None, "v")), ObjectDifference::Differs);
    }

    proptest! {
        /// Stripping takes out nothing that a user can have asked for, and doing it twice is doing it once.
        #[test]
        fn stripping_is_exact(data in prop::collection::btree_map("[a-z]{1,5}", "[a-z]{0,5}", 0..4), version in "[0-9]{1,4}") {
            let mut wanted = base();
            wanted["data"] = json!(data);
            let mut live = wanted.clone();
            live["metadata"]["resourceVersion"] = json!(version);
            live["status"] = json!({"seen": version});
            strip(&mut live);
            prop_assert_eq!(&live, &wanted);
            strip(&mut live);
            prop_assert_eq!(&live, &wanted);
        }
    }
}
