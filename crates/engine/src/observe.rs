//! Asks one host's agent for everything that the plan needs to know.

use std::collections::BTreeSet;

use barque_agent::AgentClient;
use barque_plan::{HostDesired, HostObserved, Resource};

/// Observes the resources and asks which blobs are missing, at the same time.
pub(crate) async fn observe_host(agent: &AgentClient, wanted: &HostDesired) -> Result<HostObserved, String> {
    let resources: Vec<Resource> = wanted.resources.iter().map(|wanted| wanted.resource.clone()).collect();
    let mut blobs: Vec<_> = resources.iter().flat_map(Resource::blobs).collect();
    blobs.sort();
    blobs.dedup();
    let ids: Vec<_> = resources.iter().map(Resource::id).collect();
    let (observed, missing) = tokio::join!(agent.observe(resources), agent.missing(blobs));
    let observed = observed.map_err(|error| error.to_string())?;
    let missing = missing.map_err(|error| error.to_string())?;
    let missing_blobs: BTreeSet<_> = missing.into_iter().map(|blob| blob.digest).collect();
    Ok(HostObserved { resources: ids.into_iter().zip(observed).collect(), missing_blobs })
}
