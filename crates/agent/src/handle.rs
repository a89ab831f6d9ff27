//! What each request does.

use std::sync::Arc;

use barque_event::Failure;
use barque_host::HostContext;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::apply::apply;
use crate::ledger::{self, Ledger};
use crate::message::{Answer, FetchRequest, Fetched, OfferRequest, Peer, Reply, Request};
use crate::peers::{self, Offer};
use crate::restore::restore;
use crate::session::{Session, blocking};
use crate::store::{self, Chunk, Form};
use crate::{Applied, DiskUse, HostRuns, dead_man, etcd, haproxy, inspect, journal, kube_calls, kube_change, probe, reach, snapshot};

/// Answers a request. `chunks` are those of a blob; `token` tells that nobody waits any more.
pub(crate) async fn handle(
    session: Arc<Session>,
    request: Request,
    chunks: Option<mpsc::Receiver<Chunk>>,
    token: CancellationToken,
) -> Reply {
    let (session, context) = (&session, &session.context);
    if session.read_only && !request.only_reads() {
        return Err(Failure::new("this agent only looks, and the request may change something"));
    }
    // A change is never given up half-way.
    match request {
        Request::Apply(request) => apply(session, *request, None).await.map(Answer::Applied),
        Request::Restore(request) => restore(session, *request, None).await.map(Answer::Applied),
        Request::KubeChange(request) => kube_change::change(session, *request).await.map(Answer::Applied),
        Request::Sweep { run, sweep } => {
            let notes = barque_host::sweep(context, &sweep).await?;
            tracing::info!(%run, ?sweep, "swept");
            Ok(Answer::Applied(Applied { changed: true, notes }))
        }
        Request::Put { blob, compressed_size } => {
            let Some(chunks) = chunks else { return Err(Failure::new("a blob without chunks")) };
            let _unpruned = session.changing().await;
            let taking = context.clone();
            let taken = blocking(move || store::take(&taking, blob, Form::Compressed(compressed_size), chunks)).await?;
            taken.map_err(|error| store::failure(context, blob, error))?;
            session.note_received(blob.digest);
            Ok(Answer::Done)
        }
        Request::Fetch(request) => fetch(session, request, token).await.map(Answer::Fetched),
        Request::Prune { keep } => prune(session, keep).await.map(Answer::Pruned),
        Request::Forget => {
            session.forget();
            Ok(Answer::Done)
        }
        Request::Arm(request) => dead_man::arm(session, request).await.map(|()| Answer::Done),
        Request::Confirm { run, undo } => dead_man::confirm(session, run, undo).await.map(|()| Answer::Done),
        Request::Fire { run, reason } => dead_man::fire(session, run, reason).await.map(|()| Answer::Done),
        other => tokio::select! {
            biased;
            () = token.cancelled() => Err(Failure::new("given up because nobody waits for the answer any more")),
            reply = look(session, other) => reply,
        },
    }
}

