//! etcd's quorum, computed before a step that could lose it.

use std::collections::BTreeSet;

use barque_model::{Cluster, Component, HostName, Role};

use crate::{Action, Change, Plan, Prior, Resource};

/// An etcd member and whether it commits proposals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberHealth {
    /// Its host.
    pub host: HostName,
    /// Whether it is healthy.
    pub healthy: bool,
}

/// A plan that would stop etcd from committing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumRefusal {
    /// A member would be restarted while too few others are healthy.
    #[error(
        "{host}: `{step}` is refused: {} of {total} etcd members {} healthy ({}), and without {host}'s there would be {remaining}, fewer than the quorum of {quorum}",
        healthy.len(), if healthy.len() == 1 { "is" } else { "are" }, names(healthy)
    )]
    Restart {
        /// The host.
        host: HostName,
        /// The step's title.
        step: String,
        /// Healthy members.
        healthy: Vec<HostName>,
        /// Members in all.
        total: usize,
        /// Healthy members during the step.
        remaining: usize,
        /// Members needed.
        quorum: usize,
    },
    /// Too few members answer for etcd to run.
    #[error(
        "etcd cannot run: {present} of {total} members' hosts answer, fewer than the quorum of {quorum}; no answer from {}",
        names(absent)
    )]
    Start {
        /// Hosts that answer.
        present: usize,
        /// Members in all.
        total: usize,
        /// Members needed.
        quorum: usize,
        /// Hosts that do not.
        absent: Vec<HostName>,
    },
}

fn names(hosts: &[HostName]) -> String {
    hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ")
}

/// Refuses a plan that stops or restarts a healthy member when the others are too few, or that changes anything while etcd has no quorum of hosts.
/// `health` is empty when no etcd runs yet. A member that the plan itself starts counts as healthy: restarts wait for it.
pub fn keeps_quorum(plan: &Plan, cluster: &Cluster, health: &[MemberHealth], absent: &BTreeSet<HostName>) -> Result<(), QuorumRefusal> {
    let members: Vec<&HostName> = cluster.with_role(Role::Etcd).map(|host| &host.name).collect();
    let (total, quorum) = (members.len(), members.len() / 2 + 1);
    let missing: Vec<HostName> = members.iter().filter(|host| absent.contains(**host)).map(|host| (*host).clone()).collect();
    if health.is_empty() {
        let present = total - missing.len();
        if plan.changes() > 0 && present < quorum {
            return Err(QuorumRefusal::Start { present, total, quorum, absent: missing });
        }
        return Ok(());
    }
    let started: BTreeSet<&HostName> =
        plan.steps.iter().filter(|step| etcd_change(&step.action) == Some(Change::Start)).filter_map(|step| step.host.as_ref()).collect();
    let healthy: Vec<HostName> = health
        .iter()
        .filter(|member| (member.healthy || started.contains(&member.host)) && !absent.contains(&member.host))
        .map(|member| member.host.clone())
        .collect();
    // A rollback of everything ends etcd on purpose: it stops a member on every host that answers.
    let stopped = plan.steps.iter().filter(|step| stops_etcd(&step.action)).count();
    if stopped > 0 && stopped >= total - missing.len() {
        return Ok(());
    }
    for step in &plan.steps {
        let Some(host) = &step.host else { continue };
        let interrupts = etcd_change(&step.action) == Some(Change::Restart) || stops_etcd(&step.action) || restores_etcd(&step.action);
        if !interrupts || !healthy.contains(host) {
            continue;
        }
        let remaining = healthy.len() - 1;
        // A single member has nothing to lose but the short outage that its restart is.
        if total > 1 && remaining < quorum {
            return Err(QuorumRefusal::Restart { host: host.clone(), step: step.title.clone(), healthy, total, remaining, quorum });
        }
    }
    Ok(())
}

fn is_etcd(resource: &Resource) -> bool {
    matches!(resource, Resource::Unit(unit) if unit.name == Component::Etcd.unit())
}

/// How a step of `up` changes an etcd unit.
fn etcd_change(action: &Action) -> Option<Change> {
    match action {
        Action::Apply { resource, difference, .. } if is_etcd(resource) => Some(difference.change),
        _ => None,
    }
}

/// Whether a step takes an etcd unit back to a time when it did not run.
fn stops_etcd(action: &Action) -> bool {
    matches!(action, Action::Restore { resource, prior, .. } if is_etcd(resource) && !matches!(prior, Prior::Unit { state } if state.is_active()))
}

fn restores_etcd(action: &Action) -> bool {
    matches!(action, Action::Restore { resource, .. } if is_etcd(resource))
}

/// Whether a step interrupts etcd on its host, so that the others must carry the cluster meanwhile.
pub fn interrupts_etcd(action: &Action) -> bool {
    etcd_change(action) == Some(Change::Restart) || restores_etcd(action)
}
