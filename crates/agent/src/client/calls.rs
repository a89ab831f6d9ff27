//! What can be asked of an agent.

use std::time::Duration;

use barque_check::{InspectRequest, Inspection};
use barque_model::{Digest, KubeAccess, RunId, SecretBytes};
use barque_plan::{Blob, HostFacts, LedgerEntry, ObjectEntry, Observed, Probe, Resource, Sweep};
use barque_segment::{SegmentQuestion, SegmentReport};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::AgentClient;
use crate::message::{Answer, Request};
use crate::wire::{CHUNK, Frame, FrameKind};
use crate::{
    AgentError, Applied, ApplyRequest, ArmRequest, BackendServer, DiskUse, EtcdMember, FetchRequest, Fetched, HaproxyCommand, HostRuns,
    KubeAnswer, KubeCall, KubeChangeRequest, LockAnswer, LockRequest, OfferRequest, Peer, ReachAnswer, ReachCall, Record, RestoreRequest,
    SnapshotInfo, UndoAnswer,
};

impl AgentClient {
    /// Observes the host.
    pub async fn facts(&self) -> Result<HostFacts, AgentError> {
        let Answer::Facts(facts) = self.call(&Request::Facts).await? else { return Err(AgentError::Unexpected) };
        Ok(*facts)
    }

    /// Looks at all that a check wants to know.
    pub async fn inspect(&self, request: InspectRequest) -> Result<Inspection, AgentError> {
        let Answer::Inspection(inspection) = self.call(&Request::Inspect(request)).await? else { return Err(AgentError::Unexpected) };
        Ok(*inspection)
    }

    /// Observes resources; answers in the same order.
    pub async fn observe(&self, resources: Vec<Resource>) -> Result<Vec<Observed>, AgentError> {
        let count = resources.len();
        match self.call(&Request::Observe(resources)).await? {
            Answer::Observed(observed) if observed.len() == count => Ok(observed),
            _ => Err(AgentError::Unexpected),
        }
    }

    /// Those of `blobs` that are not in the host's store.
    pub async fn missing(&self, blobs: Vec<Blob>) -> Result<Vec<Blob>, AgentError> {
        let Answer::Missing(missing) = self.call(&Request::Missing(blobs)).await? else { return Err(AgentError::Unexpected) };
        Ok(missing)
    }

    /// Sends a blob, as a zstd stream of `compressed_size` bytes. `on_progress` gets the number of compressed bytes sent so far.
    pub async fn put(
        &self,
        blob: Blob,
        mut compressed: impl AsyncRead + Unpin,
        compressed_size: u64,
        on_progress: impl Fn(u64),
    ) -> Result<(), AgentError> {
        let mut call = self.begin(&Request::Put { blob, compressed_size }).await?;
        let mut sent = 0;
        loop {
            let mut body = Vec::with_capacity(CHUNK);
            (&mut compressed).take(CHUNK as u64).read_to_end(&mut body).await.map_err(AgentError::Source)?;
            if body.is_empty() {
                break;
            }
            sent += body.len() as u64;
            self.send(Frame { kind: FrameKind::Chunk, id: call.id, body }).await?;
            on_progress(sent);
            // The agent may have failed already; the rest would be sent for nothing.
            if let Some(reply) = call.early_answer() {
                return done(&reply.map_err(|failure| AgentError::Failed(Box::new(failure)))?);
            }
        }
        self.send(Frame { kind: FrameKind::End, id: call.id, body: Vec::new() }).await?;
        done(&call.answer().await?)
    }

    /// Lets the host offer contents to other hosts until the conversation ends; answers where.
    pub async fn offer(&self, request: OfferRequest) -> Result<Peer, AgentError> {
        let Answer::Offered(peer) = self.call(&Request::Offer(request)).await? else { return Err(AgentError::Unexpected) };
        Ok(peer)
    }

    /// Lets the host fetch a content from other hosts.
    pub async fn fetch(&self, request: FetchRequest) -> Result<Fetched, AgentError> {
        let Answer::Fetched(fetched) = self.call(&Request::Fetch(request)).await? else { return Err(AgentError::Unexpected) };
        Ok(fetched)
    }

