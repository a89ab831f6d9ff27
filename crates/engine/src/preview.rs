//! What `plan` shows: everything that `up` would do, without a secret in it.

use barque_model::{ClusterName, HostName, RunId};
use barque_plan::{ResourceId, SavedPlan};
use serde::Serialize;

use crate::SegmentFinding;
use crate::addons::{AwaitedObject, KeptDefinition};
use crate::diff::ContentChange;
use crate::order::{Restarts, Turn, UnitChange};
use crate::up::Pending;

/// What `up` would do, and the plan itself.
#[derive(Debug, Clone)]
pub struct Planned {
    /// For people and programs.
    pub preview: Preview,
    /// For `up`, to be saved.
    pub saved: SavedPlan,
}

/// What `up` would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The cluster.
    pub cluster: ClusterName,
    /// Hosts of the cluster that answered.
    pub answering: usize,
    /// Steps that change something.
    pub changes: usize,
    /// Resources that were compared.
    pub resources: usize,
    /// Hosts with changes, in file order.
    pub hosts: Vec<HostPreview>,
    /// In which order units change over all hosts.
    pub turns: Vec<Turn>,
    /// Services that restart or reload.
    pub restarts: Restarts,
    /// Masters that leave the balance while they restart.
    pub drained: Vec<HostName>,
    /// The host on which etcd's data is copied before the control plane changes.
    pub snapshot: Option<HostName>,
    /// Cluster objects to apply, in this order.
    pub objects: Vec<ObjectPreview>,
    /// Objects of add-ons that are deleted, in this order, `Kind namespace/name`.
    pub removed_objects: Vec<String>,
    /// Nodes whose labels or taints are set.
    pub nodes: Vec<NodePreview>,
    /// What somebody changed on the hosts, and is left as it is.
    pub held: Vec<HeldPreview>,
    /// Cluster objects that somebody changed, and are left as they are.
    pub held_objects: Vec<ObjectPreview>,
    /// What pods of add-ons wait for, and is not there.
    pub awaited: Vec<AwaitedObject>,
    /// Definitions that no add-on wants any more, and that stay.
    pub kept: Vec<KeptDefinition>,
    /// Hosts that do not answer; a later run catches them up.
    pub pending: Vec<Pending>,
    /// Why `up` would refuse the plan.
    pub refusal: Option<String>,
    /// What on the balancers' network segment makes `up` refuse it too.
    pub obstacles: Vec<SegmentFinding>,
    /// The limits asked for.
    pub limits: Vec<String>,
    /// Changes that the limits left out.
    pub left_out: Vec<OtherStep>,
    /// Changes outside of the limits that those within them need.
    pub pulled_in: Vec<OtherStep>,
    /// Observations between and after the changes.
    pub gates: usize,
    /// Bytes on the wire to all hosts.
    pub bytes_to_send: u64,
}

impl Preview {
    /// Whether `up` would change something, or leaves something as somebody else made it.
    pub const fn is_pending(&self) -> bool {
        self.changes > 0 || !self.held.is_empty() || !self.held_objects.is_empty()
    }
}

/// What would change on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostPreview {
    /// The host.
    pub host: HostName,
    /// Files.
    pub files: Vec<FilePreview>,
    /// Programs.
    pub binaries: Vec<VersionChange>,
    /// Images.
    pub images: Vec<VersionChange>,
    /// Packages to install.
    pub packages: Vec<PackagePreview>,
    /// Directories, users, kernel parameters and lines of `/etc/hosts`.
    pub settings: Vec<SettingPreview>,
    /// Units, in the order in which they change.
    pub units: Vec<UnitChange>,
    /// What is not wanted any more.
    pub removals: Vec<RemovalPreview>,
    /// Bytes on the wire.
    pub bytes_to_send: u64,
}

impl HostPreview {
    /// A host without changes.
    pub(crate) const fn new(host: HostName) -> Self {
        Self {
            host,
            files: Vec::new(),
            binaries: Vec::new(),
            images: Vec::new(),
            packages: Vec::new(),
            settings: Vec::new(),
            units: Vec::new(),
            removals: Vec::new(),
            bytes_to_send: 0,
        }
    }

    /// Whether nothing would change.
    pub const fn is_empty(&self) -> bool {
        self.files.is_empty()
            && self.binaries.is_empty()
            && self.images.is_empty()
            && self.packages.is_empty()
            && self.settings.is_empty()
            && self.units.is_empty()
            && self.removals.is_empty()
    }
}

/// A file that is made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FilePreview {
    /// Its path.
    pub path: String,
    /// Whether nothing is there yet.
    pub is_new: bool,
    /// Changes of mode and owner, such as `mode 0644 -> 0600`; other reasons too.
    pub attributes: Vec<String>,
    /// What becomes of its content; `None` when that stays.
    pub content: Option<ContentChange>,
}

/// A program or an image of another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionChange {
    /// Path of the program, or reference of the image.
    pub name: String,
    /// The version there now, or the beginning of its digest; `None` when nothing is there.
    pub from: Option<String>,
    /// The version wanted.
    pub to: String,
    /// Why, a short phrase each.
    pub reasons: Vec<String>,
}

/// A package to install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackagePreview {
    /// Its name.
    pub name: String,
    /// The archives that come with it, `name version`.
    pub archives: Vec<String>,
}

/// A directory, user, kernel parameter or line of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingPreview {
    /// Which.
    pub resource: ResourceId,
    /// What it becomes, such as `= 1` for a kernel parameter; empty when its name says all.
    pub becomes: String,
    /// Why, a short phrase each.
    pub reasons: Vec<String>,
}

/// A resource that goes back to what it was before barque came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovalPreview {
    /// Which.
    pub resource: ResourceId,
    /// Whether something that was there before barque is put back, as opposed to plain removal.
    pub puts_back: bool,
    /// What becomes of a file's content that is put back.
    pub content: Option<ContentChange>,
}

/// A cluster object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectPreview {
    /// `Kind namespace/name`.
    pub name: String,
    /// How it changes; `None` when the fields that barque sets are equal, or the live object could not be read.
    pub content: Option<ContentChange>,
}

/// A node whose labels or taints are set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePreview {
    /// The node.
    pub node: HostName,
    /// Labels to set, `key=value`, with the former value in brackets when there is one.
    pub labels: Vec<String>,
    /// Taints to set, `key=value:effect`.
    pub taints: Vec<String>,
}

/// What somebody changed, and is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldPreview {
    /// The host.
    pub host: HostName,
    /// The resource.
    pub resource: ResourceId,
    /// The run that last wrote it.
    pub run: RunId,
    /// What differs from what is wanted, a short phrase each.
    pub reasons: Vec<String>,
    /// From what barque would write to what is there.
    pub content: Option<ContentChange>,
}

/// A step that is in the plan because of a limit, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherStep {
    /// Its host; `None` for the cluster as a whole.
    pub host: Option<HostName>,
    /// Its title.
    pub title: String,
}
