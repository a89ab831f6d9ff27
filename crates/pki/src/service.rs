//! Certificates of servers that run in pods.

use std::collections::BTreeMap;

use barque_model::ServiceCertificate;
use jiff::Timestamp;

use crate::certificate::Wanted;
use crate::issue::{IssueError, Issued, issue_leaves};
use crate::{Authority, Purpose, Vault};

/// Makes the certificates of Services in `vault` those that are wanted, as [`issue`](crate::issue) does with those of hosts: keeps what is right, issues what
/// is missing, has other names or less than 30 days left, drops the rest. The Kubernetes authority signs them, which every pod knows as
/// `ca.crt` of its ServiceAccount. They are for servers, and the API server takes none of them for a
/// user's; but those that are for clients too, whose user belongs to no group and whose name no right is given to.
pub fn issue_services(mut vault: Vault, wanted: &[ServiceCertificate], now: Timestamp) -> Result<(Vault, Vec<Issued>), IssueError> {
    let wanted: BTreeMap<String, Wanted> = wanted.iter().map(|certificate| (certificate.name(), leaf_of(certificate))).collect();
    vault.certificates.retain(|name, _| wanted.contains_key(name) || !ServiceCertificate::is_name_of_one(name));
    let mut issued = Vec::new();
    issue_leaves(&mut vault, Authority::Kubernetes, &wanted, now, &mut issued)?;
    Ok((vault, issued))
}

fn leaf_of(certificate: &ServiceCertificate) -> Wanted {
    Wanted {
        authority: Authority::Kubernetes,
        common_name: certificate.common_name(),
        organization: None,
        purposes: if certificate.client { &[Purpose::Server, Purpose::Client] } else { &[Purpose::Server] },
        names: certificate.names.clone(),
    }
}
