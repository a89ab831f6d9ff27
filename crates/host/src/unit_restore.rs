//! Units back to what they were: ended, or running with their former settings.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use barque_event::Failure;
use barque_plan::{Observed, OnChange, Prior, Unit, UnitState};
use fs_err as fs;
use rustix::time::{ClockId, clock_gettime};

use crate::command::Command;
use crate::context::HostContext;
use crate::error::HostError;
use crate::replace::sync_parent;
use crate::systemd::{Shown, reload_if_needed};
use crate::unit;

/// Stopping kubelet or etcd takes seconds; a unit that hangs is killed by systemd after 90 s.
const STOP_TIMEOUT: Duration = Duration::from_mins(2);
/// Calls that change no process.
const SHORT: Duration = Duration::from_secs(30);

/// Says why a unit is not as `prior` says.
pub(crate) fn differs(observed: &Observed, prior: &Prior) -> Option<String> {
    let Observed::Unit(now) = observed else { return None };
    let enabled = starts_at_boot(prior);
    if let Prior::Unit { state } = prior
        && state.is_active()
    {
        if !now.is_active() {
            return Some(format!("it is {}", now.active));
        }
        if now.fingerprint != state.fingerprint {
            return Some("it runs with other settings".to_owned());
        }
    } else if now.is_active() || now.active == "activating" {
        return Some(format!("it is {}", now.active));
    } else if !now.loaded && (enabled || !now.enabled) {
        // A unit that is gone cannot be enabled; a link to it that is left can go.
        return None;
    }
    match (now.enabled, enabled) {
        (true, false) => Some("it is enabled at boot".to_owned()),
        (false, true) => Some("it is not enabled at boot".to_owned()),
        _ => None,
    }
}

/// Whether the unit was there and started at boot.
const fn starts_at_boot(prior: &Prior) -> bool {
    match prior {
        Prior::Unit { state } => state.enabled && state.loaded,
        _ => false,
    }
}

/// Brings a unit back. Its files are as they were already, or go when it has ended.
pub(crate) async fn restore(context: &HostContext, wanted: &Unit, prior: &Prior) -> Result<Vec<String>, HostError> {
    let restored = match prior {
        Prior::Unit { state } if state.is_active() => run_again(context, wanted, state).await,
        _ => end(context, wanted, starts_at_boot(prior)).await,
    };
    restored.map(|()| Vec::new()).map_err(|error| match error {
        HostError::Failed(failure) => HostError::Failed(Box::new(Failure {
            hint: Some(format!("look at `journalctl -u {} -n 100` on the host, then run the same command again", wanted.name)),
            ..*failure
        })),
        other => other,
    })
}

/// Runs the unit with its former settings.
async fn run_again(context: &HostContext, wanted: &Unit, state: &UnitState) -> Result<(), HostError> {
    let deadline = Instant::now() + Duration::from_secs(wanted.start_timeout_seconds.into());
    let before = unit::one(wanted).await?;
    let reloads = may_reload(context, wanted, &before, state);
    reload_if_needed(context, before.needs_reload || !before.loaded).await?;
    if enable(context, wanted, state.enabled && state.loaded).await? {
        // As at its end.
        context.mark_units_changed();
        reload_if_needed(context, false).await?;
    }
    // Only its start at boot may differ.
    if !before.is_active() || unit::recorded(context, wanted) != state.fingerprint {
        if before.active == "failed" {
            unit::systemctl("reset-failed", &[], wanted, SHORT).await?;
        }
        let verb = if reloads { "reload" } else { "restart" };
        let job = unit::systemctl(verb, &[], wanted, unit::remaining(deadline)).await;
        match job {
            Err(error) if reloads => return Err(unit::failure(wanted, error.to_string(), Some(error)).await),
            job => unit::wait_active(wanted, verb, deadline, job.err()).await?,
        }
    }
    match state.fingerprint {
        Some(fingerprint) => unit::record(context, wanted, fingerprint),
        None => forget(context, wanted),
    }
}

/// Whether the running unit can take up its former settings without dropping connections: a reload reads the configuration again and
/// nothing else, so nothing of the unit itself may have been written since it started.
fn may_reload(context: &HostContext, wanted: &Unit, now: &Shown, state: &UnitState) -> bool {
    let directory = context.path("/etc/systemd/system");
    let (file, drop_ins) = (directory.join(&wanted.name), directory.join(format!("{}.d", wanted.name)));
    let inside = std::fs::read_dir(&drop_ins).into_iter().flatten().flatten().map(|entry| entry.path());
    let uptime = since(now.active_since);
    let untouched = |path: &Path| fs::symlink_metadata(path).map_or(true, |metadata| age(&metadata) > uptime);
    wanted.on_change == OnChange::Reload
        && state.fingerprint.is_some()
        && now.is_active()
        && !now.needs_reload
        && [file, drop_ins].into_iter().chain(inside).all(|path| untouched(&path))
}

/// Time since a moment of the monotonic clock, in microseconds since boot.
fn since(micros: u64) -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), u32::try_from(now.tv_nsec).unwrap_or_default());
    now.saturating_sub(Duration::from_micros(micros))
}

/// Time since a file, or what is in a folder, was last changed in any way.
fn age(metadata: &std::fs::Metadata) -> Duration {
    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, u32::try_from(metadata.ctime_nsec()).unwrap_or_default());
    SystemTime::now().duration_since(changed).unwrap_or_default()
}

