//! Clusters for tests, read from cluster files.

use std::path::Path;

use barque_model::{Cluster, Host, Version};
use barque_spec::{Known, parse};

const KNOWN: Known<'static> = Known { kubernetes: &[Version::new(1, 37, 2)] };

/// The cluster of a file under `examples/`.
pub(crate) fn example(name: &str) -> Cluster {
    read(&std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)).unwrap())
}

/// The example of seven hosts with more text under `spec`.
pub(crate) fn seven(more: &str) -> Cluster {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/ha.yaml")).unwrap();
    read(&format!("{text}\n{more}"))
}

/// The same with everything about packet filters set.
pub(crate) fn narrow() -> Cluster {
    seven(
        "
  firewall:
    backend: nftables
    operatorNetworks: [198.51.100.0/28]
    apiSources: [198.51.100.0/24, 192.0.2.0/24]
    nodePortSources: [203.0.113.0/24, 192.0.2.0/25]
    extraFlows:
      - name: node-exporter
        to: [etcd, loadBalancer, master, node]
        from: [203.0.113.9/32]
        ports: 9100
      - name: metrics-server
        to: [master, node]
        from: [master, node, pods]
        ports: 10250
      - name: game
        to: [node]
        protocol: udp
        ports: 7000-7100
",
    )
}

/// One host of `cluster`.
pub(crate) fn host<'cluster>(cluster: &'cluster Cluster, name: &str) -> &'cluster Host {
    cluster.host(&name.parse().unwrap()).unwrap()
}

pub(crate) fn read(text: &str) -> Cluster {
    match parse(text, "cluster.yaml", &KNOWN) {
        Ok(loaded) => loaded.cluster,
        Err(errors) => panic!("{errors}"),
    }
}
