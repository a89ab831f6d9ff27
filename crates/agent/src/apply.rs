//! One change: observe, journal the intent, change, verify, journal the outcome.

use std::time::Duration;

use barque_event::Failure;
use barque_host::capture_prior;
use barque_plan::{Change, Observed, Resource, difference};

use tokio::time::{Instant, sleep};

use crate::journal::Ending;
use crate::session::{Session, blocking};
use crate::{Applied, ApplyRequest};

/// Where a test lets the agent die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// The intent is on disk, nothing is changed.
    AfterIntent,
    /// The change is made, its outcome is not recorded.
    AfterChange,
}

/// Nothing is changed, or counts as done, that is not in the journal.
pub(crate) fn journal_failure(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the journal of the run cannot be written: {error}"))
        .with_hint("look at `df -h /var/lib/barque` on the host, then run `barque up` again")
}

/// Makes a resource so, unless it is already.
pub(crate) async fn apply(session: &Session, request: ApplyRequest, death: Option<Death>) -> Result<Applied, Failure> {
    let step = request.step.clone();
    let applied = apply_inner(session, request, death).await;
    applied.map_err(|failure| if failure.step.is_empty() { Failure { step, ..failure } } else { failure })
}

async fn apply_inner(session: &Session, request: ApplyRequest, death: Option<Death>) -> Result<Applied, Failure> {
    let ApplyRequest { run, step, resource, content, change: planned, stales } = request;
    let (context, id) = (&session.context, resource.id());
    let _unpruned = session.changing().await;
    let _alone = session.lock(&id).await;
    let before = barque_host::observe(context, &resource).await?;
    let Some(mut wanted) = difference(&resource, &before) else {
        session.close_open_intents(&id, &run, Some(&resource)).await;
        return Ok(Applied::default());
    };
    if wanted.change == Change::Reload && planned == Some(Change::Restart) {
        wanted.change = Change::Restart;
    }
    let prior = {
        let (context, resource, before) = (context.clone(), resource.clone(), before.clone());
        blocking(move || capture_prior(&context, &resource, &before)).await??
    };
    let journal = session.journal(&run).await?;
    let seq = journal.intent(&step, &resource, &wanted, prior).await.map_err(journal_failure)?;
    if death == Some(Death::AfterIntent) {
        return Err(Failure::new("died after the intent"));
    }
    for unit in &stales {
        barque_host::mark_stale(context, unit)?;
    }
    let result = change(session, &resource, &before, content.as_ref(), &wanted, &run).await;
    if death == Some(Death::AfterChange) {
        return Err(Failure::new("died after the change"));
    }
    let (ending, message) = match &result {
        Ok(applied) if applied.changed => (Ending::Changed, applied.notes.join("; ")),
        Ok(applied) => (Ending::Unchanged, applied.notes.join("; ")),
        Err(failure) => (Ending::Failed, failure.message.clone()),
    };
    journal.outcome(seq, ending, &message).map_err(journal_failure)?;
    if result.is_ok() {
        session.close_open_intents(&id, &run, None).await;
    }
    result
}

async fn change(
    session: &Session,
    resource: &Resource,
    before: &Observed,
    content: Option<&barque_model::SecretBytes>,
    wanted: &barque_plan::Difference,
    run: &barque_model::RunId,
) -> Result<Applied, Failure> {
    let notes = barque_host::apply(&session.context, resource, content, wanted, run).await?;
    let after = settled(session, resource).await?;
    let remaining = difference(resource, &after);
    // A kernel parameter that is not required may stay as it is; the note says so.
    let excused = matches!(resource, Resource::Sysctl(sysctl) if !sysctl.required) && !notes.is_empty();
    match remaining {
        Some(remaining) if !excused => {
            let message = format!("{} is not as wanted after the change: {}", resource.id(), remaining.reasons.join(", "));
            Err(Failure::new(message)
                .with_hint("something else on the host changes it, or the change was refused; look at it, then run `barque up` again"))
        }
        _ => Ok(Applied { changed: after != *before, notes }),
    }
}

/// Observes the resource; a unit that has just fallen back (one that waits for others and is started again and again) gets the rest of
/// its time to be as wanted.
async fn settled(session: &Session, resource: &Resource) -> Result<Observed, Failure> {
    let patience = match resource {
        Resource::Unit(unit) => Duration::from_secs(unit.start_timeout_seconds.into()),
        _ => Duration::ZERO,
    };
    let deadline = Instant::now() + patience;
    loop {
        let observed = barque_host::observe(&session.context, resource).await?;
        if Instant::now() >= deadline || difference(resource, &observed).is_none() {
            return Ok(observed);
        }
        sleep(Duration::from_millis(250)).await;
    }
}
