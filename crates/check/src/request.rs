//! What a host is asked.

use std::collections::BTreeSet;

use barque_model::{Cluster, Component, Host, Role};
use serde::{Deserialize, Serialize};

use crate::ports::sockets;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What files of the host tell: before every deployment.
    Facts,
    /// What must be tried as well: DNS servers are asked, and etcd's disk is measured.
    Measured,
}

/// What a host is asked, in an inspection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectRequest {
    /// Paths whose file systems matter.
    pub paths: Vec<String>,
    /// Kernel features, by module name.
    pub features: Vec<String>,
    /// Kernel parameters, by dotted name.
    pub parameters: Vec<String>,
    /// Ports whose sockets matter.
    pub ports: BTreeSet<u16>,
    /// The directory in which writes are measured.
    pub sync_path: Option<String>,
    /// Whether DNS servers are asked, and programs run that tell what only warnings follow from.
    pub thorough: bool,
}

impl InspectRequest {
    /// What matters of `host`.
    pub fn of(cluster: &Cluster, host: &Host, depth: Depth) -> Self {
        let measured = depth == Depth::Measured;
        let sync_path = (measured && host.has(Role::Etcd)).then(|| ETCD_DATA.to_owned());
        Self {
            paths: paths(cluster, host).into_iter().map(|used| used.path).collect(),
            features: barque_render::kernel_modules(cluster, host).into_iter().map(str::to_owned).collect(),
            parameters: barque_render::sysctls(cluster, host).into_iter().map(|(key, _, _)| key).collect(),
            ports: sockets(cluster, host).into_iter().map(|socket| socket.port).collect(),
            sync_path,
            thorough: measured,
        }
    }
}

/// etcd's data directory.
pub(crate) const ETCD_DATA: &str = "/var/lib/etcd";

/// A path that barque or a component writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsedPath {
    pub(crate) path: String,
    /// Whether programs are run from it.
    pub(crate) programs: bool,
}

/// Where barque and the components of `host` write.
pub(crate) fn paths(cluster: &Cluster, host: &Host) -> Vec<UsedPath> {
    let used = |path: &str, programs| UsedPath { path: path.to_owned(), programs };
    let mut paths = vec![used("/var/lib/barque", true), used("/etc", false), used("/usr/local/bin", true)];
    if host.runs(Component::Etcd) {
        paths.push(used(ETCD_DATA, false));
    }
    if host.is_node() {
        paths.extend([used("/var/lib/kubelet", false), used(&cluster.runtime.data_directory, true), used("/opt/cni/bin", true)]);
    }
    paths
}
