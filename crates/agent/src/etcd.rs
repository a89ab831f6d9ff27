//! The state of the etcd cluster, asked with etcdctl on an etcd host.

use std::time::Duration;

use barque_event::Failure;
use barque_host::{Command, HostContext};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::EtcdMember;

/// kubeadm's names; the identity is made for health checks.
const FILES: [(&str, &str); 3] = [
    ("--cacert", "/etc/kubernetes/pki/etcd/ca.crt"),
    ("--cert", "/etc/kubernetes/pki/etcd/healthcheck-client.crt"),
    ("--key", "/etc/kubernetes/pki/etcd/healthcheck-client.key"),
];
/// etcdctl's own limits are shorter; this one holds should it hang.
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize)]
struct EndpointStatus {
    #[serde(rename = "Endpoint")]
    endpoint: String,
    #[serde(rename = "Status")]
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Status {
    header: Header,
    #[serde(default)]
    version: String,
    #[serde(default, rename = "dbSize")]
    db_size: u64,
    #[serde(default)]
    leader: u64,
    #[serde(default, rename = "isLearner")]
    learner: bool,
}

#[derive(Debug, Deserialize)]
struct Header {
    #[serde(default)]
    cluster_id: u64,
    #[serde(default)]
    member_id: u64,
}

#[derive(Debug, Deserialize)]
struct EndpointHealth {
    endpoint: String,
    #[serde(default)]
    health: bool,
}

#[derive(Debug, Deserialize)]
struct MemberList {
    #[serde(default)]
    members: Vec<Member>,
}

#[derive(Debug, Deserialize)]
struct Member {
    #[serde(rename = "ID")]
    id: u64,
    #[serde(default)]
    name: String,
}

/// The members behind `endpoints`, in that order. One that does not answer is there with an empty id.
pub(crate) async fn members(context: &HostContext, endpoints: &[String]) -> Result<Vec<EtcdMember>, Failure> {
    let (status, health, list) = tokio::join!(
        ask(context, &["endpoint", "status"], endpoints),
        ask(context, &["endpoint", "health"], endpoints),
        ask(context, &["member", "list"], endpoints),
    );
    Ok(merge(endpoints, &status?.stdout, &health?.stdout, &list?.stdout))
}

/// Says why the cluster is not healthy, or nothing when it is: all members answer and commit, one leads, all are of one cluster.
pub(crate) async fn unhealthy(context: &HostContext, endpoints: &[String], expected: u32) -> Result<Option<String>, Failure> {
    let status = ask(context, &["endpoint", "status"], endpoints).await?;
    let answering = parse::<Vec<EndpointStatus>>(&status.stdout).unwrap_or_default().len();
    if answering < endpoints.len() {
        let reason = status.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        return Ok(Some(format!("{answering} of {} endpoints answer; {reason}", endpoints.len())));
    }
    let health = ask(context, &["endpoint", "health"], endpoints).await?;
    Ok(verdict(&merge(endpoints, &status.stdout, &health.stdout, ""), expected))
}

fn verdict(members: &[EtcdMember], expected: u32) -> Option<String> {
    let healthy = members.iter().filter(|member| member.healthy).count();
    let leaders = members.iter().filter(|member| member.leader).count();
    if let Some(other) = members.iter().find(|member| member.cluster != members[0].cluster) {
        return Some(format!(
            "{} belongs to another cluster ({}) than {} ({})",
            other.endpoint, other.cluster, members[0].endpoint, members[0].cluster
        ));
    }
    if u32::try_from(healthy) != Ok(expected) {
        let bad: Vec<&str> = members.iter().filter(|member| !member.healthy).map(|member| member.endpoint.as_str()).collect();
        return Some(format!("{healthy} of {expected} members are healthy; not healthy: {}", bad.join(", ")));
    }
    (leaders != 1).then(|| format!("{leaders} members lead"))
}

/// How this host's health checks show themselves to etcd, as arguments of etcdctl.
pub(crate) fn identity(context: &HostContext) -> impl Iterator<Item = String> {
    FILES.iter().map(|(flag, path)| format!("{flag}={}", context.path(path).display()))
}

async fn ask(context: &HostContext, words: &[&str], endpoints: &[String]) -> Result<barque_host::Output, Failure> {
    let mut arguments: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    arguments.push(format!("--endpoints={}", endpoints.join(",")));
    arguments.extend(identity(context));
    arguments.extend(["--dial-timeout=1s", "--command-timeout=3s", "--write-out=json"].map(str::to_owned));
    // A status other than 0 says that some endpoint did not answer; the others' answers are there all the same.
    Ok(Command::new("etcdctl", arguments).timeout(TIMEOUT).output().await?)
}

/// etcdctl prints `null` when nobody answered, and sometimes a warning line before the JSON.
fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    let line = text.lines().find(|line| line.starts_with(['[', '{']))?;
    serde_json::from_str(line).ok()
}

