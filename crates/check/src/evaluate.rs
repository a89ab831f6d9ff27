//! From what hosts report to what is wrong with them.

use std::collections::BTreeMap;

use barque_model::{Cluster, Host, HostName};

use crate::{CheckId, Finding, Inspection};
use crate::{access, among, disks, kernel, leftovers, network, networkd, packages, ports, swap, system};

/// Bytes that each host still has to receive, uncompressed.
pub type BytesToReceive = BTreeMap<HostName, u64>;

/// What is known of the hosts that answered.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What each host reports.
    pub inspections: &'a BTreeMap<HostName, Inspection>,
    /// How far each host's clock is ahead of the operator's, in milliseconds; empty when that was not measured.
    pub clocks: &'a BTreeMap<HostName, i64>,
    /// What each host has still to receive; `None` when no plan was made, and then it is estimated from the roles.
    pub to_receive: Option<&'a BytesToReceive>,
}

/// One host, while it is judged.
pub(crate) struct HostView<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) host: &'a Host,
    pub(crate) inspection: &'a Inspection,
    pub(crate) to_receive: Option<u64>,
}

impl HostView<'_> {
    pub(crate) fn finding(&self, id: CheckId, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding::new(id, &self.host.name, message, remedy)
    }
}

/// Every fault of every host: hosts in the order of the cluster file, and for each the worst first.
pub fn findings(inputs: &Inputs<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for host in &inputs.cluster.hosts {
        let Some(inspection) = inputs.inspections.get(&host.name) else { continue };
        let to_receive = inputs.to_receive.map(|bytes| bytes.get(&host.name).copied().unwrap_or(0));
        let view = HostView { cluster: inputs.cluster, host, inspection, to_receive };
        for find in [
            system::find,
            kernel::find,
            disks::find,
            swap::find,
            network::find,
            networkd::find,
            ports::find,
            leftovers::find,
            access::find,
            packages::find,
        ] {
            find(&view, &mut findings);
        }
    }
    among::find(inputs, &mut findings);
    in_order(inputs.cluster, findings)
}

/// Sorts findings: hosts in the order of the cluster file, the worst first, then as [`CheckId::ALL`] has them.
pub fn in_order(cluster: &Cluster, mut findings: Vec<Finding>) -> Vec<Finding> {
    let order: BTreeMap<&HostName, usize> = cluster.hosts.iter().enumerate().map(|(index, host)| (&host.name, index)).collect();
    findings.sort_by_key(|finding| (order.get(&finding.host).copied(), finding.severity, finding.id));
    findings
}
