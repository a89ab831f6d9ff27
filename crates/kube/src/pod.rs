//! What a pod's status says.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

pub(crate) fn why_not_ready(pod: &Pod) -> String {
    let Some(status) = &pod.status else { return "no status yet".to_owned() };
    let statuses = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let reasons: Vec<String> = statuses.filter_map(container_problem).collect();
    if !reasons.is_empty() {
        return reasons.join("; ");
    }
    let unscheduled = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(text) = unscheduled.and_then(|condition| condition.message.clone().or_else(|| condition.reason.clone())) {
        return text;
    }
    let phase = status.phase.as_deref().unwrap_or("Pending");
    status.message.clone().or_else(|| status.reason.clone()).unwrap_or_else(|| format!("{phase}, not ready"))
}

/// Why a container does not run or is not ready; `None` for one that is, and for an init container that has done its work.
fn container_problem(status: &ContainerStatus) -> Option<String> {
    let state = status.state.as_ref()?;
    let text = |reason: Option<&str>, message: Option<&str>| match (reason, message) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => "waiting".to_owned(),
    };
    if let Some(waiting) = &state.waiting {
        return Some(format!("container `{}` {}", status.name, text(waiting.reason.as_deref(), waiting.message.as_deref())));
    }
    if let Some(ended) = state.terminated.as_ref().filter(|ended| ended.exit_code != 0) {
        let reason = ended.reason.as_deref().unwrap_or("Error");
        return Some(format!("container `{}` {reason}: exit code {}", status.name, ended.exit_code));
    }
    (state.running.is_some() && !status.ready).then(|| format!("container `{}` runs and is not ready", status.name))
}
