//! From a cluster and connected hosts to a plan: observe everything at once, compare, build the graph.

use std::collections::{BTreeMap, HashMap};

use barque_agent::{KubeAnswer, KubeCall};
use barque_bundle::Bundle;
use barque_model::{Cluster, Host, HostName, KubeAccess, ObjectDifference, Role, SecretBytes};
use barque_pki::Vault;
use barque_plan::{ClusterFacts, ClusterObject, DesiredInputs, HostDesired, HostFacts, HostObserved, Plan, PlanInputs, ResourceId};
use futures::future::join_all;

use crate::observe::observe_host;
use crate::{Context, EngineError, Sessions, artifacts, material};

/// A plan and everything its steps need.
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// Facts of the hosts.
    pub facts: BTreeMap<HostName, HostFacts>,
    /// Bytes on the wire per host.
    pub to_send: BTreeMap<HostName, u64>,
    /// Resources that are in scope.
    pub resources: usize,
    pub(crate) contents: HashMap<(HostName, ResourceId), SecretBytes>,
    pub(crate) masters: Vec<(HostName, KubeAccess)>,
}

/// Observes all hosts and plans. Changes nothing.
pub(crate) async fn prepare(context: &Context, sessions: &Sessions, vault: &Vault, bundle: &Bundle) -> Result<Prepared, EngineError> {
    let cluster = &context.cluster;
    let facts = gather_facts(sessions).await?;
    let desired = desired_state(context, &facts, vault, bundle)?;
    let observed = join_all(cluster.hosts.iter().filter_map(|host| {
        let agent = sessions.agent(&host.name)?;
        let wanted = desired.get(&host.name)?;
        Some(async move { (host.name.clone(), observe_host(agent, wanted).await) })
    }));
    let mut seen: BTreeMap<HostName, HostObserved> = BTreeMap::new();
    for (host, result) in observed.await {
        let observed = result.map_err(|message| EngineError::Observe { host: host.clone(), message })?;
        seen.insert(host, observed);
    }
    let to_receive = uncompressed_bytes(&desired, &seen);
    let findings = barque_plan::preflight(cluster, &facts, &to_receive);
    if !findings.is_empty() {
        return Err(EngineError::Preflight(findings));
    }
    let objects = barque_render::objects(cluster, &context.release);
    let bootstrap = named(&objects.bootstrap);
    let dns = named(&objects.dns);
    let masters = masters(cluster, vault)?;
    let cluster_facts = cluster_facts(sessions, &masters, &bootstrap, &dns).await;
    let authority = material::authority(vault);
    let plan = barque_plan::build(&PlanInputs {
        cluster,
        desired: &desired,
        observed: &seen,
        facts: &cluster_facts,
        bootstrap: &bootstrap,
        dns: &dns,
        authority: &authority,
    });
    let to_send = compressed_bytes(&plan, bundle);
    let resources = desired.values().map(|wanted| wanted.resources.len()).sum();
    Ok(Prepared { plan, facts, to_send, resources, contents: contents(desired), masters })
}

async fn gather_facts(sessions: &Sessions) -> Result<BTreeMap<HostName, HostFacts>, EngineError> {
    let answers = join_all(sessions.agents().iter().map(|(host, agent)| async move { (host.clone(), agent.facts().await) })).await;
    let mut facts = BTreeMap::new();
    for (host, answer) in answers {
        let found = answer.map_err(|error| EngineError::Observe { host: host.clone(), message: error.to_string() })?;
        facts.insert(host, found);
    }
    Ok(facts)
}

fn desired_state(
    context: &Context,
    facts: &BTreeMap<HostName, HostFacts>,
    vault: &Vault,
    bundle: &Bundle,
) -> Result<BTreeMap<HostName, HostDesired>, EngineError> {
    let mut desired = BTreeMap::new();
    for host in &context.cluster.hosts {
        let Some(found) = facts.get(&host.name) else { continue };
        let (artifacts, platform) = artifacts::index_for(bundle, found);
        let supported = barque_plan::SUPPORTED_SYSTEMS.iter().any(|(id, version)| found.os.id == *id && found.os.version_id == *version);
        let secrets = barque_pki::files_for(&context.cluster, host, vault)?;
        let inputs = DesiredInputs {
            cluster: &context.cluster,
            release: &context.release,
            secrets: &secrets,
            artifacts: &artifacts,
            interface: interface_of(host, found),
        };
        let wanted = match barque_plan::desired(&inputs, host) {
            Ok(wanted) => wanted,
            // The preflight report says it better: no package is made for that system.
            Err(_) if !supported => HostDesired::default(),
            Err(missing) => {
                let bundle = bundle.root().to_path_buf();
                return Err(EngineError::Missing { missing, host: host.name.clone(), platform, bundle });
            }
        };
        desired.insert(host.name.clone(), wanted);
    }
    Ok(desired)
}

