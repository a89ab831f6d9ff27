//! Requests and answers.

use std::time::Duration;

use barque_check::{InspectRequest, Inspection};
use barque_event::Failure;
use barque_model::{Digest, KubeAccess, RunId, SecretBytes};
use barque_plan::{Blob, HostFacts, LedgerEntry, ObjectEntry, Observed, Probe, Resource, Sweep};
use barque_segment::{SegmentQuestion, SegmentReport};
use serde::{Deserialize, Serialize};

use super::as_json;
use super::{
    Applied, ApplyRequest, ArmRequest, BackendServer, DiskUse, EtcdMember, FetchRequest, Fetched, HaproxyCommand, HostRuns, KubeAnswer,
    KubeCall, KubeChangeRequest, LockAnswer, LockRequest, OfferRequest, OpenIntent, Peer, ReachAnswer, ReachCall, RestoreRequest,
    SnapshotInfo, UndoAnswer,
};
use crate::Record;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Request {
    Facts,
    /// All that a check looks at.
    Inspect(InspectRequest),
    Observe(Vec<Resource>),
    Missing(Vec<Blob>),
    /// Chunks follow.
    Put {
        blob: Blob,
        compressed_size: u64,
    },
    Apply(Box<ApplyRequest>),
    Probe {
        probe: Probe,
        timeout: Duration,
        interval: Duration,
    },
    EtcdStatus {
        endpoints: Vec<String>,
    },
    Kube {
        access: KubeAccess,
        call: KubeCall,
    },
    Journal {
        unit: String,
        lines: u32,
    },
    /// Takes the host's run lock for this connection.
    Lock(LockRequest),
    /// Content of files, for diffs.
    Contents(Vec<String>),
    /// Content of prior copies.
    PriorContents(Vec<Digest>),
    Ledger,
    /// Cluster objects that the host's agent changed.
    Objects,
    /// What taking back `before` and every later run would restore.
    UndoItems {
        before: RunId,
    },
    Runs,
    RunRecords {
        run: RunId,
    },
    Restore(Box<RestoreRequest>),
    Sweep {
        run: RunId,
        #[serde(with = "as_json")]
        sweep: Sweep,
    },
    Haproxy(HaproxyCommand),
    /// Who holds addresses and who speaks VRRP.
    Segment(SegmentQuestion),
    Snapshot {
        run: RunId,
    },
    Prune {
        keep: u32,
    },
    /// Removes barque's own folder at the end of the session.
    Forget,
    /// Arms the dead-man switch.
    Arm(ArmRequest),
    /// Disarms it: a new connection has come through.
    Confirm {
        run: RunId,
        undo: RunId,
    },
    /// Lets it take the run back at once.
    Fire {
        run: RunId,
        reason: String,
    },
    KubeChange(Box<KubeChangeRequest>),
    Reach(ReachCall),
    /// Offers contents to other hosts, until the conversation ends.
    Offer(OfferRequest),
    /// Fetches a content from other hosts.
    Fetch(FetchRequest),
}

impl Request {
    /// Whether it leaves the host's files as they are. Only these are answered by an agent that may not change anything.
    pub(crate) const fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::Facts
                | Self::Inspect(_)
                | Self::Observe(_)
                | Self::Contents(_)
                | Self::Ledger
                | Self::Objects
                | Self::Reach(_)
                | Self::Segment(_)
        )
    }
}

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Facts(Box<HostFacts>),
    Inspection(Box<Inspection>),
    Observed(Vec<Observed>),
    Missing(Vec<Blob>),
    Done,
    Applied(Applied),
    EtcdStatus(Vec<EtcdMember>),
    Kube(KubeAnswer),
    Journal(Vec<String>),
    Locked(LockAnswer),
    Contents(Vec<Option<SecretBytes>>),
    Ledger(#[serde(with = "as_json")] Vec<LedgerEntry>),
    Objects(#[serde(with = "as_json")] Vec<ObjectEntry>),
    Undo(UndoAnswer),
    Runs(HostRuns),
    Records(#[serde(with = "as_json")] Vec<Record>),
    Servers(Vec<BackendServer>),
    Segment(Box<SegmentReport>),
    Snapshot(SnapshotInfo),
    Pruned(DiskUse),
    Reach(ReachAnswer),
    Offered(Peer),
    Fetched(Fetched),
}

/// The body of an answer frame.
pub(crate) type Reply = Result<Answer, Failure>;

/// The body of the greeting frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    pub(crate) open_intents: Vec<OpenIntent>,
}
