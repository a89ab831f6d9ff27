//! Reads what is there, to be compared: files of hosts, former contents, objects of the cluster.

use std::collections::{BTreeMap, BTreeSet};

use barque_agent::{AgentClient, KubeAnswer, KubeCall};
use barque_model::{Digest, HostName, KubeAccess, SecretBytes};
use futures::future::join_all;
use serde_json::Value;

use crate::Sessions;

/// Contents asked for at once. Each is 1 MiB at most, and an answer must stay far below what one frame carries.
const AT_ONCE: usize = 16;

/// Which contents are wanted of each host. Never those of sensitive files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TextsWanted {
    /// Files as they are.
    pub(crate) files: BTreeSet<(HostName, String)>,
    /// Former contents that the host keeps.
    pub(crate) former: BTreeSet<(HostName, Digest)>,
}

/// Contents of hosts. What could not be read is not there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    pub(crate) files: BTreeMap<(HostName, String), SecretBytes>,
    pub(crate) former: BTreeMap<(HostName, Digest), SecretBytes>,
}

/// Reads from all hosts at once.
pub(crate) async fn read_texts(sessions: &Sessions, wanted: &TextsWanted) -> Texts {
    let agents = sessions.agents();
    let reading = agents.iter().map(|(host, agent)| async move {
        let paths: Vec<String> = wanted.files.iter().filter(|(of, _)| of == host).map(|(_, path)| path.clone()).collect();
        let digests: Vec<Digest> = wanted.former.iter().filter(|(of, _)| of == host).map(|(_, digest)| *digest).collect();
        (host.clone(), read_files(agent, paths).await, read_former(agent, digests).await)
    });
    let mut texts = Texts::default();
    for (host, files, former) in join_all(reading).await {
        texts.files.extend(files.into_iter().map(|(path, content)| ((host.clone(), path), content)));
        texts.former.extend(former.into_iter().map(|(digest, content)| ((host.clone(), digest), content)));
    }
    texts
}

async fn read_files(agent: &AgentClient, paths: Vec<String>) -> Vec<(String, SecretBytes)> {
    let mut found = Vec::new();
    for chunk in paths.chunks(AT_ONCE) {
        // A diff that is missing is said to be; it does not stop the rest.
        let contents = agent.contents(chunk.to_vec()).await.unwrap_or_default();
        found.extend(chunk.iter().cloned().zip(contents).filter_map(|(path, content)| Some((path, content?))));
    }
    found
}

async fn read_former(agent: &AgentClient, digests: Vec<Digest>) -> Vec<(Digest, SecretBytes)> {
    let mut found = Vec::new();
    for chunk in digests.chunks(AT_ONCE) {
        let contents = agent.prior_contents(chunk.to_vec()).await.unwrap_or_default();
        found.extend(chunk.iter().copied().zip(contents).filter_map(|(digest, content)| Some((digest, content?))));
    }
    found
}

/// Reads the live state of objects, by their JSON; those that are not there, or cannot be read, are left out.
pub(crate) async fn live_objects(sessions: &Sessions, masters: &[(HostName, KubeAccess)], objects: &[String]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    if objects.is_empty() {
        return found;
    }
    for (host, access) in masters {
        let Some(agent) = sessions.agent(host) else { continue };
        if agent.kube(access.clone(), KubeCall::Ready).await.is_err() {
            continue;
        }
        for object in objects {
            let Some(path) = path_of(object) else { continue };
            if let Ok(KubeAnswer::Json(live)) = agent.kube(access.clone(), KubeCall::Get { path }).await
                && let Ok(live) = serde_json::from_str(&live)
            {
                found.insert(object.clone(), live);
            }
        }
        break;
    }
    found
}

/// The API's path of an object. Its last but one part is the kind's plural, which for the kinds that Kubernetes brings follows English.
fn path_of(object: &str) -> Option<String> {
    let object: Value = serde_json::from_str(object).ok()?;
    let version = object["apiVersion"].as_str()?;
    let kind = object["kind"].as_str()?.to_lowercase();
    let name = object["metadata"]["name"].as_str()?;
    let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    };
    Some(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{root}/{plural}/{name}"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_objects() {
        let path = |version: &str, kind: &str, namespace: Option<&str>| {
            let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}});
            if let Some(namespace) = namespace {
                object["metadata"]["namespace"] = namespace.into();
            }
            path_of(&object.to_string())
        };
        assert_eq!(path("v1", "ConfigMap", Some("kube-system")).as_deref(), Some("/api/v1/namespaces/kube-system/configmaps/x"));
        assert_eq!(path("apps/v1", "Deployment", Some("a")).as_deref(), Some("/apis/apps/v1/namespaces/a/deployments/x"));
        assert_eq!(
            path("rbac.authorization.k8s.io/v1", "ClusterRole", None).as_deref(),
            Some("/apis/rbac.authorization.k8s.io/v1/clusterroles/x")
        );
        assert_eq!(
            path("networking.k8s.io/v1", "NetworkPolicy", Some("a")).as_deref(),
            Some("/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/x")
        );
        assert_eq!(path("scheduling.k8s.io/v1", "PriorityClass", None).as_deref(), Some("/apis/scheduling.k8s.io/v1/priorityclasses/x"));
        assert_eq!(path_of("{}"), None);
    }

    #[test]
    fn every_object_that_barque_applies_has_a_path() {
        let cluster = crate::testing::cluster();
        let objects = barque_render::objects(&cluster, &barque_catalog::release(&cluster.kubernetes).unwrap());
        let paths = objects.bootstrap.iter().chain(&objects.dns).filter_map(|object| path_of(&object.to_string()));
        assert_eq!(paths.count(), objects.bootstrap.len() + objects.dns.len());
    }
}
