//! What the timer runs: takes the run back.

use std::time::Duration;

use barque_event::Failure;
use barque_host::{HostContext, prepare};
use barque_plan::{Prior, Resource, UndoItem};
use tokio::time::{Instant, sleep};

use super::switch::{Switch, failed, guard};
use crate::apply::journal_failure;
use crate::ledger::{self, Ledger};
use crate::restore::restore;
use crate::session::{Session, blocking};
use crate::{LockAnswer, LockRequest, RestoreRequest};

/// How long a run that holds the host is waited for. The armed run's own agent is ended at once; no other run gets the lock meanwhile.
const LOCK_PATIENCE: Duration = Duration::from_mins(2);
/// How often the lock is tried.
const LOCK_POLL: Duration = Duration::from_secs(1);

/// Takes the run back whose switch is armed, if one is. Needs nothing but this host. When something cannot be restored, the rest is; the
/// switch then stays armed, and whoever called tries again.
pub async fn take_back(context: HostContext) -> Result<(), Failure> {
    prepare(&context)?;
    let begun = {
        let context = context.clone();
        blocking(move || begin(&context)).await??
    };
    let Some(switch) = begun else {
        barque_host::disarm_timer(&context, None).await?;
        return Ok(());
    };
    let session = Session::begin(context.clone()).map_err(journal_failure)?;
    let result = restore_all(&session, &switch).await;
    session.finish().await.map_err(journal_failure)?;
    result?;
    {
        let context = context.clone();
        blocking(move || Switch::remove(&context)).await??;
    }
    barque_host::disarm_timer(&context, Some(&switch.program)).await?;
    Ok(())
}

/// From now on nothing can be confirmed any more.
fn begin(context: &HostContext) -> Result<Option<Switch>, Failure> {
    let _guard = guard(context)?;
    let Some(switch) = Switch::read(context)? else { return Ok(None) };
    let switch = Switch { begun: true, ..switch };
    switch.write(context)?;
    Ok(Some(switch))
}

async fn restore_all(session: &Session, switch: &Switch) -> Result<(), Failure> {
    lock(session, switch).await?;
    let (run, context) = (&switch.lock.run, &session.context);
    let journal = session.journal(&switch.undo).await?;
    journal.take_back(run, &switch.reason(context.boot_id())).await.map_err(journal_failure)?;
    let items = {
        let (context, run) = (context.clone(), run.clone());
        blocking(move || Ok::<_, Failure>(Ledger::fold(&ledger::read(&context)?).undo(&run).items)).await??
    };
    let mut failures: Vec<Failure> = Vec::new();
    for item in in_order(items) {
        let request = RestoreRequest {
            run: switch.undo.clone(),
            step: format!("take back {}", item.resource.id()),
            resource: item.resource,
            prior: item.prior,
            before: run.clone(),
        };
        if let Err(failure) = restore(session, request, None).await {
            tracing::error!(step = failure.step, message = failure.message, "not taken back yet");
            failures.push(failure);
        }
    }
    match failures.len() {
        0 => Ok(()),
        1 => Err(failures.remove(0)),
        count => Err(Failure::new(format!("{count} resources could not be taken back, the first: {}", failures[0]))),
    }
}

async fn lock(session: &Session, switch: &Switch) -> Result<(), Failure> {
    // Of the same origin as the armed run: an agent that it left behind is ended.
    let request = LockRequest { run: switch.undo.clone(), break_lock: false, ..switch.lock.clone() };
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match session.lock_run(&request).await? {
            LockAnswer::Taken => return Ok(()),
            LockAnswer::Held { owner } if Instant::now() >= deadline => {
                return Err(failed(format!("another run holds the host: {owner}")));
            }
            LockAnswer::Held { .. } => sleep(LOCK_POLL).await,
        }
    }
}

/// Units that end come first, while what they read is there still; then everything else, what changed last first; and units that go on
/// with their former settings when these are back.
fn in_order(items: Vec<UndoItem>) -> Vec<UndoItem> {
    let rank = |item: &UndoItem| match (&item.resource, &item.prior) {
        (Resource::Unit(_), Prior::Unit { state }) if state.is_active() => 2,
        (Resource::Unit(_), _) => 0,
        _ => 1,
    };
    let mut items = items;
    // Stable: within a rank the order of the ledger stays.
    items.sort_by_key(rank);
    items
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::{Digest, Owner};
    use barque_plan::{File, OnChange, Unit, UnitState};

    use super::*;

    #[test]
    fn units_end_before_their_files_go_and_return_after_them() {
        let item = |resource, prior| UndoItem { resource, prior, run: "20261125T010000Z-0001".parse().unwrap() };
        let unit = |name: &str, active: &str| {
            let unit = Unit {
                name: name.into(),
                fingerprint: Digest::of(b""),
                on_change: OnChange::Restart,
                start_timeout_seconds: 1,
                restart_limit: 1,
            };
            let state = UnitState {
                loaded: true,
                enabled: true,
                active: active.into(),
                sub: String::new(),
                fingerprint: None,
                restarts: 0,
                active_since: 0,
            };
            item(Resource::Unit(unit), Prior::Unit { state })
        };
        let file = |path: &str| {
            let file = File { path: path.into(), digest: Digest::of(b""), mode: 0o600, owner: Owner::root(), sensitive: false };
            item(Resource::File(file), Prior::Absent)
        };
        let order = in_order(vec![unit("ran", "active"), file("/b"), unit("new", "inactive"), file("/a")]);
        let names: Vec<String> = order.into_iter().map(|item| item.resource.id().0).collect();
        assert_eq!(names, ["unit new", "file /b", "file /a", "unit ran"]);
    }
}
