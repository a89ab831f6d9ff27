//! The metrics gateway: passes a host's loopback metrics on to Prometheus, over TLS and to nobody else.
//!
//! Whoever may use etcd's other listeners can read all data of the cluster, so its metrics are on loopback; a balancer is no node, so
//! nothing of Kubernetes speaks for it. The gateway runs beside them without any privilege. Who asks brings a token of Prometheus's
//! ServiceAccount, which is verified by the cluster's public key alone: no call to the API, which may be down when metrics matter most.

mod answer;
mod error;
mod measure;
mod pass;
mod serve;
mod token;

pub use error::GatewayError;
pub use serve::serve;
