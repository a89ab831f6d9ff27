//! barque's own log, on standard error: what is odd and no event of a run.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::Uptime;

/// Writes warnings, or what `BARQUE_LOG` asks for (such as `barque=debug`), to standard error. An agent's go to the operator's side with it.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("BARQUE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_timer(Uptime::default()).with_ansi(false).init();
}