fn merge(endpoints: &[String], status: &str, health: &str, list: &str) -> Vec<EtcdMember> {
    let status: Vec<EndpointStatus> = parse(status).unwrap_or_default();
    let health: Vec<EndpointHealth> = parse(health).unwrap_or_default();
    let list = parse::<MemberList>(list).map(|list| list.members).unwrap_or_default();
    let member = |endpoint: &String| {
        let healthy = health.iter().any(|entry| entry.endpoint == *endpoint && entry.health);
        let found = status.iter().find(|entry| entry.endpoint == *endpoint).map(|entry| &entry.status);
        let hexadecimal = |number: u64| format!("{number:x}");
        let id = found.map(|status| status.header.member_id);
        EtcdMember {
            name: list.iter().find(|member| Some(member.id) == id).map(|member| member.name.clone()).unwrap_or_default(),
            id: id.map(hexadecimal).unwrap_or_default(),
            cluster: found.map(|status| hexadecimal(status.header.cluster_id)).unwrap_or_default(),
            endpoint: endpoint.clone(),
            leader: found.is_some_and(|status| status.leader != 0 && status.leader == status.header.member_id),
            healthy,
            version: found.map(|status| status.version.clone()).unwrap_or_default(),
            db_size: found.map_or(0, |status| status.db_size),
            learner: found.is_some_and(|status| status.learner),
        }
    };
    endpoints.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = r#"[{"Endpoint":"https://10.0.0.1:2379","Status":{"header":{"cluster_id":14841639068965178418,"member_id":10276657743932975437,"revision":1,"raft_term":2},"version":"3.6.14","dbSize":20480,"leader":10276657743932975437,"raftIndex":4,"raftTerm":2}},{"Endpoint":"https://10.0.0.2:2379","Status":{"header":{"cluster_id":14841639068965178418,"member_id":7,"revision":1,"raft_term":2},"version":"3.6.14","dbSize":20480,"leader":10276657743932975437}}]"#;
    const HEALTH: &str = r#"[{"endpoint":"https://10.0.0.1:2379","health":true,"took":"3ms"},{"endpoint":"https://10.0.0.2:2379","health":true,"took":"3ms"},{"endpoint":"https://10.0.0.3:2379","health":false,"took":"1s","error":"context deadline exceeded"}]"#;
    const LIST: &str = r#"{"header":{"cluster_id":1},"members":[{"ID":10276657743932975437,"name":"e1"},{"ID":7,"name":"e2"},{"ID":8}]}"#;

    fn endpoints(count: u8) -> Vec<String> {
        (1..=count).map(|number| format!("https://10.0.0.{number}:2379")).collect()
    }

    #[test]
    fn answers_are_merged_by_endpoint() {
        let members = merge(&endpoints(3), STATUS, HEALTH, LIST);
        assert_eq!((members[0].name.as_str(), members[0].id.as_str(), members[0].leader), ("e1", "8e9e05c52164694d", true));
        assert_eq!((members[1].name.as_str(), members[1].leader, members[1].healthy), ("e2", false, true));
        assert_eq!((members[2].id.as_str(), members[2].healthy), ("", false));
    }

    #[test]
    fn a_verdict_names_what_is_wrong() {
        assert_eq!(verdict(&merge(&endpoints(2), STATUS, HEALTH, ""), 2), None);
        assert_eq!(verdict(&merge(&endpoints(2), STATUS, HEALTH, ""), 3), Some("2 of 3 members are healthy; not healthy: ".into()));
        let other = STATUS.replacen("14841639068965178418", "5", 1);
        assert!(verdict(&merge(&endpoints(2), &other, HEALTH, ""), 2).is_some_and(|text| text.contains("another cluster")));
        let leaderless = STATUS.replace("\"leader\":10276657743932975437", "\"leader\":0");
        assert_eq!(verdict(&merge(&endpoints(2), &leaderless, HEALTH, ""), 2), Some("0 members lead".into()));
        assert!(merge(&endpoints(1), "null", "", "").iter().all(|member| member.id.is_empty()));
    }
}
