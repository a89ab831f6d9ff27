//! One resource brought back: journal the intent, restore, verify, journal the outcome.

use std::time::Duration;

use barque_event::Failure;
use barque_host::{HostContext, capture_prior};
use barque_model::RunId;
use barque_plan::{Difference, Directory, Observed, Prior, Resource, difference};
use tokio::time::{Instant, sleep};

use crate::apply::{Death, journal_failure};
use crate::journal::Ending;
use crate::session::{Session, blocking};
use crate::{Applied, RestoreRequest};

/// How often a unit on its way is looked at.
const POLL: Duration = Duration::from_millis(250);

/// Brings a resource back to what it was. What is so already is noted in the journal all the same: the resource counts as restored.
pub(crate) async fn restore(session: &Session, request: RestoreRequest, death: Option<Death>) -> Result<Applied, Failure> {
    let step = request.step.clone();
    let restored = restore_inner(session, request, death).await;
    restored.map_err(|failure| if failure.step.is_empty() { Failure { step, ..failure } } else { failure })
}

async fn restore_inner(session: &Session, request: RestoreRequest, death: Option<Death>) -> Result<Applied, Failure> {
    let RestoreRequest { run, step, resource, prior: target, before } = request;
    let (context, id) = (&session.context, resource.id());
    let _unpruned = session.changing().await;
    let _alone = session.lock(&id).await;
    let observed = barque_host::observe(context, &resource).await?;
    let missing = missing(context, &resource, &target, &observed).await?;
    let differs = missing.is_some() || barque_host::restored(context, &resource, &target).await?.is_some();
    let present = {
        let (context, resource) = (context.clone(), resource.clone());
        blocking(move || capture_prior(&context, &resource, &observed)).await??
    };
    let journal = session.journal(&run).await?;
    let seq = journal.restore(&step, &resource, target.clone(), present, &before).await.map_err(journal_failure)?;
    if death == Some(Death::AfterIntent) {
        return Err(Failure::new("died after the intent"));
    }
    let result = if differs { bring_back(context, &resource, &target, missing, &run).await } else { Ok(Applied::default()) };
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

/// What a rollback that is taken back had removed and has to be made again before it can be as it was: users, packages and the like, of
/// which no copy is kept. Files, links, units and parameters are brought back as they are.
async fn missing(
    context: &HostContext,
    resource: &Resource,
    target: &Prior,
    observed: &Observed,
) -> Result<Option<(Resource, Difference)>, Failure> {
    let former = match (resource, target) {
        (Resource::Directory(directory), Prior::Directory { mode, owner }) => {
            Resource::Directory(Directory { path: directory.path.clone(), mode: *mode, owner: owner.clone() })
        }
        (Resource::User(_), Prior::User) => resource.clone(),
        (Resource::Package(package), Prior::Package { installed }) => {
            let was_there = |name: &str, version: &str| installed.iter().any(|(known, is)| known == name && is == version);
            if !package.archives.iter().all(|archive| was_there(&archive.name, &archive.version)) {
                return Ok(None);
            }
            resource.clone()
        }
        (Resource::Image(image), Prior::Image { digest: Some(digest) }) if *digest == image.blob.digest => resource.clone(),
        (Resource::HostsLine(line), Prior::File { digest, .. }) => {
            let (context, digest) = (context.clone(), *digest);
            let copy = blocking(move || barque_host::prior_contents(&context, &[digest])).await?.pop().flatten();
            let text = copy.map(|copy| String::from_utf8_lossy(copy.expose()).into_owned()).unwrap_or_default();
            let is_line = |text: &str| {
                let mut words = text.split_whitespace();
                words.next() == Some(&line.address) && line.names.iter().all(|name| text.split_whitespace().any(|word| word == name))
            };
            if !text.lines().any(is_line) {
                return Ok(None);
            }
            resource.clone()
        }
        _ => return Ok(None),
    };
    Ok(difference(&former, observed).map(|difference| (former, difference)))
}

async fn bring_back(
    context: &HostContext,
    resource: &Resource,
    target: &Prior,
    missing: Option<(Resource, Difference)>,
    run: &RunId,
) -> Result<Applied, Failure> {
    let mut notes = Vec::new();
    if let Some((former, difference)) = missing {
        notes.extend(barque_host::apply(context, &former, None, &difference, run).await?);
        if let Resource::HostsLine(_) = former {
            // To the host a restored file without our line would do as well.
            return made_again(context, &former, notes).await;
        }
    }
    if barque_host::restored(context, resource, target).await?.is_some() {
        notes.extend(barque_host::restore(context, resource, target, run).await?);
    }
    let patience = match resource {
        Resource::Unit(unit) => Duration::from_secs(unit.start_timeout_seconds.into()),
        _ => Duration::ZERO,
    };
    let deadline = Instant::now() + patience;
    loop {
        let Some(remains) = barque_host::restored(context, resource, target).await? else { return Ok(Applied { changed: true, notes }) };
        if Instant::now() >= deadline {
            let message = format!("{} is not as it was after it was restored: {remains}", resource.id());
            return Err(Failure::new(message).with_hint(
                "something else on the host changes it, or the change was refused; look at it, then run the same command of `barque` again",
            ));
        }
        sleep(POLL).await;
    }
}

async fn made_again(context: &HostContext, resource: &Resource, notes: Vec<String>) -> Result<Applied, Failure> {
    match difference(resource, &barque_host::observe(context, resource).await?) {
        None => Ok(Applied { changed: true, notes }),
        Some(remaining) => Err(Failure::new(format!("{} was not made again: {}", resource.id(), remaining.reasons.join(", ")))),
    }
}
