//! Who is in which role.

use barque_model::{Cluster, Component, Role};
use serde::Serialize;

/// One host as `barque hosts` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostRow {
    /// Name.
    pub name: String,
    /// Address.
    pub address: String,
    /// Roles.
    pub roles: Vec<Role>,
    /// Components that run on it.
    pub components: Vec<&'static str>,
    /// `user@address:port`, with the jump host when there is one.
    pub ssh: String,
}

/// All hosts in file order.
pub fn host_rows(cluster: &Cluster) -> Vec<HostRow> {
    let rows = cluster.hosts.iter().map(|host| {
        let jump = host.ssh.jump.as_ref().map_or_else(String::new, |jump| format!(" through {}@{}:{}", jump.user, jump.address, jump.port));
        HostRow {
            name: host.name.to_string(),
            address: host.address.to_string(),
            roles: host.roles.iter().copied().collect(),
            components: Component::ALL.into_iter().filter(|component| host.runs(*component)).map(Component::program).collect(),
            ssh: format!("{}@{}:{}{jump}", host.ssh.user, host.ssh.address, host.ssh.port),
        }
    });
    rows.collect()
}
