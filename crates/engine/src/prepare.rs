//! From a cluster and connected hosts to a plan: observe everything at once, compare, build the graph.

use std::collections::{BTreeMap, HashMap};

use barque_agent::{KubeAnswer, KubeCall};
use barque_bundle::Bundle;
use barque_check::{Inputs, Inspection, Severity};
use barque_model::{APPLIED_ANNOTATION, Cluster, Digest, Host, HostName, KubeAccess, ObjectDifference, Role, SecretBytes};
use barque_pki::Vault;
use barque_plan::{
    AddonWanted, ClusterFacts, ClusterObject, DesiredInputs, Held, HostDesired, HostFacts, HostObserved, LedgerEntry, Limit, MemberHealth,
    Observed, Plan, PlanInputs, ResourceId, SavedPlan, Step, StepId,
};
use futures::future::join_all;

use crate::addons::{AwaitedObject, KeptDefinition};
use crate::certificates::Certificates;
use crate::observe::observe_host;
use crate::segment::Segment;
use crate::{Context, EngineError, SegmentFinding, Sessions, artifacts, material};

/// What the operator asked for beside the cluster file.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Whether files and programs that somebody changed on a host are overwritten.
    pub overwrite_drift: bool,
    /// Narrows the run to hosts, roles or stages, such as `m1`, `role=master` or `stage=etcd`; all when empty.
    pub limits: Vec<String>,
    /// Whether every content is sent from here, also what hosts could fetch from each other.
    pub send_all: bool,
}

/// A plan and everything its steps need.
pub(crate) struct Prepared {
    /// The plan, with its inputs' digests.
    pub(crate) saved: SavedPlan,
    /// Bytes on the wire per host.
    pub(crate) to_send: BTreeMap<HostName, u64>,
    /// What must be on each host that answers, with the content of files.
    pub(crate) desired: BTreeMap<HostName, HostDesired>,
    /// What is there.
    pub(crate) observed: BTreeMap<HostName, HostObserved>,
    /// What barque has applied there.
    pub(crate) ledger: BTreeMap<HostName, Vec<LedgerEntry>>,
    /// What somebody changed on the hosts, and is left as it is.
    pub(crate) held: Vec<Held>,
    /// Cluster objects that somebody changed, and are left as they are.
    pub(crate) held_objects: Vec<String>,
    /// What pods of add-ons wait for, and is not there.
    pub(crate) awaited: Vec<AwaitedObject>,
    /// Definitions that no add-on wants any more, and that stay.
    pub(crate) kept: Vec<KeptDefinition>,
    /// Steps that a limit left out.
    pub(crate) left_out: Vec<Step>,
    /// Changes that a limit does not name, and that what it names needs.
    pub(crate) pulled_in: Vec<StepId>,
    /// What the API says.
    pub(crate) cluster_facts: ClusterFacts,
    /// Every etcd member that was asked, and whether it is healthy; empty before the first deployment.
    pub(crate) etcd: Vec<MemberHealth>,
    /// The masters and how to reach the API from each.
    pub(crate) masters: Vec<(HostName, KubeAccess)>,
    /// What on the balancers' segment keeps `up` from setting them up.
    pub(crate) obstacles: Vec<SegmentFinding>,
}

impl Prepared {
    /// The plan.
    pub(crate) const fn plan(&self) -> &Plan {
        &self.saved.plan
    }

    /// Content of files by host and resource.
    pub(crate) fn contents(&self) -> HashMap<(HostName, ResourceId), SecretBytes> {
        let mut contents = HashMap::new();
        for (host, wanted) in &self.desired {
            for resource in &wanted.resources {
                if let Some(content) = &resource.content {
                    contents.insert((host.clone(), resource.resource.id()), content.clone());
                }
            }
        }
        contents
    }

    /// Resources in scope.
    pub(crate) fn resources(&self) -> usize {
        self.desired.values().map(|wanted| wanted.resources.len()).sum()
    }
}

