//! Arguments of `network`.

use std::path::PathBuf;

use barque_model::{FlannelBackend, PortRange};
use barque_network::{parse_ports, parse_range};
use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::{AskArguments, Output};

/// Arguments of `network`.
#[derive(Debug, Clone, Args)]
pub(crate) struct NetworkArguments {
    /// The cluster file, `cluster.yaml` when not given; none is read when ranges are given as flags, unless it is named
    #[arg(short, long, env = "BARQUE_CLUSTER_FILE", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Form of the answer on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// Range of pod addresses, such as 10.244.0.0/16; or one of IPv4 and one of IPv6 with a comma between them
    #[arg(long, value_name = "RANGE", value_delimiter = ',', value_parser = range)]
    pub(crate) pod_cidr: Vec<IpNet>,
    /// Prefix length of a node's block, such as 24; or one for each pod range
    #[arg(long, value_name = "LENGTH", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=128))]
    pub(crate) node_prefix: Vec<u8>,
    /// Range of service addresses, such as 10.96.0.0/16; or one of each family
    #[arg(long, value_name = "RANGE", value_delimiter = ',', value_parser = range)]
    pub(crate) service_cidr: Vec<IpNet>,
    /// Node ports, first and last, such as 30000-32767
    #[arg(long, value_name = "PORTS", value_parser = ports)]
    pub(crate) node_ports: Option<PortRange>,
    /// How flannel carries packets between hosts
    #[arg(long, value_enum, value_name = "BACKEND")]
    pub(crate) backend: Option<Backend>,
    /// MTU of the hosts' link in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u16).range(576..))]
    pub(crate) mtu: u16,
    /// Nodes to plan for; the hosts with the roles `master` and `node` when a cluster file is read
    #[arg(long, value_name = "NUMBER")]
    pub(crate) nodes: Option<u32>,
    /// Pods that kubelet allows on a node
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_pods: Option<u32>,
    #[command(flatten)]
    pub(crate) asking: AskArguments,
    /// Draw the cluster file's hosts, ports and ranges into this SVG file
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) picture: Option<PathBuf>,
}

impl NetworkArguments {
    /// Whether a range is given as a flag, so that no cluster file is needed.
    pub(crate) fn has_ranges(&self) -> bool {
        !self.pod_cidr.is_empty() || !self.node_prefix.is_empty() || !self.service_cidr.is_empty() || self.node_ports.is_some()
    }
}

/// flannel's backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// Wrapped in UDP; over any network
    Vxlan,
    /// Plain routes; in one layer-2 segment
    HostGw,
}

impl From<Backend> for FlannelBackend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Vxlan => Self::Vxlan,
            Backend::HostGw => Self::HostGw,
        }
    }
}

fn range(text: &str) -> Result<IpNet, String> {
    parse_range(text).map_err(|error| format!("{error}; {}", error.hint()))
}

fn ports(text: &str) -> Result<PortRange, String> {
    parse_ports(text).map_err(|error| format!("it {error}; write first and last port, such as 30000-32767"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Verb};

    fn parse(words: &str) -> Result<NetworkArguments, String> {
        match Arguments::try_parse_from(words.split(' ')).map_err(|error| error.to_string())?.verb {
            Verb::Network(arguments) => Ok(*arguments),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn ranges_of_both_families() {
        let arguments = parse("barque network --pod-cidr 10.244.0.0/16,fd00::/56 --node-prefix 24,64 --service-cidr 10.96.0.0/16").unwrap();
        assert_eq!((arguments.pod_cidr.len(), arguments.node_prefix.as_slice(), arguments.mtu), (2, &[24, 64][..], 1500));
        assert!(arguments.has_ranges() && !parse("barque network --nodes 7").unwrap().has_ranges());
    }

    #[test]
    fn a_range_off_its_boundary_is_put_right() {
        let error = parse("barque network --service-cidr 10.10.1.0/22").unwrap_err();
        assert!(error.contains("its prefix of 22 bits covers 10.10.0.0/22; write 10.10.0.0/22"), "{error}");
        let error = parse("barque network --node-ports 32767").unwrap_err();
        assert!(error.contains("it is not a range of ports; write first and last port"), "{error}");
        assert!(parse("barque network --mtu 100").is_err() && parse("barque network --node-prefix 0").is_err());
    }
}
