//! Asks one host's agent for everything that the plan needs to know.

use std::collections::{BTreeMap, BTreeSet};

use barque_agent::AgentClient;
use barque_plan::{HostDesired, HostObserved, LedgerEntry, Observed, Resource};

/// Observes the resources, asks which blobs are missing and what barque has applied, at the same time. What barque manages and is
/// not wanted any more is observed too.
pub(crate) async fn observe_host(agent: &AgentClient, wanted: &HostDesired) -> Result<(HostObserved, Vec<LedgerEntry>), String> {
    let resources: Vec<Resource> = wanted.resources.iter().map(|wanted| wanted.resource.clone()).collect();
    let mut blobs: Vec<_> = resources.iter().flat_map(Resource::blobs).collect();
    blobs.sort();
    blobs.dedup();
    let ids: Vec<_> = resources.iter().map(Resource::id).collect();
    let (observed, missing, ledger) = tokio::join!(agent.observe(resources), agent.missing(blobs), agent.ledger());
    let observed = observed.map_err(|error| error.to_string())?;
    let missing = missing.map_err(|error| error.to_string())?;
    let ledger = ledger.map_err(|error| error.to_string())?;
    let missing_blobs: BTreeSet<_> = missing.into_iter().map(|blob| blob.digest).collect();
    let mut resources: BTreeMap<_, Observed> = ids.into_iter().zip(observed).collect();
    let unwanted: Vec<Resource> =
        ledger.iter().filter(|entry| !resources.contains_key(&entry.id())).map(|entry| entry.resource.clone()).collect();
    if !unwanted.is_empty() {
        let ids: Vec<_> = unwanted.iter().map(Resource::id).collect();
        let seen = agent.observe(unwanted).await.map_err(|error| error.to_string())?;
        resources.extend(ids.into_iter().zip(seen));
    }
    Ok((HostObserved { resources, missing_blobs }, ledger))
}
