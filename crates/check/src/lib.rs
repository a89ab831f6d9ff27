//! What can be wrong with hosts: findings from what each host reports. Pure: the same reports give the same findings.

mod access;
mod among;
mod disks;
mod distribution;
mod evaluate;
mod finding;
mod inspection;
mod kernel;
mod leftovers;
mod network;
mod networkd;
mod packages;
mod ports;
mod request;
mod swap;
mod system;

#[cfg(test)]
mod tests;

pub use barque_model::{AcceptedCheck, CheckId, Severity};
pub use distribution::{Standing, standing};
pub use evaluate::{BytesToReceive, Inputs, findings, in_order};
pub use finding::{AcceptedFinding, Finding, Sorted, sort};
pub use inspection::{
    Feature, FeatureState, Inspection, Link, Listener, Managed, NetworkFile, PackageManager, Parameter, Process, Protocol, ProxySetting,
    Resolver, Route, SshLimits, Swap, SwapSource, SyncLatency, System, Trace, TraceKind, Volume,
};
pub use request::{Depth, InspectRequest};