/// Observes all hosts that answer and plans. Changes nothing.
pub(crate) async fn prepare(
    context: &Context,
    sessions: &Sessions,
    vault: &Vault,
    bundle: &Bundle,
    wishes: &Wishes,
) -> Result<Prepared, EngineError> {
    // What concerns the cluster is planned for the hosts that answer; files name all hosts.
    let mut cluster = context.cluster.clone();
    cluster.hosts.retain(|host| sessions.agent(&host.name).is_some());
    let (inspections, segment) = tokio::join!(crate::check::inspect_all(context, sessions), Segment::begin(context, sessions));
    let (inspections, segment) = (inspections?, segment?);
    cluster.load_balancer.clone_from(&segment.cluster().load_balancer);
    let facts = inspections.iter().map(|(host, inspection)| (host.clone(), inspection.facts.clone())).collect();
    let certificates = Certificates::of(vault);
    let addons = crate::addons::wanted(context, &certificates)?;
    let desired = desired_state(context, segment.cluster(), &facts, vault, bundle)?;
    let observing = cluster.hosts.iter().filter_map(|host| {
        let agent = sessions.agent(&host.name)?;
        let wanted = desired.get(&host.name)?;
        Some(async move { (host.name.clone(), observe_host(&agent, wanted).await) })
    });
    let mut observed: BTreeMap<HostName, HostObserved> = BTreeMap::new();
    let mut ledger: BTreeMap<HostName, Vec<LedgerEntry>> = BTreeMap::new();
    for (host, result) in join_all(observing).await {
        let (seen, entries) = result.map_err(|message| EngineError::Observe { host: host.clone(), message })?;
        observed.insert(host.clone(), seen);
        ledger.insert(host, entries);
    }
    let to_receive = uncompressed_bytes(&desired, &observed);
    refuse_faults(&cluster, &inspections, &to_receive)?;
    let objects = barque_render::objects(&context.cluster, &context.release);
    let bootstrap = named(&objects.bootstrap, &certificates);
    let dns = named(&objects.dns, &certificates);
    let masters = masters(&cluster, vault)?;
    let all: Vec<&ClusterObject> = bootstrap.iter().chain(&dns).chain(addons.iter().flat_map(|addon| &addon.objects)).collect();
    let cluster_facts = cluster_facts(sessions, &masters, &all, &certificates).await;
    refuse_foreign(&addons, &cluster_facts, wishes.overwrite_drift)?;
    let awaited = crate::addons::awaited(context, sessions, &masters, &all).await?;
    let names = all.iter().map(|object| object.name.as_str()).collect();
    let unwanted = crate::addons::ledger(context, sessions).await?.unwanted(&names);
    let (unwanted, kept) = crate::addons::present(sessions, &masters, unwanted).await;
    let etcd = etcd_health(context, sessions, &observed).await;
    let obstacles = segment.obstacles().await?;
    let authority = material::authority(vault);
    let inputs = PlanInputs {
        cluster: &cluster,
        desired: &desired,
        observed: &observed,
        ledger: &ledger,
        overwrite_drift: wishes.overwrite_drift,
        facts: &cluster_facts,
        bootstrap: &bootstrap,
        dns: &dns,
        addons: &addons,
        unwanted: &unwanted,
        authority: &authority,
    };
    let held = barque_plan::held(&inputs);
    let held_objects = barque_plan::held_objects(&inputs).into_iter().map(str::to_owned).collect();
    let whole = barque_plan::build(&inputs);
    let limits = wishes.limits.iter().map(|text| Limit::parse(text, &context.cluster)).collect::<Result<Vec<_>, _>>()?;
    let (plan, left_out, pulled_in) = if limits.is_empty() {
        (whole, Vec::new(), Vec::new())
    } else {
        let limited = barque_plan::limit(&whole, &limits, &cluster);
        (limited.plan, limited.left_out, limited.pulled_in)
    };
    let to_send = compressed_bytes(&plan, bundle);
    let saved = SavedPlan::new(&context.options.build_id, &context.cluster.name, &context.text, &inputs, &wishes.limits, plan);
    Ok(Prepared {
        saved,
        to_send,
        desired,
        observed,
        ledger,
        held,
        held_objects,
        awaited,
        kept,
        left_out,
        pulled_in,
        cluster_facts,
        etcd,
        masters,
        obstacles,
    })
}

/// Asks a running etcd for the health of its members; empty when none runs on a host that answers.
async fn etcd_health(context: &Context, sessions: &Sessions, observed: &BTreeMap<HostName, HostObserved>) -> Vec<MemberHealth> {
    let members: Vec<&Host> = context.cluster.with_role(Role::Etcd).collect();
    let unit = ResourceId(format!("unit {}", barque_model::Component::Etcd.unit()));
    let runs = |host: &&&Host| {
        let seen = observed.get(&host.name).and_then(|seen| seen.resources.get(&unit));
        matches!(seen, Some(Observed::Unit(state)) if state.is_active() && state.fingerprint.is_some())
    };
    let endpoints: Vec<String> = members.iter().map(|host| format!("https://{}", std::net::SocketAddr::new(host.address, 2379))).collect();
    for asked in members.iter().filter(runs) {
        let Some(agent) = sessions.agent(&asked.name) else { continue };
        let Ok(answers) = agent.etcd_status(endpoints.clone()).await else { continue };
        let health = members.iter().zip(answers).map(|(host, answer)| MemberHealth { host: host.name.clone(), healthy: answer.healthy });
        return health.collect();
    }
    Vec::new()
}

/// Fails with the faults that would stop a deployment or break something, unless they are accepted.
fn refuse_faults(
    cluster: &Cluster,
    inspections: &BTreeMap<HostName, Inspection>,
    to_receive: &BTreeMap<HostName, u64>,
) -> Result<(), EngineError> {
    let inputs = Inputs { cluster, inspections, clocks: &BTreeMap::new(), to_receive: Some(to_receive) };
    let sorted = barque_check::sort(barque_check::findings(&inputs), &cluster.accepted_checks);
    let faults: Vec<_> = sorted.findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
    if faults.is_empty() { Ok(()) } else { Err(EngineError::Preflight(faults)) }
}

