//! `barque metrics-gateway`: a unit on hosts with etcd or a balancer.

use std::path::Path;

use anyhow::Result;
use barque_event::exit;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Serves until SIGTERM.
pub(crate) fn run(configuration: &Path) -> Result<u8> {
    // One request at a time is the rule.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let stopped = stop.clone();
        tokio::spawn(async move {
            terminate.recv().await;
            stopped.cancel();
        });
        barque_gateway::serve(configuration, stop).await?;
        anyhow::Ok(())
    })?;
    Ok(exit::DONE)
}