/// Requests that may be cut short at any time: each looks or waits, or is one call that answers for itself.
async fn look(session: &Session, request: Request) -> Reply {
    let context = &session.context;
    match request {
        Request::Facts => Ok(Answer::Facts(Box::new(barque_host::facts(context).await?))),
        Request::Inspect(request) => inspect::inspect(session, &request).await.map(|seen| Answer::Inspection(Box::new(seen))),
        Request::Observe(resources) => Ok(Answer::Observed(barque_host::observe_all(context, &resources).await?)),
        Request::Missing(blobs) => {
            let context = context.clone();
            Ok(Answer::Missing(blocking(move || store::missing(&context, &blobs)).await??))
        }
        Request::Probe { probe, timeout, interval } => probe::wait(context, &probe, timeout, interval).await.map(|()| Answer::Done),
        Request::EtcdStatus { endpoints } => etcd::members(context, &endpoints).await.map(Answer::EtcdStatus),
        Request::Kube { access, call } => {
            let client = session.kube(&access).map_err(|error| Failure::new(error.to_string()))?;
            kube_calls::call(&client, call).await.map(Answer::Kube)
        }
        Request::Journal { unit, lines } => Ok(Answer::Journal(barque_host::journal_tail(&unit, lines).await)),
        Request::Lock(request) => session.lock_run(&request).await.map(Answer::Locked),
        Request::Contents(paths) => {
            let context = context.clone();
            Ok(Answer::Contents(blocking(move || barque_host::contents(&context, &paths)).await?))
        }
        Request::PriorContents(digests) => {
            let context = context.clone();
            Ok(Answer::Contents(blocking(move || barque_host::prior_contents(&context, &digests)).await?))
        }
        Request::Ledger => folded(session, |ledger, _| Ok(Answer::Ledger(ledger.entries()))).await,
        Request::Objects => folded(session, |ledger, _| Ok(Answer::Objects(ledger.objects()))).await,
        Request::UndoItems { before } => folded(session, move |ledger, _| Ok(Answer::Undo(ledger.undo(&before)))).await,
        Request::Runs => folded(session, |ledger, context| Ok(Answer::Runs(HostRuns { runs: ledger.runs(), space: space(context) }))).await,
        Request::RunRecords { run } => {
            session.flush_journals().await?;
            let directory = context.state("journal");
            let records = blocking(move || journal::read_journal(&directory, &run)).await?;
            records.map(Answer::Records).map_err(|error| Failure::new(format!("the journal of the run cannot be read: {error}")))
        }
        Request::Segment(question) => {
            let report = barque_segment::survey(&question).await;
            let report = report.map_err(|error| Failure::new(error.chain()).with_hint(error.hint()))?;
            Ok(Answer::Segment(Box::new(report)))
        }
        Request::Haproxy(command) => haproxy::command(context, command).await.map(Answer::Servers),
        Request::Snapshot { run } => snapshot::save(context, &run).await.map(Answer::Snapshot),
        Request::Reach(call) => reach::call(session, call).await.map(Answer::Reach),
        Request::Offer(request) => offer(session, &request).await.map(Answer::Offered),
        Request::Apply(_)
        | Request::Restore(_)
        | Request::KubeChange(_)
        | Request::Sweep { .. }
        | Request::Put { .. }
        | Request::Fetch(_)
        | Request::Prune { .. }
        | Request::Forget
        | Request::Arm(_)
        | Request::Confirm { .. }
        | Request::Fire { .. } => Err(Failure::new("this request changes something")),
    }
}

/// Folds the host's journals and lets `answer` look at the sum.
async fn folded(session: &Session, answer: impl FnOnce(&Ledger, &HostContext) -> Reply + Send + 'static) -> Reply {
    session.flush_journals().await?;
    let context = session.context.clone();
    blocking(move || answer(&Ledger::fold(&ledger::read(&context)?), &context)).await?
}

/// Given up when nobody waits any more, like a blob whose sender goes away.
async fn fetch(session: &Session, request: FetchRequest, token: CancellationToken) -> Result<Fetched, Failure> {
    let _unpruned = session.changing().await;
    let digest = request.blob.digest;
    let fetched = token.run_until_cancelled(peers::fetch(&session.context, request)).await;
    let fetched = fetched.unwrap_or_else(|| Err(Failure::new("given up because nobody waits for the answer any more")))?;
    if fetched.complete {
        session.note_received(digest);
    }
    Ok(fetched)
}

async fn offer(session: &Session, request: &OfferRequest) -> Result<Peer, Failure> {
    let offer = Offer::start(&session.context, request).await;
    let offer = offer.map_err(|error| Failure::new(format!("contents cannot be offered to other hosts: {error}")))?;
    let peer = offer.peer().clone();
    session.offer(Some(offer));
    Ok(peer)
}

async fn prune(session: &Arc<Session>, keep: u32) -> Result<DiskUse, Failure> {
    let _alone = session.pruning().await;
    session.flush_journals().await?;
    let session = Arc::clone(session);
    blocking(move || {
        let context = &session.context;
        let mut needed = ledger::prune(context, keep, |runs| session.close_journals(runs))?;
        needed.blobs.extend(session.received());
        barque_host::prune(context, &needed.prior, &needed.blobs)?;
        snapshot::prune(context).map_err(|error| Failure::new(format!("old snapshots of etcd cannot be removed: {error}")))?;
        Ok(space(context))
    })
    .await?
}

fn space(context: &HostContext) -> DiskUse {
    let barque_host::KeptBytes { store, prior, journals, snapshots, agents } = barque_host::disk_use(context);
    DiskUse { store, prior, journals, snapshots, agents }
}
