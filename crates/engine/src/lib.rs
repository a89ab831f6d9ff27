//! Runs barque's verbs: reads the cluster file, talks to every host, plans and executes. The only crate that knows all below it.

mod addons;
mod applied;
mod artifacts;
mod balance;
mod bundle_check;
mod bundle_contents;
mod certificates;
mod check;
mod context;
mod dead_man;
mod dial;
mod diff;
mod drift;
mod drift_report;
mod error;
mod events;
mod execute;
mod firewall;
mod frame;
mod history;
mod hosts;
mod images;
mod links;
mod material;
mod networks;
mod observe;
mod operator_files;
mod order;
mod plan;
mod prepare;
mod present;
mod preview;
mod preview_build;
mod rollback;
mod run_step;
mod segment;
mod sessions;
mod spread;
mod status;
mod survey;
mod transfer;
mod up;

#[cfg(test)]
mod testing;

pub use addons::{
    AddonDetail, AddonDiff, AddonHealth, AddonHealthReport, AddonRow, AddonSetting, AwaitedObject, CheckHealth, KeptDefinition,
    addon_detail, addon_diff, addon_health, addon_images, addon_rows,
};
pub use barque_plan::OWN_PROGRAM;
pub use bundle_check::Lack;
pub use bundle_contents::{Platforms, bundle_contents};
pub use check::{CheckReport, check};
pub use context::{AskPassword, Context, Options};
pub use dial::HostProblem;
pub use diff::ContentChange;
pub use drift::{Drift, DriftReport, HostDrift, NodeDrift, ObjectDrift};
pub use drift_report::drift;
pub use error::EngineError;
pub use events::{EventReader, Events};
pub use firewall::{FirewallError, FirewallReport, FirewallRequest, FirewallTest, firewall_apply, firewall_test};
pub use history::{
    ChangeResult, Former, History, HistoryError, HostChanges, HostSpace, ResourceChange, RunDetail, RunResult, RunRow, Undoable,
    changed_resources, history, planned_steps, run_detail, run_spec,
};
pub use hosts::{HostRow, host_rows};
pub use images::{ImageRow, images};
pub use networks::host_networks;
pub use order::{Restarts, Turn, UnitChange, UnitVerb};
pub use plan::plan;
pub use prepare::Wishes;
pub use preview::{
    FilePreview, HeldPreview, HostPreview, NodePreview, ObjectPreview, OtherStep, PackagePreview, Planned, Preview, RemovalPreview,
    SettingPreview, VersionChange,
};
pub use rollback::{HostUndo, RollbackError, RollbackReport, RollbackRequest, rollback};
pub use segment::{SegmentFinding, SegmentKind, SegmentLook, Unasked, segment_look};
pub use sessions::Sessions;
pub use status::{CertificateStatus, ClusterStatus, ComponentStatus, EtcdStatus, HostStatus, Listen, WatchdogStatus, status};
pub use up::{GENERATIONS, PathStep, Pending, UpReport, kubeconfig, up};
