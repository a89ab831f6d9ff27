//! A plan's steps stage by stage, for `plan --stages`.

use std::fmt::Write as _;

use barque_event::Stage;
use barque_model::HostName;
use barque_plan::Plan;
use serde::Serialize;

use super::{many, printable};

/// A stage that has steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StageSteps {
    /// The stage.
    pub(crate) stage: Stage,
    /// Its steps in the order in which the plan has them.
    pub(crate) steps: Vec<StepHosts>,
}

/// A step that one host or several have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepHosts {
    /// What it does.
    pub(crate) title: String,
    /// The hosts, in the plan's order; empty for what any master can do.
    pub(crate) hosts: Vec<HostName>,
}

/// The steps of `plan` by stage; those of the same title are one row.
pub(crate) fn stages(plan: &Plan) -> Vec<StageSteps> {
    let mut stages = Vec::new();
    for stage in Stage::ALL {
        let mut steps: Vec<StepHosts> = Vec::new();
        for step in plan.steps.iter().filter(|step| step.stage == stage) {
            let position = steps.iter().position(|row| row.title == step.title).unwrap_or_else(|| {
                steps.push(StepHosts { title: step.title.clone(), hosts: Vec::new() });
                steps.len() - 1
            });
            steps[position].hosts.extend(step.host.clone());
        }
        if !steps.is_empty() {
            stages.push(StageSteps { stage, steps });
        }
    }
    stages
}

/// The same as text.
pub(crate) fn stages_text(stages: &[StageSteps]) -> String {
    if stages.is_empty() {
        return "nothing to do".to_owned();
    }
    let mut text = String::new();
    for StageSteps { stage, steps } in stages {
        let count = steps.iter().map(|step| step.hosts.len().max(1)).sum();
        let _ = writeln!(text, "{stage}: {}", many(count, "step"));
        let titles: Vec<String> = steps.iter().map(|step| printable(&step.title)).collect();
        let width = titles.iter().map(|title| title.chars().count()).max().unwrap_or_default();
        for (step, title) in steps.iter().zip(titles) {
            let hosts: Vec<&str> = step.hosts.iter().map(HostName::as_str).collect();
            let hosts = if hosts.is_empty() { "cluster".to_owned() } else { hosts.join(", ") };
            let _ = writeln!(text, "  {title:width$}  {hosts}");
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_plan::{Action, PLAN_FORMAT, Step, StepId};

    use super::*;

    #[test]
    fn steps_of_one_title_are_one_row() {
        let step = |id, stage, host: Option<&str>, title: &str| Step {
            id: StepId(id),
            stage,
            host: host.map(|host| host.parse().unwrap()),
            title: title.into(),
            action: Action::Snapshot,
            after: Vec::new(),
        };
        let steps = vec![
            step(0, Stage::Etcd, Some("m1"), "start etcd.service"),
            step(1, Stage::Hosts, Some("m1"), "send runc 1.4.0"),
            step(2, Stage::Etcd, Some("m2"), "start etcd.service"),
            step(3, Stage::Etcd, Some("m1"), "etcd answers"),
            step(4, Stage::Dns, None, "apply CoreDNS"),
        ];
        let listed = stages(&Plan { format: PLAN_FORMAT, steps });
        let text = [
            "hosts: 1 step",
            "  send runc 1.4.0  m1",
            "etcd: 3 steps",
            "  start etcd.service  m1, m2",
            "  etcd answers        m1",
            "DNS: 1 step",
            "  apply CoreDNS  cluster",
        ];
        assert_eq!(stages_text(&listed), text.join("\n"));
        assert_eq!(stages_text(&[]), "nothing to do");
    }
}