/// Stops the unit, so that it is neither running nor failed, and forgets that barque ever started it.
async fn end(context: &HostContext, wanted: &Unit, stays_enabled: bool) -> Result<(), HostError> {
    let shown = unit::one(wanted).await?;
    enable(context, wanted, stays_enabled).await?;
    if shown.loaded || shown.is_active() {
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
    reload_if_needed(context, false).await
}

/// Lets the unit start at boot, or not, and says whether that was a change. Of one that is gone only a link can be left.
async fn enable(context: &HostContext, wanted: &Unit, enabled: bool) -> Result<bool, HostError> {
    let shown = unit::one(wanted).await?;
    if (shown.enabled || unit::is_wanted(context, &wanted.name)) == enabled {
        return Ok(false);
    }
    let link = unit::wanted_link(context, &wanted.name);
    if shown.loaded {
        let verb = if enabled { "enable" } else { "disable" };
        let done = unit::systemctl(verb, &["--no-reload"], wanted, SHORT).await;
        // systemd may know a unit still whose file is gone, and then finds nothing to disable.
        if done.is_ok() || enabled || !link.is_symlink() {
            done?;
            return Ok(true);
        }
    }
    if !enabled && link.is_symlink() {
        fs::remove_file(&link)?;
        sync_parent(&link)?;
        return Ok(true);
    }
    Ok(false)
}

fn forget(context: &HostContext, wanted: &Unit) -> Result<(), HostError> {
    let record = unit::record_path(context, wanted);
    match fs::remove_file(&record) {
        Ok(()) => sync_parent(&record),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::Digest;

    use super::*;

    fn state(active: &str, enabled: bool, fingerprint: Option<&[u8]>) -> UnitState {
        UnitState {
            loaded: true,
            enabled,
            active: active.to_owned(),
            sub: String::new(),
            fingerprint: fingerprint.map(Digest::of),
            restarts: 0,
            active_since: 0,
        }
    }

    fn why(now: UnitState, prior: UnitState) -> Option<String> {
        differs(&Observed::Unit(now), &Prior::Unit { state: prior })
    }

    #[test]
    fn a_unit_that_ran_must_run_as_it_did() {
        let ran = || state("active", true, Some(b"old"));
        assert_eq!(why(ran(), ran()), None);
        assert_eq!(why(state("active", true, Some(b"new")), ran()).unwrap(), "it runs with other settings");
        assert_eq!(why(state("active", true, Some(b"new")), state("active", true, None)).unwrap(), "it runs with other settings");
        assert_eq!(why(state("failed", true, Some(b"old")), ran()).unwrap(), "it is failed");
        assert_eq!(why(state("active", false, Some(b"old")), ran()).unwrap(), "it is not enabled at boot");
        assert_eq!(why(ran(), state("active", false, Some(b"old"))).unwrap(), "it is enabled at boot");
    }

    #[test]
    fn a_unit_that_did_not_run_must_not_run() {
        let absent = |now: UnitState| differs(&Observed::Unit(now), &Prior::Absent);
        assert_eq!(absent(state("active", false, None)).unwrap(), "it is active");
        assert_eq!(absent(state("activating", false, None)).unwrap(), "it is activating");
        assert_eq!(absent(state("inactive", true, None)).unwrap(), "it is enabled at boot");
        assert_eq!(absent(state("inactive", false, None)), None);
        assert_eq!(why(state("inactive", false, None), state("failed", true, None)).unwrap(), "it is not enabled at boot");
        assert_eq!(why(state("inactive", true, None), state("inactive", true, None)), None);
    }

    #[test]
    fn a_unit_that_is_gone_is_done_but_for_a_link_that_is_left() {
        let gone = |enabled| UnitState { loaded: false, ..state("inactive", enabled, None) };
        assert_eq!(differs(&Observed::Unit(gone(false)), &Prior::Absent), None);
        assert_eq!(why(gone(false), state("inactive", true, None)), None);
        assert_eq!(differs(&Observed::Unit(gone(true)), &Prior::Absent).unwrap(), "it is enabled at boot");
        assert_eq!(why(gone(true), gone(true)).unwrap(), "it is enabled at boot", "a link that leads nowhere starts nothing");
    }

    #[test]
    fn only_untouched_units_are_reloaded() {
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        let wanted = Unit {
            name: "haproxy.service".into(),
            fingerprint: Digest::of(b"new"),
            on_change: OnChange::Reload,
            start_timeout_seconds: 1,
            restart_limit: 1,
        };
        let clock = clock_gettime(ClockId::Monotonic);
        let now = u64::try_from(clock.tv_sec).unwrap() * 1_000_000;
        let shown = |active_since| Shown { active: "active".into(), active_since, loaded: true, ..Shown::default() };
        let before = state("active", true, Some(b"old"));
        assert!(may_reload(&context, &wanted, &shown(now), &before));
        assert!(!may_reload(&context, &wanted, &shown(now), &state("active", true, None)), "who knows what it runs with");
        assert!(!may_reload(&context, &Unit { on_change: OnChange::Restart, ..wanted.clone() }, &shown(now), &before));
        let drop_in = root.path().join("etc/systemd/system/haproxy.service.d");
        fs::create_dir_all(&drop_in).unwrap();
        fs::write(drop_in.join("10-barque.conf"), "[Service]\n").unwrap();
        assert!(may_reload(&context, &wanted, &shown(now + 60_000_000), &before), "it started after the drop-in was written");
        let stale = Shown { needs_reload: true, ..shown(now + 60_000_000) };
        assert!(!may_reload(&context, &wanted, &stale, &before));
    }
}
