//! What client and agent say to each other. Bodies are postcard, which does not describe itself: types with `serde(tag)` travel as
//! JSON texts.

mod as_json;
mod kube;
mod peers;
mod protocol;
mod reach;
mod resource;
mod run;
mod service;
#[cfg(test)]
mod tests;

pub use kube::{KubeAnswer, KubeCall, KubeChange, KubeChangeRequest};
pub use peers::{FetchRequest, Fetched, OfferRequest, Peer};
pub(crate) use protocol::{Answer, Greeting, Reply, Request};
pub use reach::{ReachAnswer, ReachCall};
pub use resource::{Applied, ApplyRequest, OpenIntent, RestoreRequest};
pub use run::{ArmRequest, DiskUse, HostRun, HostRuns, LockAnswer, LockRequest, UndoAnswer};
pub use service::{BackendServer, EtcdMember, HaproxyCommand, SnapshotInfo};
