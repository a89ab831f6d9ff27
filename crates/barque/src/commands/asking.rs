//! Hosts asked for their networks before there is a cluster.

use anyhow::Result;
use barque_engine::{Context, Events};
use barque_network::Occupied;

use crate::arguments::Output;
use crate::terminal::Watcher;

/// The networks of all hosts of the context's cluster file, as the hosts themselves say.
pub(super) fn occupants(context: &Context) -> Result<Vec<Occupied>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (events, reader) = Events::new();
        let watcher = tokio::spawn(Watcher::new(Output::Text, false, false).watch(reader));
        let networks = barque_engine::host_networks(context, &events).await;
        drop(events);
        watcher.await?;
        Ok(networks?)
    })
}
