//! What hosts reach outside the cluster because the cluster file says so.

use barque_model::{Cluster, Component, Registry, Role};

use super::{parties, port};
use crate::flow::{Flow, FlowId, Party, Passage, Protocol};

pub(crate) fn flows(cluster: &Cluster) -> Vec<Flow> {
    let nodes = parties(cluster.hosts.iter().filter(|host| host.is_node()));
    let masters = parties(cluster.with_role(Role::Master));
    // A registry itself is in it where it has no mirror: else it is asked only for what no mirror has.
    let asked = |registry: &Registry| {
        registry.endpoints().take(registry.mirrors.len().max(1)).map(|endpoint| endpoint.url.clone()).collect::<Vec<_>>()
    };
    let servers_of_images: Vec<String> = cluster.registries.iter().flat_map(asked).collect();
    let overrides = cluster.extra_args.get(&Component::KubeApiserver).and_then(|flags| flags.get("etcd-servers-overrides"));
    // `GROUP/RESOURCE#URL;URL`, separated by commas (kube-apiserver --help).
    let servers =
        overrides.iter().flat_map(|text| text.split(',')).filter_map(|entry| entry.split_once('#')).flat_map(|(_, urls)| urls.split(';'));
    let mut flows = to_urls(&FlowId::Mirror, &nodes, servers_of_images.iter().map(String::as_str));
    flows.extend(to_urls(&FlowId::EtcdOverride, &masters, servers));
    flows
}

fn to_urls<'a>(id: &FlowId, from: &[Party], urls: impl Iterator<Item = &'a str>) -> Vec<Flow> {
    let mut targets: Vec<(String, u16)> = urls.filter_map(target).collect();
    targets.sort();
    targets.dedup();
    let flow = |(name, number)| Flow {
        id: id.clone(),
        from: from.to_vec(),
        to: vec![Party::Outside(name)],
        protocol: Protocol::Tcp,
        ports: Some(port(number)),
        passage: Passage::Network,
    };
    targets.into_iter().map(flow).collect()
}

/// Host and port of a URL.
fn target(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let default = if scheme == "http" { 80 } else { 443 };
    let (name, number) = match host.rsplit_once(':') {
        Some((name, digits)) if !digits.ends_with(']') => (name, digits.parse().ok()?),
        _ => (host, default),
    };
    (!name.is_empty()).then(|| (name.trim_matches(['[', ']']).to_owned(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_machine_and_a_port() {
        let found = |url| target(url).map(|(name, number)| format!("{name} {number}"));
        assert_eq!(found("https://mirror.example:5000/v2"), Some("mirror.example 5000".to_owned()));
        assert_eq!(found("https://user@mirror.example"), Some("mirror.example 443".to_owned()));
        assert_eq!(found("http://10.0.0.1/"), Some("10.0.0.1 80".to_owned()));
        assert_eq!(found("https://[fd00::1]"), Some("fd00::1 443".to_owned()));
        assert_eq!(found("https://[fd00::1]:8443/"), Some("fd00::1 8443".to_owned()));
        for bad in ["", "mirror.example", "https://", "https://a:b"] {
            assert_eq!(found(bad), None, "{bad}");
        }
    }
}
