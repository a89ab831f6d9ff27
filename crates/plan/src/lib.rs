//! Resources, facts, differences and the step graph. Pure: the same inputs give the same plan, byte for byte.

mod addons;
mod build;
mod desired;
mod difference;
mod facts;
mod firewall;
mod gates;
mod graph;
mod held;
mod inputs;
mod ledger;
mod limit;
mod observed;
mod own_units;
mod prior;
mod probe;
mod pulls;
mod quorum;
mod redact;
mod removal;
mod resource;
mod rolling;
mod saved;
mod step;
mod undo;

pub use addons::AddonWanted;
pub use build::{ClusterFacts, ClusterObject, HostObserved, PlanInputs, build, node_labels};
pub use desired::{
    ArtifactIndex, DesiredInputs, DesiredResource, HostDesired, MissingArtifact, OWN_PROGRAM, OWN_VERSION, desired, stage_of,
};
pub use difference::{Change, Difference, difference};
pub use facts::{DiskSpace, HostFacts, InterfaceAddress, OsRelease};
pub use firewall::{FIREWALL_FOLDER, FIREWALL_PACKAGE, FIREWALL_UNIT, FIREWALL_UNIT_FILE, FirewallInputs, firewall, is_of_firewall};
pub use held::{Held, held, held_objects};
pub use ledger::{LedgerEntry, ObjectEntry, Sweep, UndoItem};
pub use limit::{Limit, LimitError, Limited, limit};
pub use observed::{Observed, UnitState};
pub use prior::Prior;
pub use probe::Probe;
pub use quorum::{MemberHealth, QuorumRefusal, interrupts_etcd, keeps_quorum};
pub use redact::without_contents;
pub use resource::{
    Archive, Binary, Blob, Directory, File, HostsLine, Image, OnChange, Package, PackageForm, Resource, ResourceId, Sysctl, Unit, User,
};
pub use saved::{Moved, SAVED_FORMAT, SavedPlan, SavedPlanError, moved, observation_digest};
pub use step::{Action, ClusterGate, KubeUndo, PLAN_FORMAT, Plan, Step, StepId};
pub use undo::{UndoInputs, irreversible, undo};
