//! The floor: the same cluster, stopped as a whole and started as a whole, by nothing but systemd.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use jiff::Timestamp;
use serde_json::Value;

use super::cluster::Host;
use super::together::together;
use super::{Cluster, Interrupt, Kubectl, Lab};

/// How long stopping, and starting again, may take each; far above what they need.
const LIMIT: Duration = Duration::from_mins(5);
/// Between two looks at the cluster; that of barque's own gates.
const INTERVAL: Duration = Duration::from_millis(250);
/// What the cluster's DNS is asked for.
const NAME: &str = "kubernetes.default.svc.cluster.local";

/// Kills the pods and says which processes there were. Both units that manage them leave them alone when they stop (KillMode=process): a
/// floor with CoreDNS running already would not be one. The names of programs are those of links, so shims are found by theirs.
const KILL_PODS: &str =
    "pids=$({ grep -ls kubepods /proc/[0-9]*/cgroup; grep -lsx containerd-shim /proc/[0-9]*/comm; } | cut -d/ -f3 | sort -u)
echo $pids
[ -z \"$pids\" ] || kill -9 $pids 2>/dev/null
true";

/// The least that the start of this cluster takes on this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floor {
    /// From the start of all units to the end state.
    pub(crate) total: Duration,
    /// Of it, until DNS answered on the last node.
    pub(crate) dns: Duration,
}

/// Stops all units on all hosts, kills the pods, starts all units on all hosts at once and waits for the end state of `up`.
pub(crate) fn measure(cluster: &Cluster, kubectl: &Kubectl, interrupt: &Interrupt) -> Result<Floor> {
    let (_, floor) = started(cluster, kubectl, interrupt)?;
    Ok(floor)
}

/// The same, until every container of every pod has been started again and is ready.
pub(crate) fn measure_with_pods(cluster: &Cluster, kubectl: &Kubectl, interrupt: &Interrupt) -> Result<Duration> {
    let ((begun, since), _) = started(cluster, kubectl, interrupt)?;
    loop {
        interrupt.check()?;
        let total = begun.elapsed();
        let reason = match kubectl.get(&["pods", "--all-namespaces"]) {
            Ok(list) => match not_ready(&list, since) {
                None => return Ok(total),
                Some(reason) => reason,
            },
            Err(error) => error.to_string(),
        };
        if total > LIMIT {
            bail!("the pods are not back {} s after the start of the units: {reason}", total.as_secs());
        }
        std::thread::sleep(INTERVAL);
    }
}

/// When the units were started, by both clocks, and the floor.
fn started(cluster: &Cluster, kubectl: &Kubectl, interrupt: &Interrupt) -> Result<((Instant, Timestamp), Floor)> {
    let server = kubectl.service_address("kube-system", "kube-dns")?;
    let address = kubectl.service_address("default", "kubernetes")?;
    let nodes: Vec<&Host> = cluster.hosts().iter().filter(|host| host.is_node()).collect();
    stop(cluster, &nodes, interrupt)?;
    let since = Timestamp::now();
    let begun = Instant::now();
    let answered = together(cluster.hosts(), |host| {
        let start = format!("systemctl start --no-block {}", host.units());
        if !host.is_node() {
            return Lab::shell(&host.name, &start).map(|_| Duration::ZERO);
        }
        // The host's own copy of barque waits there: no process is started for each question, so waiting costs the start nothing.
        let seconds = LIMIT.as_secs();
        let wait = format!("exec /var/lib/barque/agent/*/barque probe dns --within {seconds} {server} {NAME} {address}");
        Lab::shell(&host.name, &format!("{start} && {wait}")).map(|_| begun.elapsed())
    })?;
    let dns = answered.into_iter().max().unwrap_or_default();
    let names: Vec<&str> = nodes.iter().map(|host| host.name.as_str()).collect();
    loop {
        interrupt.check()?;
        // What the answer shows was so when it was asked for, at the latest when it came: the floor is rather too low than too high.
        let total = begun.elapsed();
        let reason = match kubectl.get(&["nodes,leases.coordination.k8s.io", "--namespace", "kube-node-lease"]) {
            Ok(list) => match missing(&list, &names, since) {
                None => return Ok(((begun, since), Floor { total, dns })),
                Some(reason) => reason,
            },
            Err(error) => error.to_string(),
        };
        if total > LIMIT {
            bail!("the cluster is not back {} s after the start of its units: {reason}", total.as_secs());
        }
        std::thread::sleep(INTERVAL);
    }
}

