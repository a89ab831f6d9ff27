//! Sockets that components open, and who else has them.

use barque_model::{Cluster, Component, FlannelBackend, Host, METRICS_GATEWAY};

use crate::evaluate::HostView;
use crate::inspection::{Listener, Process, Protocol};
use crate::{CheckId, Finding};

/// On which addresses a component listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// All.
    Any,
    /// The host's own.
    Host,
    /// 127.0.0.1.
    Loopback,
}

/// A socket of a component, or of the metrics gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Socket {
    /// The program, which is also its unit's name without `.service`.
    program: &'static str,
    protocol: Protocol,
    pub(crate) port: u16,
    reach: Reach,
}

/// The sockets of `host`, as `render` lets its components open them.
pub(crate) fn sockets(cluster: &Cluster, host: &Host) -> Vec<Socket> {
    let mut sockets = Vec::new();
    let metrics = if cluster.monitoring().is_some() { Reach::Host } else { Reach::Loopback };
    for component in Component::ALL.into_iter().filter(|component| host.runs(*component)) {
        let program = component.program();
        let mut tcp = |port, reach| sockets.push(Socket { program, protocol: Protocol::Tcp, port, reach });
        match component {
            Component::Etcd => {
                tcp(2379, Reach::Host);
                tcp(2380, Reach::Host);
                tcp(2379, Reach::Loopback);
                tcp(2381, Reach::Loopback);
            }
            Component::Haproxy => {
                if let Some(balancer) = &cluster.load_balancer {
                    tcp(balancer.port, Reach::Any);
                }
                if cluster.monitoring().is_some() {
                    tcp(8405, Reach::Loopback);
                }
            }
            Component::KubeApiserver => tcp(6443, Reach::Host),
            Component::KubeControllerManager => tcp(10257, metrics),
            Component::KubeScheduler => tcp(10259, metrics),
            Component::Kubelet => {
                tcp(10250, Reach::Host);
                tcp(10248, Reach::Loopback);
            }
            Component::KubeProxy => {
                tcp(10249, Reach::Loopback);
                tcp(10256, Reach::Loopback);
            }
            Component::Flanneld if cluster.network.flannel_backend == FlannelBackend::Vxlan => {
                sockets.push(Socket { program, protocol: Protocol::Udp, port: 8472, reach: Reach::Any });
            }
            // VRRP has no ports; containerd listens on a socket in the file system.
            Component::Keepalived | Component::Containerd | Component::Flanneld => {}
        }
    }
    if let Some(port) = cluster.metrics_gateway(host) {
        sockets.push(Socket { program: METRICS_GATEWAY, protocol: Protocol::Tcp, port, reach: Reach::Host });
    }
    sockets
}

/// Ports that another program has.
pub(crate) fn find(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    let mut reported = Vec::new();
    for socket in sockets(view.cluster, view.host) {
        let taken = |listener: &&Listener| {
            let in_the_way = match socket.reach {
                Reach::Any => true,
                Reach::Host => listener.address.is_unspecified() || listener.address == view.host.address,
                Reach::Loopback => listener.address.is_unspecified() || listener.address.is_loopback(),
            };
            (listener.protocol, listener.port) == (socket.protocol, socket.port) && in_the_way && !is_own(view, socket.program, listener)
        };
        let Some(listener) = view.inspection.listeners.iter().find(taken) else { continue };
        if reported.contains(&(socket.protocol, socket.port)) {
            continue;
        }
        reported.push((socket.protocol, socket.port));
        let port = format!("{} port {}", socket.protocol.as_str(), socket.port);
        let (holder, remedy) = match &listener.holder {
            Some(process) => (words(process), stop(process)),
            None => ("an unknown process".to_owned(), format!("see who has it with `ss -lnp 'sport = :{}'` on the host", socket.port)),
        };
        let message = format!("{port}, which {} needs, is taken by {holder} on {}", socket.program, listener.address);
        findings.push(view.finding(CheckId::PortInUse, message, remedy));
    }
}

/// Whether barque's own component has the socket, or a pod of its cluster. The kernel's own (VXLAN) has no process; on a host where barque
/// runs flannel it is flannel's.
fn is_own(view: &HostView<'_>, program: &str, listener: &Listener) -> bool {
    let managed = &view.inspection.managed;
    match &listener.holder {
        Some(process) => {
            // A package that barque installed brings a unit of the same name, which a run that was cut off may have left running.
            let packaged = |unit: &str| unit.strip_suffix(".service") == Some(program) && managed.has_package(program);
            process.unit.as_deref().is_some_and(|unit| managed.has_unit(unit) || packaged(unit))
                || (process.pod && managed.has_unit(&Component::Kubelet.unit()))
        }
        None => listener.protocol == Protocol::Udp && managed.has_unit(&Component::Flanneld.unit()),
    }
}

/// A process for people.
pub(crate) fn words(process: &Process) -> String {
    match &process.unit {
        Some(unit) => format!("{} (process {}, {unit})", process.name, process.pid),
        None => format!("{} (process {})", process.name, process.pid),
    }
}

fn stop(process: &Process) -> String {
    match process.unit.as_deref().filter(|unit| unit.ends_with(".service")) {
        Some(unit) => format!("run `systemctl disable --now {unit}` on the host, or move it to another port"),
        None => format!("end it with `kill {}` on the host, or move it to another port", process.pid),
    }
}
