//! Units back to what they were: ended, or running with their former settings.

use std::time::{Duration, Instant};

use barque_plan::{Observed, Prior, Unit, UnitState};
use fs_err as fs;

use crate::command::Command;
use crate::context::HostContext;
use crate::error::HostError;
use crate::systemd::{reload_if_needed, show};
use crate::unit;

/// Stopping kubelet or etcd takes seconds; a unit that hangs is killed by systemd after 90 s.
const STOP_TIMEOUT: Duration = Duration::from_mins(2);
/// Calls that change no process.
const SHORT: Duration = Duration::from_secs(30);

/// Says why a unit is not as `prior` says.
pub(crate) fn differs(observed: &Observed, prior: &Prior) -> Option<String> {
    let Observed::Unit(now) = observed else { return None };
    match prior {
        Prior::Unit { state } if state.is_active() => {
            if !now.is_active() {
                return Some(format!("it is {}", now.active));
            }
            (now.fingerprint != state.fingerprint).then(|| "it runs with other settings".to_owned())
        }
        // Links of a unit that is gone say nothing.
        _ if now.is_active() || now.active == "activating" => Some(format!("it is {}", now.active)),
        Prior::Unit { state } if now.loaded && now.enabled && !state.enabled => Some("it is enabled at boot".to_owned()),
        Prior::Absent if now.loaded && now.enabled => Some("it is enabled at boot".to_owned()),
        _ => None,
    }
}

/// Brings a unit back.
pub(crate) async fn restore(context: &HostContext, wanted: &Unit, prior: &Prior) -> Result<Vec<String>, HostError> {
    match prior {
        Prior::Unit { state } if state.is_active() => restart(context, wanted, state).await,
        Prior::Unit { state } => end(context, wanted, state.enabled && state.loaded).await,
        _ => end(context, wanted, false).await,
    }
}

async fn restart(context: &HostContext, wanted: &Unit, state: &UnitState) -> Result<Vec<String>, HostError> {
    let deadline = Instant::now() + Duration::from_secs(wanted.start_timeout_seconds.into());
    let before = unit::one(wanted).await?;
    reload_if_needed(context, before.needs_reload || !before.loaded).await?;
    if before.active == "failed" {
        unit::systemctl("reset-failed", &[], wanted, SHORT).await?;
    }
    let job = unit::systemctl("restart", &[], wanted, unit::remaining(deadline)).await.err();
    unit::wait_active(wanted, "restart", deadline, job).await?;
    if !state.enabled {
        unit::systemctl("disable", &["--no-reload"], wanted, SHORT).await?;
    }
    match state.fingerprint {
        Some(fingerprint) => unit::record(context, wanted, fingerprint)?,
        None => forget(context, wanted)?,
    }
    Ok(Vec::new())
}

async fn end(context: &HostContext, wanted: &Unit, stays_enabled: bool) -> Result<Vec<String>, HostError> {
    let shown = show(&[wanted.name.as_str()]).await?.pop().unwrap_or_default();
    if shown.loaded {
        if !stays_enabled {
            unit::systemctl("disable", &["--no-reload"], wanted, SHORT).await?;
        }
        if let Err(error) = Command::new("systemctl", ["stop", "--", wanted.name.as_str()]).timeout(STOP_TIMEOUT).run().await {
            return Err(unit::failure(wanted, format!("{} could not be stopped", wanted.name), Some(error)).await);
        }
        if shown.active == "failed" || unit::one(wanted).await?.active == "failed" {
            unit::systemctl("reset-failed", &[], wanted, SHORT).await?;
        }
    }
    forget(context, wanted)?;
    // Until it reads units again, systemd calls one enabled whose link is gone. One reload serves all that end at the same time.
    context.mark_units_changed();
    reload_if_needed(context, false).await?;
    Ok(Vec::new())
}

fn forget(context: &HostContext, wanted: &Unit) -> Result<(), HostError> {
    match fs::remove_file(unit::record_path(context, wanted)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