fn stop(cluster: &Cluster, nodes: &[&Host], interrupt: &Interrupt) -> Result<()> {
    let begun = Instant::now();
    let in_time =
        || if begun.elapsed() < LIMIT { interrupt.check() } else { bail!("the cluster did not stop within {} s", LIMIT.as_secs()) };
    together(cluster.hosts(), |host| {
        Lab::shell(&host.name, &format!("systemctl stop {}", host.units()))?;
        while !Lab::shell(&host.name, &format!("systemctl is-active {} || true", host.units()))?.lines().all(is_stopped) {
            in_time()?;
            std::thread::sleep(INTERVAL);
        }
        Ok(())
    })?;
    together(nodes, |host| {
        while !Lab::shell(&host.name, KILL_PODS)?.trim().is_empty() {
            in_time()?;
            std::thread::sleep(INTERVAL);
        }
        Ok(())
    })?;
    Ok(())
}

/// A unit that had to be killed counts as failed; it is as stopped as the others.
fn is_stopped(state: &str) -> bool {
    matches!(state, "inactive" | "failed")
}

/// What is not there yet: a node that is Ready, and a sign of life of its kubelet after the start. Ready alone may be what the API
/// remembers from before.
fn missing(list: &Value, nodes: &[&str], since: Timestamp) -> Option<String> {
    let items = list["items"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    let find = |kind: &str, name: &str| items.iter().find(|item| item["kind"] == kind && item["metadata"]["name"] == name);
    for name in nodes {
        let Some(node) = find("Node", name) else { return Some(format!("there is no node {name}")) };
        let conditions = node["status"]["conditions"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        if !conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True") {
            return Some(format!("{name} is not Ready"));
        }
        let renewed = find("Lease", name).and_then(|lease| lease["spec"]["renewTime"].as_str()?.parse::<Timestamp>().ok());
        if renewed.is_none_or(|renewed| renewed <= since) {
            return Some(format!("the kubelet of {name} has not spoken since the start"));
        }
    }
    None
}

/// A container that does not run since the start, or is not ready.
fn not_ready(list: &Value, since: Timestamp) -> Option<String> {
    let pods = list["items"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    pods.iter().find_map(|pod| {
        let wanted = pod["spec"]["containers"].as_array().map_or(0, Vec::len);
        let containers = pod["status"]["containerStatuses"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        let is_back = |container: &Value| {
            let started = container["state"]["running"]["startedAt"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
            // The API tells whole seconds.
            container["ready"] == true && started.is_some_and(|started| started.as_second() >= since.as_second())
        };
        let ready = containers.len() == wanted && containers.iter().all(is_back);
        (!ready).then(|| format!("pod {} is not ready", pod["metadata"]["name"]))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn list(ready: &str, renewed: &str) -> Value {
        json!({"items": [
            {"kind": "Node", "metadata": {"name": "n1"}, "status": {"conditions": [
                {"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}]}},
            {"kind": "Lease", "metadata": {"name": "n1"}, "spec": {"renewTime": renewed}},
        ]})
    }

    #[test]
    fn ready_counts_only_with_a_lease_of_after_the_start() {
        let since = "2026-01-01T00:00:10Z".parse().unwrap();
        assert_eq!(missing(&list("True", "2026-01-01T00:00:10.000001Z"), &["n1"], since), None);
        assert!(missing(&list("True", "2026-01-01T00:00:09.999999Z"), &["n1"], since).unwrap().contains("has not spoken"));
        assert!(missing(&list("False", "2026-01-01T00:00:11.000000Z"), &["n1"], since).unwrap().contains("not Ready"));
        assert!(missing(&list("True", "2026-01-01T00:00:11.000000Z"), &["n1", "n2"], since).unwrap().contains("n2"));
    }

    #[test]
    fn pods_count_when_their_containers_were_started_again() {
        let since = "2026-01-01T00:00:10.5Z".parse().unwrap();
        let pod = |ready: bool, started: &str| {
            json!({"items": [{"metadata": {"name": "a"}, "spec": {"containers": [{}]},
                "status": {"containerStatuses": [{"ready": ready, "state": {"running": {"startedAt": started}}}]}}]})
        };
        assert_eq!(not_ready(&pod(true, "2026-01-01T00:00:10Z"), since), None);
        assert!(not_ready(&pod(true, "2026-01-01T00:00:09Z"), since).is_some());
        assert!(not_ready(&pod(false, "2026-01-01T00:00:20Z"), since).is_some());
        assert!(not_ready(&json!({"items": [{"metadata": {"name": "a"}, "spec": {"containers": [{}]}, "status": {}}]}), since).is_some());
    }

    #[test]
    fn units_on_their_way_down_are_not_stopped() {
        assert!(is_stopped("inactive") && is_stopped("failed"));
        assert!(!is_stopped("deactivating") && !is_stopped("active") && !is_stopped("activating"));
    }
}
