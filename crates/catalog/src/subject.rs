//! Whose settings the catalog explains.

use std::fmt;

use barque_model::Component;
use serde::{Serialize, Serializer};

/// A program, or a part of a host, that barque configures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A long-running program.
    Component(Component),
    /// The CNI configuration of nodes.
    Cni,
    /// CoreDNS, which runs as pods.
    Coredns,
    /// Kernel parameters.
    Kernel,
    /// systemd units and the journal.
    Systemd,
}

impl Subject {
    /// Every subject, components first.
    pub const ALL: [Self; 14] = [
        Self::Component(Component::Etcd),
        Self::Component(Component::Haproxy),
        Self::Component(Component::Keepalived),
        Self::Component(Component::KubeApiserver),
        Self::Component(Component::KubeControllerManager),
        Self::Component(Component::KubeScheduler),
        Self::Component(Component::Containerd),
        Self::Component(Component::Kubelet),
        Self::Component(Component::KubeProxy),
        Self::Component(Component::Flanneld),
        Self::Cni,
        Self::Coredns,
        Self::Kernel,
        Self::Systemd,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Component(component) => component.program(),
            Self::Cni => "cni",
            Self::Coredns => "coredns",
            Self::Kernel => "kernel",
            Self::Systemd => "systemd",
        }
    }

    /// The subject that people call `name`.
    pub fn find(name: &str) -> Option<Self> {
        let name = match name.to_ascii_lowercase().as_str() {
            "apiserver" | "kubeapiserver" => "kube-apiserver".to_owned(),
            "controller-manager" | "kubecontrollermanager" => "kube-controller-manager".to_owned(),
            "scheduler" | "kubescheduler" => "kube-scheduler".to_owned(),
            "proxy" | "kubeproxy" => "kube-proxy".to_owned(),
            "flannel" => "flanneld".to_owned(),
            "sysctl" => "kernel".to_owned(),
            "dns" => "coredns".to_owned(),
            other => other.to_owned(),
        };
        Self::ALL.into_iter().find(|subject| subject.name() == name)
    }

    /// The program, where it is one.
    pub const fn component(self) -> Option<Component> {
        match self {
            Self::Component(component) => Some(component),
            Self::Cni | Self::Coredns | Self::Kernel | Self::Systemd => None,
        }
    }

    /// Whether its version is that of Kubernetes.
    pub const fn is_kubernetes(self) -> bool {
        matches!(
            self,
            Self::Component(
                Component::KubeApiserver
                    | Component::KubeControllerManager
                    | Component::KubeScheduler
                    | Component::Kubelet
                    | Component::KubeProxy
            )
        )
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_is_a_subject_and_found_by_its_name() {
        for component in Component::ALL {
            assert_eq!(Subject::find(component.program()), Some(Subject::Component(component)));
        }
        assert_eq!(Subject::find("Flannel"), Some(Subject::Component(Component::Flanneld)));
        assert_eq!(Subject::find("nginx"), None);
    }
}
