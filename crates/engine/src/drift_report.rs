//! `drift`: asks every host what barque applied there and what is there now. Changes nothing.

use std::collections::BTreeMap;

use barque_agent::AgentClient;
use barque_model::{Digest, HostName, ObjectDifference, RunId};
use barque_pki::Vault;
use barque_plan::{ClusterObject, HostFacts, LedgerEntry, Observed};
use barque_store::StateDirectory;
use futures::future::join_all;

use crate::applied::{self, Applied};
use crate::certificates::Certificates;
use crate::diff::object_edit;
use crate::drift::{DriftReport, HostDrift, ObjectDrift, edited_files, host_drift, node_drift};
use crate::prepare::{cluster_facts, masters, named};
use crate::present::{TextsWanted, live_objects, read_texts};
use crate::up::Pending;
use crate::{Context, EngineError, Events, Sessions, material};

/// Compares what is on the hosts that answer, and in the cluster, with what barque applied. Files that barque did not write are not looked at.
pub async fn drift(context: &Context, events: &Events) -> Result<DriftReport, EngineError> {
    let state = StateDirectory::open_or_create(&context.state)?;
    let vault = material::open(context, &state)?;
    let sessions = Sessions::connect_most(context, &state, events).await?;
    let result = report(context, &state, vault.as_ref(), &sessions).await;
    sessions.close().await;
    result
}

/// What one host says.
struct Seen {
    entries: Vec<LedgerEntry>,
    observed: Vec<Observed>,
    facts: HostFacts,
}

async fn ask(agent: &AgentClient) -> Result<Seen, String> {
    let (entries, facts) = tokio::join!(agent.ledger(), agent.facts());
    let entries = entries.map_err(|error| error.to_string())?;
    let facts = facts.map_err(|error| error.to_string())?;
    let resources = entries.iter().map(|entry| entry.resource.clone()).collect();
    let observed = agent.observe(resources).await.map_err(|error| error.to_string())?;
    Ok(Seen { entries, observed, facts })
}

async fn report(context: &Context, state: &StateDirectory, vault: Option<&Vault>, sessions: &Sessions) -> Result<DriftReport, EngineError> {
    let agents = sessions.agents();
    let asking = agents.iter().map(|(host, agent)| async move { (host.clone(), ask(agent).await) });
    let mut seen: BTreeMap<HostName, Seen> = BTreeMap::new();
    for (host, answer) in join_all(asking).await {
        let answer = answer.map_err(|message| EngineError::Observe { host: host.clone(), message })?;
        seen.insert(host, answer);
    }
    let hosts = host_drifts(context, state, vault, sessions, &seen).await?;
    let mut report = DriftReport {
        cluster: context.cluster.name.clone(),
        hosts,
        objects: Vec::new(),
        nodes: Vec::new(),
        pending: sessions.problems().iter().cloned().map(Pending::from).collect(),
        notes: Vec::new(),
    };
    if report.managed() == 0 {
        report.notes.push("barque has applied nothing to these hosts yet, so nothing can differ from it".to_owned());
        return Ok(report);
    }
    if let Some(vault) = vault {
        compare_cluster(context, state, vault, sessions, &mut report).await?;
    } else {
        let place = context.state.display();
        report.notes.push(format!("cluster objects and nodes were not compared: there are no keys of this cluster in `{place}`"));
    }
    Ok(report)
}

async fn host_drifts(
    context: &Context,
    state: &StateDirectory,
    vault: Option<&Vault>,
    sessions: &Sessions,
    seen: &BTreeMap<HostName, Seen>,
) -> Result<Vec<HostDrift>, EngineError> {
    let edited = |(host, seen): (&HostName, &Seen)| {
        let files = edited_files(&seen.entries, &seen.observed).into_iter();
        files.map(|(run, path, digest)| (run, host.clone(), path, digest)).collect::<Vec<_>>()
    };
    let edited: Vec<(RunId, HostName, String, Digest)> = seen.iter().flat_map(edited).collect();
    let texts_wanted = TextsWanted {
        files: edited.iter().map(|(_, host, path, _)| (host.clone(), path.clone())).collect(),
        // What a rollback brought back has been kept as it was.
        former: edited.iter().map(|(_, host, _, digest)| (host.clone(), *digest)).collect(),
    };
    let texts = read_texts(sessions, &texts_wanted).await;
    let facts = seen.iter().map(|(host, seen)| (host.clone(), seen.facts.clone())).collect();
    let mut applied = applied::contents(context, state, vault, &facts, &edited)?;
    for (_, host, path, digest) in &edited {
        if let Some(former) = texts.former.get(&(host.clone(), *digest)) {
            applied.entry((host.clone(), path.clone())).or_insert_with(|| former.clone());
        }
    }
    let in_order = context.cluster.hosts.iter().filter_map(|host| {
        let seen = seen.get(&host.name)?;
        Some(host_drift(&host.name, &seen.entries, &seen.observed, &applied, &texts))
    });
    Ok(in_order.collect())
}

/// Compares cluster objects and nodes with what the newest run in force wanted.
async fn compare_cluster(
    context: &Context,
    state: &StateDirectory,
    vault: &Vault,
    sessions: &Sessions,
    report: &mut DriftReport,
) -> Result<(), EngineError> {
    let applied = applied::newest(context, state)?.unwrap_or_else(|| {
        report.notes.push("no run was made from here: cluster objects and nodes were compared with the present cluster file".to_owned());
        Applied { cluster: context.cluster.clone(), release: context.release.clone() }
    });
    let objects = barque_render::objects(&applied.cluster, &applied.release);
    let certificates = Certificates::of(vault);
    let (bootstrap, dns) = (named(&objects.bootstrap, &certificates), named(&objects.dns, &certificates));
    let masters = masters(&context.cluster, vault)?;
    // What add-ons came to is asked of the masters: a folder of the user's own may have changed since.
    // CoreDNS's certificate is known as an add-on's, so that it can go, and compared as one of CoreDNS's.
    let is_of_dns = |object: &&ClusterObject| dns.iter().any(|known| known.name == object.name);
    let of_addons: Vec<ClusterObject> =
        crate::addons::ledger(context, sessions).await?.objects().filter(|object| !is_of_dns(object)).cloned().collect();
    let all: Vec<&ClusterObject> = bootstrap.iter().chain(&dns).chain(&of_addons).collect();
    let facts = cluster_facts(sessions, &masters, &all, &certificates).await;
    if facts.nodes.is_empty() && facts.objects.is_empty() {
        report.notes.push("cluster objects and nodes were not compared: no API server answers (`barque status` says more)".to_owned());
        return Ok(());
    }
    let differing = |object: &ClusterObject| facts.objects.get(&object.name).copied().filter(|state| *state != ObjectDifference::Same);
    let found: Vec<(ClusterObject, ObjectDifference)> =
        bootstrap.into_iter().chain(dns).chain(of_addons).filter_map(|object| differing(&object).map(|state| (object, state))).collect();
    let texts: Vec<String> = found.iter().map(|(object, _)| object.json.clone()).collect();
    let live = live_objects(sessions, &masters, &texts).await;
    report.objects = found
        .into_iter()
        .map(|(object, state)| {
            let content = live.get(&object.json).and_then(|live| object_edit(&object.json, live));
            ObjectDrift { name: object.name, state, content }
        })
        .collect();
    let nodes = applied.cluster.hosts.iter().filter(|host| host.is_node());
    report.nodes = nodes.filter_map(|host| node_drift(host, &barque_plan::node_labels(host), &facts.nodes)).collect();
    Ok(())
}