/// Fails when an apply would take fields of add-ons' objects from somebody else. What was edited since barque applied it is left alone
/// anyway, and so are its owners.
fn refuse_foreign(addons: &[AddonWanted], facts: &ClusterFacts, overwrite: bool) -> Result<(), EngineError> {
    let taken = addons.iter().flat_map(|addon| &addon.objects).filter_map(|object| {
        let owners = facts.conflicts.get(&object.name)?;
        let differs = facts.objects.get(&object.name) == Some(&ObjectDifference::Differs);
        differs.then(|| format!("{}: {}", object.name, owners.join(", ")))
    });
    let taken: Vec<String> = taken.collect();
    if overwrite || taken.is_empty() { Ok(()) } else { Err(EngineError::FieldOwners(taken)) }
}

fn desired_state(
    context: &Context,
    cluster: &Cluster,
    facts: &BTreeMap<HostName, HostFacts>,
    vault: &Vault,
    bundle: &Bundle,
) -> Result<BTreeMap<HostName, HostDesired>, EngineError> {
    let mut desired = BTreeMap::new();
    let addon_images = crate::addons::images(&context.addons, &context.cluster)?;
    let own_program = if cluster.monitoring().is_some() { Some(artifacts::own_program(context)?) } else { None };
    for host in &cluster.hosts {
        let Some(found) = facts.get(&host.name) else { continue };
        let (mut artifacts, platform) = artifacts::index_for(bundle, found);
        artifacts.binaries.extend(own_program.clone());
        let known = barque_check::standing(&found.os) != barque_check::Standing::Unknown;
        let secrets = barque_pki::files_for(cluster, host, vault)?;
        let inputs = DesiredInputs {
            cluster,
            release: &context.release,
            secrets: &secrets,
            artifacts: &artifacts,
            interface: interface_of(host, found),
            addon_images: &addon_images,
        };
        let wanted = match barque_plan::desired(&inputs, host) {
            Ok(wanted) => wanted,
            // The preflight report says it better.
            Err(_) if !known => HostDesired::default(),
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

/// The masters and how their own agents reach their own API servers.
pub(crate) fn masters(cluster: &Cluster, vault: &Vault) -> Result<Vec<(HostName, KubeAccess)>, EngineError> {
    let masters = cluster.with_role(Role::Master).map(|host| {
        let server = barque_pki::own_api_url(host);
        Ok((host.name.clone(), barque_pki::access(vault, &barque_pki::KubeconfigUser::SuperAdmin, &server)?))
    });
    masters.collect()
}

/// Objects with their names, and the annotations that tell an edit from a new version and from a renewed certificate.
pub(crate) fn named(objects: &[serde_json::Value], certificates: &Certificates) -> Vec<ClusterObject> {
    let named = objects.iter().map(|object| {
        let kind = object["kind"].as_str().unwrap_or("?");
        let name = object["metadata"]["name"].as_str().unwrap_or("?");
        let name = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => format!("{kind} {namespace}/{name}"),
            None => format!("{kind} {name}"),
        };
        let mut marked = object.clone();
        certificates.mark(&mut marked);
        let digest = Digest::of(marked.to_string().as_bytes()).to_string();
        marked["metadata"]["annotations"][APPLIED_ANNOTATION] = digest.into();
        ClusterObject { name, json: marked.to_string() }
    });
    named.collect()
}

/// What the API says; nothing when no API server answers, as before the first deployment.
pub(crate) async fn cluster_facts(
    sessions: &Sessions,
    masters: &[(HostName, KubeAccess)],
    objects: &[&ClusterObject],
    certificates: &Certificates,
) -> ClusterFacts {
    for (host, access) in masters {
        let Some(agent) = sessions.agent(host) else { continue };
        if agent.kube(access.clone(), KubeCall::Ready).await.is_err() {
            continue;
        }
        let texts = objects.iter().map(|object| certificates.fill(&object.json).into_owned()).collect();
        let (nodes, states) =
            tokio::join!(agent.kube(access.clone(), KubeCall::Nodes), agent.kube(access.clone(), KubeCall::Objects(texts)));
        let mut facts = ClusterFacts::default();
        if let Ok(KubeAnswer::Nodes(nodes)) = nodes {
            facts.nodes = nodes;
        }
        if let Ok(KubeAnswer::Objects(states)) = states {
            // The order is that of the question; the names are ours.
            for (object, state) in objects.iter().zip(states) {
                facts.objects.insert(object.name.clone(), state.state);
                if !state.conflicts.is_empty() {
                    facts.conflicts.insert(object.name.clone(), state.conflicts);
                }
            }
        }
        return facts;
    }
    ClusterFacts::default()
}
