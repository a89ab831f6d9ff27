//! systemd units: observed all at once, started with patience.

use std::time::{Duration, Instant};

use barque_event::Failure;
use barque_model::Digest;
use barque_plan::{Change, Difference, Observed, Unit, UnitState};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::command::{Command, CommandError};
use crate::context::HostContext;
use crate::error::HostError;
use crate::replace::{read_record, write_record};
use crate::systemd::{Shown, journal_tail, reload_if_needed, show};

/// Version of [`UnitRecord`].
const RECORD_FORMAT: u32 = 1;
/// Fingerprint of a unit whose inputs were changed after its start; no inputs have it.
const STALE: Digest = Digest::from_bytes([0; 32]);
/// How often a unit on its way up is looked at.
const POLL: Duration = Duration::from_millis(200);
/// systemd calls a simple service active before its program has done anything; one that lives for so long has read its flags.
const SETTLING: Duration = Duration::from_secs(1);
/// Lines of journal that a failure carries.
const JOURNAL_LINES: u32 = 20;

/// With which inputs barque last started a unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct UnitRecord {
    format: u32,
    fingerprint: Digest,
    /// Whether inputs were changed since: the unit does not count as up to date, and runs with the fingerprint's inputs still.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

/// Observes units, in one call of systemctl.
pub(crate) async fn observe(context: &HostContext, units: &[&Unit]) -> Result<Vec<Observed>, HostError> {
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    let shown = show(&names).await?;
    let states = units.iter().zip(shown).map(|(unit, shown)| {
        let mut state = state(shown, recorded(context, unit));
        // What systemd says is as old as its last reload.
        state.enabled |= is_wanted(context, &unit.name);
        Observed::Unit(state)
    });
    Ok(states.collect())
}

/// Whether multi-user.target wants the unit, by a link that `systemctl enable` makes.
pub(crate) fn is_wanted(context: &HostContext, unit: &str) -> bool {
    wanted_link(context, unit).is_symlink()
}

pub(crate) fn wanted_link(context: &HostContext, unit: &str) -> std::path::PathBuf {
    context.path(&format!("/etc/systemd/system/multi-user.target.wants/{unit}"))
}

/// The inputs with which barque last started the unit.
pub(crate) fn recorded(context: &HostContext, unit: &Unit) -> Option<Digest> {
    read_unit_record(context, unit).map(|record| if record.stale { STALE } else { record.fingerprint })
}

/// The fingerprint of the inputs that the unit was started with, whatever has become of them since.
pub(crate) fn started_with(context: &HostContext, unit: &Unit) -> Option<Digest> {
    read_unit_record(context, unit).map(|record| record.fingerprint)
}

fn read_unit_record(context: &HostContext, unit: &Unit) -> Option<UnitRecord> {
    read_record::<UnitRecord>(&record_path(context, unit)).filter(|record| record.format == RECORD_FORMAT)
}

/// Notes that what a unit reads at start is about to change, so that it counts as not up to date until it is restarted. A unit that barque
/// has not started is left alone.
pub fn mark_stale(context: &HostContext, unit: &str) -> Result<(), HostError> {
    let path = context.state("units").join(format!("{unit}.json"));
    match read_record::<UnitRecord>(&path) {
        Some(record) if !record.stale => write_record(context, &path, &UnitRecord { stale: true, ..record }),
        _ => Ok(()),
    }
}

pub(crate) fn record_path(context: &HostContext, unit: &Unit) -> std::path::PathBuf {
    context.state("units").join(format!("{}.json", unit.name))
}

fn state(shown: Shown, fingerprint: Option<Digest>) -> UnitState {
    UnitState {
        loaded: shown.loaded,
        enabled: shown.enabled,
        active: shown.active,
        sub: shown.sub,
        fingerprint,
        restarts: shown.restarts,
        active_since: shown.active_since,
    }
}

/// Enables the unit and starts, restarts or reloads it; records its fingerprint once it is up.
pub(crate) async fn apply(context: &HostContext, unit: &Unit, difference: &Difference) -> Result<(), HostError> {
    let deadline = Instant::now() + Duration::from_secs(unit.start_timeout_seconds.into());
    let before = one(unit).await?;
    let verb = match difference.change {
        Change::Enable => None,
        Change::Restart => Some("restart"),
        Change::Reload => Some("reload"),
        Change::Create | Change::Update | Change::Start => Some("start"),
    };
    if !before.enabled {
        // No reload for the link: systemd reads it at boot, and `observe` looks at the link itself.
        systemctl("enable", &["--no-reload"], unit, Duration::from_secs(30)).await?;
    }
    reload_if_needed(context, before.needs_reload || !before.loaded).await?;
    let Some(verb) = verb else { return Ok(()) };
    if before.active == "failed" {
        systemctl("reset-failed", &[], unit, Duration::from_secs(30)).await?;
    }
    let job = systemctl(verb, &[], unit, remaining(deadline)).await;
    let job = match job {
        Err(error) if verb == "reload" => return Err(failure(unit, error.to_string(), Some(error)).await),
        job => job.err(),
    };
    wait_active(unit, verb, deadline, job).await?;
    record(context, unit, unit.fingerprint)
}

