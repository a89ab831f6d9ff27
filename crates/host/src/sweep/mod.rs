//! What components leave behind beside their files.

mod cgroups;
mod filters;
mod mounts;
mod network;
mod paths;
mod pods;
mod routes;

use barque_event::Failure;
use barque_plan::Sweep;

use crate::context::HostContext;

pub(crate) use filters::traces as filter_traces;
pub(crate) use mounts::is_mount_point;

/// Removes what is named. Answers with notes: what could not be removed and does no harm.
pub async fn sweep(context: &HostContext, sweep: &Sweep) -> Result<Vec<String>, Failure> {
    let swept = match sweep {
        Sweep::Pods => pods::sweep(context).await,
        Sweep::Network => network::sweep(context).await,
        Sweep::Paths { paths } => {
            let (context, paths) = (context.clone(), paths.clone());
            let task = tokio::task::spawn_blocking(move || paths::sweep(&context, &paths));
            task.await.map_err(|error| Failure::new(error.to_string()))?
        }
    };
    swept.map_err(Failure::from)
}
