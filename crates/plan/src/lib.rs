//! Resources, facts, differences and the step graph. Pure: the same inputs give the same plan, byte for byte.

mod build;
mod desired;
mod difference;
mod facts;
mod gates;
mod graph;
mod inputs;
mod observed;
mod preflight;
mod probe;
mod resource;
mod rolling;
mod step;

pub use build::{ClusterFacts, ClusterObject, HostObserved, PlanInputs, build};
pub use desired::{ArtifactIndex, DesiredInputs, DesiredResource, HostDesired, MissingArtifact, desired, stage_of};
pub use difference::{Change, Difference, difference};
pub use facts::{DiskSpace, HostFacts, InterfaceAddress, OsRelease};
pub use observed::{Observed, UnitState};
pub use preflight::{BytesToReceive, Finding, SUPPORTED_SYSTEMS, preflight};
pub use probe::Probe;
pub use resource::{Archive, Binary, Blob, Directory, File, HostsLine, Image, OnChange, Package, Resource, ResourceId, Sysctl, Unit, User};
pub use step::{Action, ClusterGate, PLAN_FORMAT, Plan, Step, StepId};
