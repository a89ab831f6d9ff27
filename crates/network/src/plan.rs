//! The plan: what the ranges give, and what is wrong with them.

use barque_model::PortRange;
use serde::Serialize;

use crate::fault::{Finding, Severity};
use crate::faults::faults;
use crate::growth::{Growth, growth};
use crate::input::NetworkInput;
use crate::mtu::{MtuPlan, mtu_plan};
use crate::pods::PodPlan;
use crate::ports::port_count;
use crate::range::Family;
use crate::services::{ServicePlan, service_plan};

/// A network plan, worked out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPlan {
    /// Pod ranges.
    pub pods: Vec<PodPlan>,
    /// kubelet's limit of pods per node.
    pub max_pods: u32,
    /// Service ranges.
    pub services: Vec<ServicePlan>,
    /// Node ports.
    pub node_ports: NodePortPlan,
    /// MTU for each family of the pod ranges.
    pub mtu: Vec<MtuPlan>,
    /// Room that is left.
    pub growth: Growth,
    /// What is wrong or worth knowing.
    pub findings: Vec<Finding>,
}

/// Node ports, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePortPlan {
    /// First port.
    pub first: u16,
    /// Last port, which belongs to the range.
    pub last: u16,
    /// How many.
    pub ports: u32,
}

impl NodePortPlan {
    /// The range.
    pub const fn range(&self) -> PortRange {
        PortRange { first: self.first, last: self.last }
    }
}

impl NetworkPlan {
    /// Whether a cluster with this plan would not work.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Works everything out. The same input gives the same plan.
pub fn work_out(input: &NetworkInput) -> NetworkPlan {
    let pods: Vec<PodPlan> = input.pods.iter().map(|pods| pods.plan(input.nodes)).collect();
    let mtu: Vec<MtuPlan> =
        input.pods.iter().map(|pods| mtu_plan(input.backend, Family::of(pods.range), input.link_mtu, input.pod_mtu)).collect();
    NetworkPlan {
        max_pods: input.max_pods,
        services: input.services.iter().copied().map(service_plan).collect(),
        node_ports: NodePortPlan { first: input.node_ports.first, last: input.node_ports.last, ports: port_count(input.node_ports) },
        growth: growth(input, &pods),
        findings: faults(input, &pods, &mtu).into_iter().map(Finding::from).collect(),
        pods,
        mtu,
    }
}
