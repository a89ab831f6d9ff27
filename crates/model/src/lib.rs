//! Domain types shared by every crate: names, versions, digests, roles and the resolved [`Cluster`].
//!
//! Nothing here does IO, and nothing here is optional that a later layer would have to guess.

mod addon;
mod check;
mod cluster;
mod component;
mod definition;
mod digest;
mod dns;
mod file;
mod firewall;
mod host;
mod ingress;
mod marker;
mod monitoring;
mod name;
mod network;
mod node;
mod portable;
mod rate;
mod registry;
mod release;
mod secret;
mod service_certificate;
mod taint;
mod version;

pub use addon::{AddonOrigin, ClusterAddon};
pub use check::{AcceptedCheck, CheckId, Severity, UnknownCheck};
pub use cluster::{Cluster, ExtraArgs, KubeProxyMode, KubeletSettings, LoadBalancer, LogRotation, Runtime, SubjectName, Vrid, VridOrigin};
pub use component::{Component, Role};
pub use definition::list_path;
pub use digest::{Digest, InvalidDigest};
pub use dns::{DnsSettings, StubDomain};
pub use file::{HostFile, Owner, RUN_MARKER};
pub use firewall::{ExtraFlow, ExtraSource, Firewall, FirewallBackend, TransportProtocol};
pub use host::{CONTROL_PLANE_TAINT, Host, JumpHost, Ssh, Sudo, TransportKind};
pub use ingress::{IngressFront, Passed};
pub use marker::{as_rendered, find_run};
pub use monitoring::{METRICS_GATEWAY, METRICS_GATEWAY_FOLDER, MetricsCaller, MetricsGateway, MetricsOfHost, Monitoring};
pub use name::{AddonName, ClusterName, HostName, InvalidName, RunId};
pub use network::{FlannelBackend, Network, PortRange};
pub use node::{ADDON_LABEL, APPLIED_ANNOTATION, DeploymentState, KubeAccess, NodeState, ObjectDifference, ObjectState};
pub use portable::{PORTABLE_FOLDER, PORTABLE_LINKS, PORTABLE_STAMP};
pub use rate::{ByteRate, InvalidByteRate};
pub use registry::{
    DEFAULT_REGISTRY, DOCKER_HUB, Registry, RegistryCapability, RegistryClient, RegistryCredentials, RegistryEndpoint, Upstream,
    upstream_address,
};
pub use release::Release;
pub use secret::SecretBytes;
pub use service_certificate::{CERTIFICATE_ANNOTATION, CERTIFICATE_DIGEST_ANNOTATION, CERTIFICATE_USES_ANNOTATION, ServiceCertificate};
pub use taint::{Taint, TaintEffect, Toleration, TolerationOperator, tolerates};
pub use version::{InvalidVersion, Version};
