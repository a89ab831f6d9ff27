//! What a rollback must know of etcd before it touches it.

use std::collections::BTreeSet;

use barque_model::{Cluster, Component, Digest, HostName, Role};
use barque_plan::{Action, MemberHealth, Observed, OnChange, Plan, Prior, Resource, UndoItem, Unit};

use crate::up::etcd_endpoints;
use crate::{Context, Sessions};

/// Health of the members, as one that runs on a host that answers tells; empty when none runs.
pub(super) async fn health(context: &Context, sessions: &Sessions) -> Vec<MemberHealth> {
    let endpoints = etcd_endpoints(&context.cluster);
    let urls: Vec<String> = endpoints.iter().map(|(_, url)| url.clone()).collect();
    for (host, _) in &endpoints {
        let Some(agent) = sessions.agent(host) else { continue };
        let Ok(seen) = agent.observe(vec![unit()]).await else { continue };
        if !matches!(seen.first(), Some(Observed::Unit(state)) if state.is_active()) {
            continue;
        }
        let Ok(answers) = agent.etcd_status(urls.clone()).await else { continue };
        let health = endpoints.iter().zip(answers).map(|((host, _), answer)| MemberHealth { host: host.clone(), healthy: answer.healthy });
        return health.collect();
    }
    Vec::new()
}

/// etcd's unit, to be observed: only its name counts.
fn unit() -> Resource {
    Resource::Unit(Unit {
        name: Component::Etcd.unit(),
        fingerprint: Digest::of(b""),
        on_change: OnChange::Restart,
        start_timeout_seconds: 0,
        restart_limit: 0,
    })
}

/// Hosts where etcd goes back to a time when it did not run.
pub(super) fn left_behind<'a>(items: impl Iterator<Item = (&'a HostName, &'a [UndoItem])>) -> Vec<HostName> {
    let goes = |item: &UndoItem| {
        let ran = matches!(&item.prior, Prior::Unit { state } if state.is_active());
        matches!(&item.resource, Resource::Unit(unit) if unit.name == Component::Etcd.unit()) && !ran
    };
    items.filter(|(_, items)| items.iter().any(goes)).map(|(host, _)| host.clone()).collect()
}

/// Whether the plan takes every member that answers back to a time when it did not run.
pub(super) fn ends(plan: &Plan, cluster: &Cluster, absent: &BTreeSet<HostName>) -> bool {
    let stopped: BTreeSet<&HostName> = plan
        .steps
        .iter()
        .filter(|step| match &step.action {
            Action::Restore { resource: Resource::Unit(unit), prior, .. } => {
                unit.name == Component::Etcd.unit() && !matches!(prior, Prior::Unit { state } if state.is_active())
            }
            _ => false,
        })
        .filter_map(|step| step.host.as_ref())
        .collect();
    !stopped.is_empty() && cluster.with_role(Role::Etcd).all(|host| absent.contains(&host.name) || stopped.contains(&host.name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_plan::UnitState;

    use super::*;

    #[test]
    fn only_an_etcd_that_did_not_run_leaves_its_data_behind() {
        let state = |active: &str| UnitState {
            loaded: true,
            enabled: true,
            active: active.into(),
            sub: String::new(),
            fingerprint: None,
            restarts: 0,
            active_since: 0,
        };
        let item = |prior| [UndoItem { resource: unit(), prior, run: "20261125T010000Z-0001".parse().unwrap() }];
        let (m1, m2, m3): (HostName, HostName, HostName) = ("m1".parse().unwrap(), "m2".parse().unwrap(), "m3".parse().unwrap());
        let (restarted, stopped) = (item(Prior::Unit { state: state("active") }), item(Prior::Unit { state: state("inactive") }));
        let absent = item(Prior::Absent);
        let hosts = [(&m1, restarted.as_slice()), (&m2, stopped.as_slice()), (&m3, absent.as_slice())];
        assert_eq!(left_behind(hosts.into_iter()), [m2, m3]);
    }
}
