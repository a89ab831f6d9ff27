//! What a run changed, as its own plan and events tell.

use std::collections::{BTreeMap, BTreeSet};

use barque_event::{EventKind, StepOutcome};
use barque_model::RunId;
use barque_plan::{Action, Plan, Step};
use barque_store::StateDirectory;
use serde_json::Value;

use super::local;
use crate::EngineError;

/// The steps of the plan that a run kept, whichever verb and version wrote it; none when it kept none.
pub fn planned_steps(state: &StateDirectory, run: &RunId) -> Result<Vec<Step>, EngineError> {
    let Some(text) = state.runs().read(run, "plan.json")? else { return Ok(Vec::new()) };
    Ok(steps_of(&text))
}

fn steps_of(text: &[u8]) -> Vec<Step> {
    let Ok(mut value) = serde_json::from_slice::<Value>(text) else { return Vec::new() };
    // A saved plan and a rollback carry the plan among other things; the first version wrote it bare.
    let bare = if value["plan"].is_object() { value["plan"].take() } else { value };
    serde_json::from_value::<Plan>(bare).map(|plan| plan.steps).unwrap_or_default()
}

/// What `run` changed: `HOST: RESOURCE`, or the step's title where the plan does not tell.
pub fn changed_resources(state: &StateDirectory, run: &RunId) -> Result<BTreeSet<String>, EngineError> {
    local::here(state, run)?;
    let planned = planned_steps(state, run)?;
    let steps: BTreeMap<u32, &Step> = planned.iter().map(|step| (step.id.0, step)).collect();
    let mut changed = BTreeSet::new();
    for event in state.runs().events(run)?.events {
        let EventKind::StepFinished { title, outcome: StepOutcome::Changed, .. } = event.kind else { continue };
        let step = event.step.and_then(|number| steps.get(&number));
        let names = match step.map(|step| &step.action) {
            // A transfer belongs to the resource that needs it.
            Some(Action::Transfer { .. }) => continue,
            Some(Action::Apply { resource, .. } | Action::Restore { resource, .. }) => vec![resource.id().0],
            Some(Action::Objects { names, .. } | Action::RemoveObjects { names, .. }) => names.clone(),
            Some(Action::UndoObjects { changes, .. }) => changes.iter().map(barque_plan::KubeUndo::name).collect(),
            Some(Action::Node { node, .. }) => vec![format!("Node {node}")],
            // The plan was cut off, or is of a version that this one does not know.
            None if title.starts_with("send ") => continue,
            _ => vec![title],
        };
        let place = event.host.as_ref().map_or("cluster", |host| host.as_str());
        changed.extend(names.into_iter().map(|name| format!("{place}: {name}")));
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    fn state_with_first_version() -> (tempfile::TempDir, StateDirectory, RunId) {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::open_or_create(directory.path()).unwrap();
        let run: RunId = "20261125T050224Z-cdf6".parse().unwrap();
        let target = state.runs().path(&run);
        fs_err::create_dir_all(&target).unwrap();
        for entry in fs_err::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/fixtures/run-1")).unwrap() {
            let path = entry.unwrap().path();
            fs_err::copy(&path, target.join(path.file_name().unwrap())).unwrap();
        }
        (directory, state, run)
    }

    #[test]
    fn the_first_version_tells_what_it_changed() {
        let (_directory, state, run) = state_with_first_version();
        let changed: Vec<String> = changed_resources(&state, &run).unwrap().into_iter().collect();
        insta::assert_snapshot!(changed.join("\n"), @r"
        cluster: ClusterRole barque:flannel
        cluster: ClusterRoleBinding barque:cluster-admins
        cluster: ClusterRoleBinding barque:flannel
        cluster: ClusterRoleBinding barque:kube-apiserver-to-kubelet
        cluster: Node m1
        lb1: directory /etc/kubernetes
        lb1: file /etc/haproxy/haproxy.env
        lb1: package haproxy
        lb1: sysctl net.core.somaxconn
        lb1: unit haproxy.service
        m1: binary /usr/local/bin/etcd
        m1: image registry.k8s.io/pause:3.10.2
        m1: user etcd
        ");
    }

    #[test]
    fn a_plan_is_found_in_whatever_carries_it() {
        let (_directory, state, run) = state_with_first_version();
        let bare = state.runs().read(&run, "plan.json").unwrap().unwrap();
        let steps = steps_of(&bare);
        assert!(!steps.is_empty());
        let carried = format!(r#"{{"format":1,"before":null,"plan":{}}}"#, String::from_utf8(bare).unwrap());
        assert_eq!(steps_of(carried.as_bytes()), steps);
        assert_eq!(steps_of(b"{}"), Vec::new());
        assert_eq!(steps_of(b"cut off {"), Vec::new());
    }

    #[test]
    fn without_a_plan_titles_tell() {
        let (_directory, state, run) = state_with_first_version();
        fs_err::remove_file(state.runs().path(&run).join("plan.json")).unwrap();
        let changed = changed_resources(&state, &run).unwrap();
        assert!(!changed.is_empty() && changed.iter().all(|line| !line.contains(": send ")), "{changed:?}");
    }
}