    /// Makes a resource so.
    pub async fn apply(&self, request: ApplyRequest) -> Result<Applied, AgentError> {
        let Answer::Applied(applied) = self.call(&Request::Apply(Box::new(request))).await? else { return Err(AgentError::Unexpected) };
        Ok(applied)
    }

    /// Waits until an observation holds, looking every `interval`, for `timeout` at most.
    pub async fn probe(&self, probe: Probe, timeout: Duration, interval: Duration) -> Result<(), AgentError> {
        done(&self.call(&Request::Probe { probe, timeout, interval }).await?)
    }

    /// The etcd members behind `endpoints` (client URLs), in that order. To be asked on an etcd host.
    pub async fn etcd_status(&self, endpoints: Vec<String>) -> Result<Vec<EtcdMember>, AgentError> {
        let Answer::EtcdStatus(members) = self.call(&Request::EtcdStatus { endpoints }).await? else { return Err(AgentError::Unexpected) };
        Ok(members)
    }

    /// Asks the Kubernetes API from the host.
    pub async fn kube(&self, access: KubeAccess, call: KubeCall) -> Result<KubeAnswer, AgentError> {
        let Answer::Kube(answer) = self.call(&Request::Kube { access, call }).await? else { return Err(AgentError::Unexpected) };
        Ok(answer)
    }

    /// The last `lines` lines of a unit's journal.
    pub async fn journal(&self, unit: &str, lines: u32) -> Result<Vec<String>, AgentError> {
        let Answer::Journal(lines) = self.call(&Request::Journal { unit: unit.to_owned(), lines }).await? else {
            return Err(AgentError::Unexpected);
        };
        Ok(lines)
    }

    /// Takes the host's run lock until this connection ends.
    pub async fn lock(&self, request: LockRequest) -> Result<LockAnswer, AgentError> {
        let Answer::Locked(answer) = self.call(&Request::Lock(request)).await? else { return Err(AgentError::Unexpected) };
        Ok(answer)
    }

    /// Content of regular files, in the order asked; `None` for what is no regular file or longer than 1 MiB.
    pub async fn contents(&self, paths: Vec<String>) -> Result<Vec<Option<SecretBytes>>, AgentError> {
        let Answer::Contents(contents) = self.call(&Request::Contents(paths)).await? else { return Err(AgentError::Unexpected) };
        Ok(contents)
    }

    /// Former contents that the host keeps, in the order asked; `None` for what was pruned or is longer than 1 MiB.
    pub async fn prior_contents(&self, digests: Vec<Digest>) -> Result<Vec<Option<SecretBytes>>, AgentError> {
        let Answer::Contents(contents) = self.call(&Request::PriorContents(digests)).await? else { return Err(AgentError::Unexpected) };
        Ok(contents)
    }

    /// What barque manages on the host.
    pub async fn ledger(&self) -> Result<Vec<LedgerEntry>, AgentError> {
        let Answer::Ledger(entries) = self.call(&Request::Ledger).await? else { return Err(AgentError::Unexpected) };
        Ok(entries)
    }

    /// Cluster objects that the host's agent changed, as it left them.
    pub async fn objects(&self) -> Result<Vec<ObjectEntry>, AgentError> {
        let Answer::Objects(entries) = self.call(&Request::Objects).await? else { return Err(AgentError::Unexpected) };
        Ok(entries)
    }

    /// What taking back `before` and every later run would restore.
    pub async fn undo_items(&self, before: RunId) -> Result<UndoAnswer, AgentError> {
        let Answer::Undo(answer) = self.call(&Request::UndoItems { before }).await? else { return Err(AgentError::Unexpected) };
        Ok(answer)
    }

    /// The runs that the host's journals know.
    pub async fn runs(&self) -> Result<HostRuns, AgentError> {
        let Answer::Runs(runs) = self.call(&Request::Runs).await? else { return Err(AgentError::Unexpected) };
        Ok(runs)
    }

