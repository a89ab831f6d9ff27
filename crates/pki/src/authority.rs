//! The three certificate authorities.

use std::fmt;

/// A certificate authority of the cluster. They are separate so that a client of one cannot pass for a client of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authority {
    /// Signs the API server's certificate and every client of it.
    Kubernetes,
    /// Signs etcd's members and their clients (CIS 2.7 wants it to be unlike the others).
    Etcd,
    /// Signs the identity with which the API server calls extension API servers.
    FrontProxy,
}

impl Authority {
    /// Every authority.
    pub const ALL: [Self; 3] = [Self::Kubernetes, Self::Etcd, Self::FrontProxy];

    /// Its name in reports, which is its file's path under `/etc/kubernetes/pki` without the extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "ca",
            Self::Etcd => "etcd/ca",
            Self::FrontProxy => "front-proxy-ca",
        }
    }

    /// The common name of its certificate.
    pub const fn common_name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes-ca",
            Self::Etcd => "etcd-ca",
            Self::FrontProxy => "kubernetes-front-proxy-ca",
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
