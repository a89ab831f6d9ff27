//! Kinds that nobody wants any more and that somebody has objects of: deleting the definition would delete those.

use barque_agent::{KubeAnswer, KubeCall};
use barque_model::{ADDON_LABEL, HostName, KubeAccess, list_path};
use barque_plan::ClusterObject;
use serde::Serialize;
use serde_json::Value;

use crate::Sessions;

/// Objects that are looked at; that there is one is what counts.
const LOOKED_AT: u32 = 100;

/// A definition that no add-on wants any more and that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptDefinition {
    /// `CustomResourceDefinition NAME`.
    pub object: String,
    /// Objects of its kind that are no add-on's, `Kind namespace/name`; a hundred at most. None when the API does not tell which there are.
    pub objects: Option<Vec<String>>,
}

impl KeptDefinition {
    /// Why it stays, for people.
    pub fn words(&self) -> String {
        let what = match self.objects.as_deref() {
            Some([]) | None => "what there is of it, which the API does not tell,".to_owned(),
            Some([only]) => only.clone(),
            Some([first, others @ ..]) => format!("{first} and {} more", others.len()),
        };
        format!("{} stays: {what} would be deleted with it; a later `barque up` removes it when they are gone", self.object)
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
            objects => kept.push(KeptDefinition { object: object.name, objects }),
        }
    }
    kept
}

/// Those that no add-on of barque's has made; none when that cannot be told.
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
    let found: Vec<String> = others.map(name).collect();
    // There are more than were looked at, and one of those may be somebody's.
    let is_cut = list["metadata"]["continue"].as_str().is_some_and(|token| !token.is_empty());
    (!found.is_empty() || !is_cut).then_some(found)
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
        assert_eq!(foreign(&json!({"items": [own]})), Some(Vec::new()));
        assert_eq!(foreign(&json!({"items": [own], "metadata": {"continue": "more"}})), None, "what follows may be somebody's");
        let kept = |objects: &[&str]| KeptDefinition {
            object: "CustomResourceDefinition boats.example.test".into(),
            objects: Some(objects.iter().map(|text| (*text).to_owned()).collect()),
        };
        assert_eq!(
            kept(&["Boat shop/b", "Boat shop/c"]).words(),
            "CustomResourceDefinition boats.example.test stays: Boat shop/b and 1 more would be deleted with it; a later `barque up` removes it \
             when they are gone"
        );
    }
}