    /// The journal of a run; empty when the host has none.
    pub async fn run_records(&self, run: RunId) -> Result<Vec<Record>, AgentError> {
        let Answer::Records(records) = self.call(&Request::RunRecords { run }).await? else { return Err(AgentError::Unexpected) };
        Ok(records)
    }

    /// Brings a resource back to what it was.
    pub async fn restore(&self, request: RestoreRequest) -> Result<Applied, AgentError> {
        let Answer::Applied(applied) = self.call(&Request::Restore(Box::new(request))).await? else { return Err(AgentError::Unexpected) };
        Ok(applied)
    }

    /// Removes what a component left behind.
    pub async fn sweep(&self, run: RunId, sweep: Sweep) -> Result<Applied, AgentError> {
        let Answer::Applied(applied) = self.call(&Request::Sweep { run, sweep }).await? else { return Err(AgentError::Unexpected) };
        Ok(applied)
    }

    /// Asks haproxy's admin socket; answers the servers as they are afterwards.
    pub async fn haproxy(&self, command: HaproxyCommand) -> Result<Vec<BackendServer>, AgentError> {
        let Answer::Servers(servers) = self.call(&Request::Haproxy(command)).await? else { return Err(AgentError::Unexpected) };
        Ok(servers)
    }

    /// Asks the network segment who holds addresses, and listens to VRRP. Needs as long as is listened.
    pub async fn segment(&self, question: SegmentQuestion) -> Result<SegmentReport, AgentError> {
        let Answer::Segment(report) = self.call(&Request::Segment(question)).await? else { return Err(AgentError::Unexpected) };
        Ok(*report)
    }

    /// Saves and verifies a snapshot of etcd's data on the host. To be asked on an etcd host.
    pub async fn snapshot(&self, run: RunId) -> Result<SnapshotInfo, AgentError> {
        let Answer::Snapshot(snapshot) = self.call(&Request::Snapshot { run }).await? else { return Err(AgentError::Unexpected) };
        Ok(snapshot)
    }

    /// Forgets all but the last `keep` runs, and what only they needed.
    pub async fn prune(&self, keep: u32) -> Result<DiskUse, AgentError> {
        let Answer::Pruned(space) = self.call(&Request::Prune { keep }).await? else { return Err(AgentError::Unexpected) };
        Ok(space)
    }

    /// Lets the agent remove barque's own folder from the host when its session ends.
    pub async fn forget(&self) -> Result<(), AgentError> {
        done(&self.call(&Request::Forget).await?)
    }

    /// Arms the dead-man switch of the host. To be asked by the run that holds the host's lock, before it changes what may cut it off.
    pub async fn arm(&self, request: ArmRequest) -> Result<(), AgentError> {
        done(&self.call(&Request::Arm(request)).await?)
    }

    /// Confirms an armed run, so that it stays. To be asked over a connection that was made after the run's changes.
    pub async fn confirm(&self, run: RunId, undo: RunId) -> Result<(), AgentError> {
        done(&self.call(&Request::Confirm { run, undo }).await?)
    }

    /// Lets the host take an armed run back at once, and ends the run's own agent. One that is not armed stays.
    pub async fn fire(&self, run: RunId, reason: String) -> Result<(), AgentError> {
        done(&self.call(&Request::Fire { run, reason }).await?)
    }

    /// Asks something for a test of the network.
    pub async fn reach(&self, call: ReachCall) -> Result<ReachAnswer, AgentError> {
        let Answer::Reach(answer) = self.call(&Request::Reach(call)).await? else { return Err(AgentError::Unexpected) };
        Ok(answer)
    }

    /// Changes something through the Kubernetes API; answers whether anything was changed.
    pub async fn kube_change(&self, request: KubeChangeRequest) -> Result<Applied, AgentError> {
        let Answer::Applied(applied) = self.call(&Request::KubeChange(Box::new(request))).await? else {
            return Err(AgentError::Unexpected);
        };
        Ok(applied)
    }
}

fn done(answer: &Answer) -> Result<(), AgentError> {
    if *answer == Answer::Done { Ok(()) } else { Err(AgentError::Unexpected) }
}
