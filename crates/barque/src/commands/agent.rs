//! `barque agent`: the process on a host.

use anyhow::Result;
use barque_agent::{ServeOptions, serve};
use barque_event::exit;

/// Serves on standard input and output until the operator's side closes them.
pub(crate) fn run() -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let options = ServeOptions { build_id: crate::settings::BUILD_ID.to_owned(), ..ServeOptions::default() };
    runtime.block_on(serve(tokio::io::stdin(), tokio::io::stdout(), options))?;
    Ok(exit::DONE)
}