/// The interface that carries the host's address; the preflight refuses hosts that have none.
fn interface_of<'a>(host: &Host, facts: &'a HostFacts) -> &'a str {
    facts.addresses.iter().find(|found| found.address == host.address).map_or("eth0", |found| found.interface.as_str())
}

fn uncompressed_bytes(desired: &BTreeMap<HostName, HostDesired>, seen: &BTreeMap<HostName, HostObserved>) -> BTreeMap<HostName, u64> {
    let bytes = desired.iter().map(|(host, wanted)| {
        let mut blobs: Vec<_> = wanted.resources.iter().flat_map(|wanted| wanted.resource.blobs()).collect();
        blobs.sort();
        blobs.dedup();
        let missing = seen.get(host).map(|seen| &seen.missing_blobs);
        let size = blobs.iter().filter(|blob| missing.is_some_and(|missing| missing.contains(&blob.digest))).map(|blob| blob.size).sum();
        (host.clone(), size)
    });
    bytes.collect()
}

fn compressed_bytes(plan: &Plan, bundle: &Bundle) -> BTreeMap<HostName, u64> {
    let sizes: HashMap<_, _> = bundle.artifacts().iter().map(|artifact| (artifact.digest, artifact.compressed_size)).collect();
    let mut bytes: BTreeMap<HostName, u64> = BTreeMap::new();
    for step in &plan.steps {
        if let (Some(host), barque_plan::Action::Transfer { blob, .. }) = (&step.host, &step.action) {
            *bytes.entry(host.clone()).or_default() += sizes.get(&blob.digest).copied().unwrap_or(blob.size);
        }
    }
    bytes
}

fn contents(desired: BTreeMap<HostName, HostDesired>) -> HashMap<(HostName, ResourceId), SecretBytes> {
    let mut contents = HashMap::new();
    for (host, wanted) in desired {
        for resource in wanted.resources {
            if let Some(content) = resource.content {
                contents.insert((host.clone(), resource.resource.id()), content);
            }
        }
    }
    contents
}

/// The masters and how their own agents reach their own API servers.
pub(crate) fn masters(cluster: &Cluster, vault: &Vault) -> Result<Vec<(HostName, KubeAccess)>, EngineError> {
    let masters = cluster.with_role(Role::Master).map(|host| {
        let server = barque_pki::own_api_url(host);
        Ok((host.name.clone(), barque_pki::access(vault, &barque_pki::KubeconfigUser::SuperAdmin, &server)?))
    });
    masters.collect()
}

fn named(objects: &[serde_json::Value]) -> Vec<ClusterObject> {
    let named = objects.iter().map(|object| {
        let kind = object["kind"].as_str().unwrap_or("?");
        let name = object["metadata"]["name"].as_str().unwrap_or("?");
        let name = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => format!("{kind} {namespace}/{name}"),
            None => format!("{kind} {name}"),
        };
        ClusterObject { name, json: object.to_string() }
    });
    named.collect()
}

/// What the API says; nothing when no API server answers, as before the first deployment.
async fn cluster_facts(
    sessions: &Sessions,
    masters: &[(HostName, KubeAccess)],
    bootstrap: &[ClusterObject],
    dns: &[ClusterObject],
) -> ClusterFacts {
    let objects: Vec<&ClusterObject> = bootstrap.iter().chain(dns).collect();
    for (host, access) in masters {
        let Some(agent) = sessions.agent(host) else { continue };
        if agent.kube(access.clone(), KubeCall::Ready).await.is_err() {
            continue;
        }
        let texts = objects.iter().map(|object| object.json.clone()).collect();
        let (nodes, states) =
            tokio::join!(agent.kube(access.clone(), KubeCall::Nodes), agent.kube(access.clone(), KubeCall::Objects(texts)));
        let mut facts = ClusterFacts::default();
        if let Ok(KubeAnswer::Nodes(nodes)) = nodes {
            facts.nodes = nodes;
        }
        if let Ok(KubeAnswer::Objects(states)) = states {
            // The order is that of the question; the names are ours.
            let states: Vec<ObjectDifference> = states.into_iter().map(|state| state.state).collect();
            facts.objects = objects.iter().map(|object| object.name.clone()).zip(states).collect();
        }
        return facts;
    }
    ClusterFacts::default()
}
