//! What kubeasz and kubespray say of the cluster as a whole.

use super::groups::Variable;
use super::login::{Effective, first};
use super::sources::Sources;
use super::value;
use crate::labels::is_dns_name;
use crate::outline::Outline;
use crate::ports;
use crate::yaml::Content;

/// Fills in ranges, node ports, domain and names from the variables as a master has them.
pub(super) fn read(variables: &Effective<'_>, outline: &mut Outline, sources: &mut Sources) {
    let mut range = |names: &[&'static str]| {
        let (name, variable) = first(variables, names)?;
        let text = value::needed(name, variable, sources)?;
        value::range(name, text, variable.origin, sources)
    };
    outline.pods = range(&["CLUSTER_CIDR", "kube_pods_subnet"]);
    outline.services = range(&["SERVICE_CIDR", "kube_service_addresses"]);
    outline.node_prefix =
        first(variables, &["kube_network_node_prefix"]).and_then(|(name, variable)| value::number(name, variable, sources));
    if let Some((name, variable)) = first(variables, &["NODE_PORT_RANGE", "kube_apiserver_node_port_range"])
        && let Some(text) = value::needed(name, variable, sources)
    {
        match ports::range(text) {
            Ok(range) => outline.node_ports = Some(range),
            Err(fault) => {
                sources.error(variable.origin, format!("`{name}: {text}` {fault}"), "write first and last port, such as 30000-32767");
            }
        }
    }
    if let Some((name, variable)) = first(variables, &["CLUSTER_DNS_DOMAIN", "cluster_name"]) {
        outline.dns_domain = domain(name, variable, sources);
    }
    if let Some((name, variable)) = first(variables, &["supplementary_addresses_in_ssl_keys"])
        && let Content::List(items) = &variable.node.content
    {
        for item in items {
            match value::text(item) {
                Some(text) if !text.contains("{{") => outline.extra_sans.push(text.to_owned()),
                _ => sources.error(variable.origin, format!("an entry of `{name}` is not plain text"), "write names and addresses"),
            }
        }
    }
}

/// A domain; older kubeasz writes it with a dot at its end.
fn domain(name: &str, variable: &Variable, sources: &mut Sources) -> Option<String> {
    let text = value::needed(name, variable, sources)?.trim_end_matches('.');
    if is_dns_name(text) {
        return Some(text.to_owned());
    }
    let hint = "use labels of a-z, 0-9 and `-` with dots between them, such as cluster.local";
    sources.error(variable.origin, format!("`{name}` is not a DNS domain: {text}"), hint);
    None
}
