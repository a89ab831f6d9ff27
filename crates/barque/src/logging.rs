//! barque's own log, on standard error: what is odd and no event of a run.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::time::Uptime;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Writes warnings, or what `BARQUE_LOG` asks for (a level such as `debug`, or `barque_engine=debug,russh=info`), to standard error. An agent's
/// go to the operator's side with it.
pub(crate) fn start() {
    let wanted = std::env::var("BARQUE_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let targets = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_timer(Uptime::default()).with_ansi(false);
    tracing_subscriber::registry().with(lines.with_filter(targets)).init();
}
