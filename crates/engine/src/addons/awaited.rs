//! What the pods of add-ons wait for, and is not there: somebody has to make it.

use std::collections::BTreeSet;

use barque_addon::name_of;
use barque_agent::{KubeAnswer, KubeCall};
use barque_model::{AddonName, HostName, KubeAccess};
use barque_plan::ClusterObject;
use serde::Serialize;
use serde_json::Value;

use crate::{Context, EngineError, Sessions};

/// An object that the pods of an add-on do not start without, and that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwaitedObject {
    /// The add-on.
    pub addon: AddonName,
    /// `Kind namespace/name`.
    pub object: String,
}

impl AwaitedObject {
    /// What it means, for people.
    pub fn words(&self) -> String {
        format!("pods of the add-on {} wait for {}, which is not there: make it, they start when they find it", self.addon, self.object)
    }
}

/// Objects that add-ons wait for and that none of `wanted`, the objects that barque applies, is: those that the API does not have. Before there is
/// an API, all of them.
pub(crate) async fn awaited(
    context: &Context,
    sessions: &Sessions,
    masters: &[(HostName, KubeAccess)],
    wanted: &[&ClusterObject],
) -> Result<Vec<AwaitedObject>, EngineError> {
    let made: BTreeSet<&str> = wanted.iter().map(|object| object.name.as_str()).collect();
    let mut found = asked(context)?;
    found.retain(|(_, object)| !made.contains(name_of(object).as_str()));
    let texts = found.iter().map(|(_, object)| object.to_string()).collect();
    let there = are_there(sessions, masters, texts).await;
    let missing = found.into_iter().enumerate().filter(|(place, _)| !there.get(*place).copied().unwrap_or(false));
    Ok(missing.map(|(_, (addon, object))| AwaitedObject { addon, object: name_of(&object) }).collect())
}

fn asked(context: &Context) -> Result<Vec<(AddonName, Value)>, EngineError> {
    let mut found = Vec::new();
    for (addon, rendered) in super::images::rendered(&context.addons, &context.cluster)? {
        found.extend(rendered.awaited().into_iter().map(|object| (addon.name.clone(), object)));
    }
    Ok(found)
}

/// Asks the first API server that answers; nothing when none does.
async fn are_there(sessions: &Sessions, masters: &[(HostName, KubeAccess)], objects: Vec<String>) -> Vec<bool> {
    if objects.is_empty() {
        return Vec::new();
    }
    for (host, access) in masters {
        let Some(agent) = sessions.agent(host) else { continue };
        if let Ok(KubeAnswer::Present(present)) = agent.kube(access.clone(), KubeCall::Present(objects.clone())).await {
            return present;
        }
    }
    Vec::new()
}
