//! What every verb that changes hosts has in common.

use anyhow::Result;
use barque_event::exit;
use barque_store::LockOwner;
use tokio::sync::watch;

use crate::settings;
use crate::terminal::note;

/// This process, doing `verb`, for the locks.
pub(crate) fn owner(verb: &str) -> Result<LockOwner> {
    let user = settings::variable("USER").map_or_else(|| "unknown".to_owned(), |user| user.to_string_lossy().into_owned());
    Ok(LockOwner::current(&user, verb, jiff::Timestamp::now())?)
}

/// The first Ctrl-C lets running steps end, the second ends barque at once. `goes_on` is the command that goes on from there.
pub(crate) async fn interrupts(stop: watch::Sender<bool>, goes_on: &'static str) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    let _ = note("stopping: running steps end first; press Ctrl-C again to stop at once");
    let _ = stop.send(true);
    if tokio::signal::ctrl_c().await.is_ok() {
        let _ = note(&format!("stopped at once; {goes_on}, with `--break-lock`, goes on from here"));
        #[expect(clippy::exit, reason = "the operator asked twice; agents end by themselves when the connection closes")]
        std::process::exit(i32::from(exit::FAILED));
    }
}