/// Notes with which inputs the unit was started.
pub(crate) fn record(context: &HostContext, unit: &Unit, fingerprint: Digest) -> Result<(), HostError> {
    write_record(context, &record_path(context, unit), &UnitRecord { format: RECORD_FORMAT, fingerprint, stale: false })
}

pub(crate) async fn one(unit: &Unit) -> Result<Shown, HostError> {
    Ok(show(&[unit.name.as_str()]).await?.pop().unwrap_or_default())
}

pub(crate) fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1))
}

pub(crate) async fn systemctl(verb: &str, options: &[&str], unit: &Unit, timeout: Duration) -> Result<(), CommandError> {
    let arguments = std::iter::once(verb).chain(options.iter().copied()).chain(["--", unit.name.as_str()]);
    Command::new("systemctl", arguments).timeout(timeout).run().await.map(drop)
}

/// Waits until the unit is up and stays so. Its first exit is no failure when systemd starts it again by itself: flanneld and
/// kubelet end while what they wait for is not there.
pub(crate) async fn wait_active(unit: &Unit, verb: &str, deadline: Instant, mut job: Option<CommandError>) -> Result<(), HostError> {
    loop {
        let shown = one(unit).await?;
        if shown.is_active() {
            // Without a type: a timer, which runs no program itself.
            let settles = matches!(shown.kind.as_str(), "simple" | "exec" | "idle");
            if !settles {
                return Ok(());
            }
            sleep(SETTLING).await;
            let later = one(unit).await?;
            if later.is_active() && (later.active_since, later.restarts) == (shown.active_since, shown.restarts) {
                return Ok(());
            }
        } else if !shown.loaded {
            return Err(failure(unit, format!("systemd does not know {}", unit.name), job).await);
        } else if shown.restarts >= unit.restart_limit {
            let message = format!("{} ends right after its start, {} times so far: {}", unit.name, shown.restarts, shown.words());
            return Err(failure(unit, message, job).await);
        } else if shown.active == "failed" && !shown.restarts_itself {
            return Err(failure(unit, format!("{} is {} after {verb}", unit.name, shown.words()), job).await);
        } else if shown.active == "failed" && Instant::now() < deadline {
            // systemd has given up on a unit that restarts itself (its start limit); there is still time.
            systemctl("reset-failed", &[], unit, remaining(deadline)).await?;
            sleep(SETTLING).await;
            job = systemctl("start", &[], unit, remaining(deadline)).await.err().or(job);
            continue;
        }
        if Instant::now() >= deadline {
            let state = one(unit).await?.words();
            let message = format!("{} is {state}, not steadily active, {} s after {verb}", unit.name, unit.start_timeout_seconds);
            return Err(failure(unit, message, job).await);
        }
        sleep(POLL).await;
    }
}

pub(crate) async fn failure(unit: &Unit, message: String, job: Option<CommandError>) -> HostError {
    let details = job.map(Failure::from).unwrap_or_default();
    HostError::Failed(Box::new(Failure {
        message,
        unit: Some(unit.name.clone()),
        journal: journal_tail(&unit.name, JOURNAL_LINES).await,
        hint: Some(format!("look at `journalctl -u {} -n 100` on the host, then run `barque up` again", unit.name)),
        ..details
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use barque_plan::{OnChange, Prior, Resource};

    use super::*;
    use crate::capture_prior;

    #[test]
    fn a_stale_unit_remembers_what_it_was_started_with() {
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        let fingerprint = Digest::of(b"inputs");
        let unit =
            Unit { name: "x.service".into(), fingerprint, on_change: OnChange::Restart, start_timeout_seconds: 60, restart_limit: 4 };
        mark_stale(&context, &unit.name).unwrap();
        assert_eq!(recorded(&context, &unit), None, "one that barque has not started is left alone");
        record(&context, &unit, fingerprint).unwrap();
        assert_eq!(recorded(&context, &unit), Some(fingerprint));
        mark_stale(&context, &unit.name).unwrap();
        mark_stale(&context, &unit.name).unwrap();
        assert_eq!(recorded(&context, &unit), Some(STALE));
        let observed = Observed::Unit(state(Shown::default(), recorded(&context, &unit)));
        let prior = capture_prior(&context, &Resource::Unit(unit.clone()), &observed).unwrap();
        let Prior::Unit { state } = prior else { panic!("not a unit") };
        assert_eq!(state.fingerprint, Some(fingerprint), "going back is to run with these inputs again");
        record(&context, &unit, fingerprint).unwrap();
        assert_eq!(recorded(&context, &unit), Some(fingerprint));
    }
}
