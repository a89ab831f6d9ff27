//! `barque agent`: the process on a host.

use anyhow::Result;
use barque_agent::{ServeOptions, serve};
use barque_event::exit;
use barque_host::HostContext;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Takes back what nobody has confirmed. systemd starts it again when it fails.
pub(crate) fn take_back() -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(barque_agent::take_back(HostContext::new("/")))?;
    Ok(exit::DONE)
}

/// Serves on standard input and output until the operator's side closes them. The first signal lets running changes end, the second
/// ends the agent at once. With `read_only` nothing on the host is changed.
pub(crate) fn run(read_only: bool) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let options = ServeOptions {
            context: HostContext::new("/"),
            read_only,
            build_id: crate::settings::BUILD_ID.to_owned(),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
        };
        let (stop, abort) = (options.stop.clone(), options.abort.clone());
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            terminate.recv().await;
            stop.cancel();
            terminate.recv().await;
            abort.cancel();
        });
        serve(tokio::io::stdin(), tokio::io::stdout(), options).await?;
        anyhow::Ok(())
    })?;
    Ok(exit::DONE)
}
