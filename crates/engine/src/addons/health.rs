//! How the add-ons are now, and how their objects differ from what is wanted. Changes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use barque_agent::KubeCall;
use barque_model::{AddonName, ClusterName, HostName, KubeAccess, ObjectDifference};
use barque_plan::{AddonWanted, ClusterGate};
use barque_store::StateDirectory;
use serde::Serialize;

use super::applied::present;
use super::{ledger, wanted};
use crate::certificates::Certificates;
use crate::diff::{ContentChange, object_change};
use crate::prepare::{cluster_facts, masters};
use crate::present::live_objects;
use crate::up::Pending;
use crate::{Context, EngineError, Events, Sessions, material};

/// What holds, holds at once.
const PATIENCE: Duration = Duration::from_secs(3);

/// One check of an add-on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckHealth {
    /// What is asked.
    pub check: ClusterGate,
    /// Why it does not hold; none when it does.
    pub problem: Option<String>,
}

/// How an add-on is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddonHealth {
    /// Its name.
    pub name: AddonName,
    /// Whether every check holds.
    pub healthy: bool,
    /// Its checks.
    pub checks: Vec<CheckHealth>,
}

/// How all add-ons are that are on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddonHealthReport {
    /// The cluster.
    pub cluster: ClusterName,
    /// Whether every add-on is as it should be.
    pub healthy: bool,
    /// Each add-on, in the order in which they are applied.
    pub addons: Vec<AddonHealth>,
}

/// An object of an add-on that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddonDiff {
    /// The add-on; none for an object that no add-on wants any more.
    pub addon: Option<AddonName>,
    /// `Kind namespace/name`.
    pub object: String,
    /// What `up` would do to it; none for a removal.
    pub state: Option<ObjectDifference>,
    /// Fields that belong to somebody else, with their owners.
    pub conflicts: Vec<String>,
    /// From the live state to what is wanted.
    pub content: Option<ContentChange>,
}

/// Asks for every check of every add-on that is on, `dns` among them.
pub async fn addon_health(context: &Context, events: &Events) -> Result<AddonHealthReport, EngineError> {
    let state = StateDirectory::open_or_create(&context.state)?;
    let vault = material::open(context, &state)?.ok_or(EngineError::NotDeployed)?;
    let masters = masters(&context.cluster, &vault)?;
    let mut asked: Vec<(AddonName, Vec<ClusterGate>)> = Vec::new();
    if let Some(dns) = context.addons.get("dns") {
        let gate = ClusterGate::DeploymentReady { namespace: "kube-system".into(), name: "coredns".into(), nodes: 1 };
        asked.push((dns.name.clone(), vec![gate]));
    }
    asked.extend(wanted(context, &Certificates::of(&vault))?.into_iter().map(|addon| (addon.name, addon.checks)));
    let sessions = Sessions::connect_most(context, &state, events).await?;
    let mut addons = Vec::new();
    for (name, gates) in asked {
        let mut checks = Vec::new();
        for check in gates {
            let problem = problem(&sessions, &masters, &check).await;
            checks.push(CheckHealth { check, problem });
        }
        addons.push(AddonHealth { name, healthy: checks.iter().all(|check| check.problem.is_none()), checks });
    }
    sessions.close().await;
    let healthy = addons.iter().all(|addon| addon.healthy);
    Ok(AddonHealthReport { cluster: context.cluster.name.clone(), healthy, addons })
}

/// Why a check does not hold, asked through the first master that answers.
async fn problem(sessions: &Sessions, masters: &[(HostName, KubeAccess)], gate: &ClusterGate) -> Option<String> {
    let mut last = "no master answers".to_owned();
    for (host, access) in masters {
        let Some(agent) = sessions.agent(host) else { continue };
        if let Err(error) = agent.kube(access.clone(), KubeCall::Ready).await {
            last = error.to_string();
            continue;
        }
        return match agent.kube(access.clone(), KubeCall::Gate { gate: gate.clone(), timeout: PATIENCE }).await {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
    }
    Some(last)
}

/// Compares the objects of all add-ons with the cluster, and finds those that no add-on wants any more. Hosts that do not answer are named.
pub async fn addon_diff(context: &Context, events: &Events) -> Result<(Vec<AddonDiff>, Vec<Pending>), EngineError> {
    let state = StateDirectory::open_or_create(&context.state)?;
    let vault = material::open(context, &state)?.ok_or(EngineError::NotDeployed)?;
    let masters = masters(&context.cluster, &vault)?;
    let certificates = Certificates::of(&vault);
    let addons = wanted(context, &certificates)?;
    let sessions = Sessions::connect_most(context, &state, events).await?;
    let pending = sessions.problems().iter().cloned().map(Pending::from).collect();
    let found = compare(context, &sessions, &masters, &addons, &certificates).await;
    sessions.close().await;
    Ok((found?, pending))
}

async fn compare(
    context: &Context,
    sessions: &Sessions,
    masters: &[(HostName, KubeAccess)],
    addons: &[AddonWanted],
    certificates: &Certificates,
) -> Result<Vec<AddonDiff>, EngineError> {
    let objects: Vec<_> = addons.iter().flat_map(|addon| &addon.objects).collect();
    let facts = cluster_facts(sessions, masters, &objects, certificates).await;
    if facts.nodes.is_empty() && facts.objects.is_empty() {
        return Err(EngineError::NoApi);
    }
    let mut found = Vec::new();
    for addon in addons {
        for object in &addon.objects {
            let state = facts.objects.get(&object.name).copied().unwrap_or(ObjectDifference::Absent);
            if state == ObjectDifference::Same {
                continue;
            }
            let live = live_objects(sessions, masters, std::slice::from_ref(&object.json)).await;
            found.push(AddonDiff {
                addon: Some(addon.name.clone()),
                object: object.name.clone(),
                state: Some(state),
                conflicts: facts.conflicts.get(&object.name).cloned().unwrap_or_default(),
                content: object_change(&object.json, live.get(&object.json)),
            });
        }
    }
    let names: BTreeSet<&str> = objects.iter().map(|object| object.name.as_str()).collect();
    let unwanted = ledger(context, sessions).await?.unwanted(&names);
    let (removals, _) = present(sessions, masters, unwanted).await;
    found.extend(removals.into_iter().map(|object| AddonDiff {
        addon: None,
        object: object.name,
        state: None,
        conflicts: Vec::new(),
        content: None,
    }));
    Ok(found)
}
