//! Kinds that nobody wants any more and that somebody has objects of: deleting the definition would delete those.

use barque_agent::{KubeAnswer, KubeCall};
use barque_model::{ADDON_LABEL, HostName, KubeAccess, list_path};
use barque_plan::ClusterObject;
use serde::Serialize;
use serde_json::Value;

use crate::Sessions;

/// Objects that are looked at; that there is one is what counts.
const LOOKED_AT: u32 = 100;
/// In place of objects that nobody could list.
const UNKNOWN: &str = "what there is of it, which the API does not tell,";

/// A definition that no add-on wants any more and that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptDefinition {
    /// `CustomResourceDefinition NAME`.
    pub object: String,
    /// Objects of its kind that are no add-on's, `namespace/name`; a hundred at most.
    pub objects: Vec<String>,
}

impl KeptDefinition {
    /// Why it stays, for people.
    pub fn words(&self) -> String {
        let first = self.objects.first().map_or("", String::as_str);
        let more = if self.objects.len() > 1 { format!(" and {} more", self.objects.len() - 1) } else { String::new() };
        format!("{} stays: {first}{more} would be deleted with it; a later `barque up` removes it when they are gone", self.object)
    }
}

/// Takes out of `unwanted` the definitions of kinds that somebody has objects of, asked through the first master that answers. Where that cannot be found
/// out, the definition is kept as well.
pub(super) async fn take_kept(
    sessions: &Sessions,
    masters: &[(HostName, KubeAccess)],
    unwanted: &mut Vec<ClusterObject>,
) -> Vec<KeptDefinition> {
    let mut kept = Vec::new();
    for object in std::mem::take(unwanted) {
        let Some(path) = serde_json::from_str(&object.json).ok().and_then(|definition| list_path(&definition)) else {
            unwanted.push(object);
            continue;
        };
        match instances(sessions, masters, format!("{path}?limit={LOOKED_AT}")).await {
            Some(objects) if objects.is_empty() => unwanted.push(object),
            found => {
                let objects = found.unwrap_or_else(|| vec![UNKNOWN.to_owned()]);
                kept.push(KeptDefinition { object: object.name, objects });
            }
        }
    }
    kept
}

/// Those that no add-on of barque's has made.
async fn instances(sessions: &Sessions, masters: &[(HostName, KubeAccess)], path: String) -> Option<Vec<String>> {
    for (host, access) in masters {
        let Some(agent) = sessions.agent(host) else { continue };
        if let Ok(KubeAnswer::Json(list)) = agent.kube(access.clone(), KubeCall::Get { path: path.clone() }).await {
            return foreign(&serde_json::from_str(&list).ok()?);
        }
    }
    None
}

fn foreign(list: &Value) -> Option<Vec<String>> {
    let others = list["items"].as_array()?.iter().filter(|item| item["metadata"]["labels"][ADDON_LABEL].is_null());
    let name = |item: &Value| {
        let text = |field: &str| item["metadata"][field].as_str().unwrap_or_default().to_owned();
        let kind = item["kind"].as_str().or(list["kind"].as_str().and_then(|kind| kind.strip_suffix("List"))).unwrap_or("object");
        match text("namespace") {
            namespace if namespace.is_empty() => format!("{kind} {}", text("name")),
            namespace => format!("{kind} {namespace}/{}", text("name")),
        }
    };
    Some(others.map(name).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_of_barques_own_do_not_count() {
        let own = json!({"metadata": {"name": "a", "labels": {ADDON_LABEL: "ingress"}}});
        let other = json!({"metadata": {"name": "b", "namespace": "shop"}});
        assert_eq!(foreign(&json!({"kind": "BoatList", "items": [own, other]})).unwrap(), ["Boat shop/b"]);
        let kept = |objects: &[&str]| KeptDefinition {
            object: "CustomResourceDefinition boats.example.test".into(),
            objects: objects.iter().map(|text| (*text).to_owned()).collect(),
        };
        assert_eq!(
            kept(&["Boat shop/b", "Boat shop/c"]).words(),
            "CustomResourceDefinition boats.example.test stays: Boat shop/b and 1 more would be deleted with it; a later `barque up` removes it \
             when they are gone"
        );
    }
}
