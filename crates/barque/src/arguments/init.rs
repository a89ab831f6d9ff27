//! Arguments of `init`.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use barque_model::{ClusterName, Version};
use barque_spec::{HostAddress, OutlineJump};
use clap::{Args, ValueEnum};
use ipnet::Ipv4Net;

use super::{ClusterArguments, Output, RemoteArguments, StateArguments};

/// Arguments of `init`.
#[derive(Debug, Clone, Args)]
pub(crate) struct InitArguments {
    /// Name of the cluster; `cluster` when nothing else says
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<ClusterName>,
    /// Hosts of the control plane: addresses, NAME=ADDRESS, or ranges (10.0.0.11..10.0.0.13, 10.0.0.11-13), with commas
    #[arg(long, value_name = "HOSTS", value_parser = hosts)]
    pub(crate) masters: Option<Hosts>,
    /// Hosts for workloads
    #[arg(long, value_name = "HOSTS", value_parser = hosts)]
    pub(crate) nodes: Option<Hosts>,
    /// Load balancers, two for high availability; they need `--vip`
    #[arg(long, value_name = "HOSTS", value_parser = hosts)]
    pub(crate) lb: Option<Hosts>,
    /// Hosts that run etcd; the masters when not given
    #[arg(long, value_name = "HOSTS", value_parser = hosts)]
    pub(crate) etcd: Option<Hosts>,
    /// The virtual IP address of the load balancers: free, and in their subnet
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) vip: Option<Ipv4Addr>,
    /// Login user of all hosts
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Private key file for all hosts
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<String>,
    /// SSH port of all hosts
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Host to go through: ADDRESS, USER@ADDRESS or USER@ADDRESS:PORT
    #[arg(long, value_name = "HOST", value_parser = jump)]
    pub(crate) jump: Option<OutlineJump>,
    /// How root is reached when the login user is not root
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) sudo: Option<SudoChoice>,
    /// Take hosts and settings from an Ansible inventory (INI or YAML, with group_vars and host_vars beside it) or a k0sctl.yaml; flags go
    /// before what it says
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Range of pod addresses; a free one when not given
    #[arg(long, value_name = "RANGE")]
    pub(crate) pod_cidr: Option<Ipv4Net>,
    /// Range of service addresses; a free one when not given
    #[arg(long, value_name = "RANGE")]
    pub(crate) service_cidr: Option<Ipv4Net>,
    /// Version of Kubernetes; the newest that barque deploys when not given
    #[arg(long, value_name = "VERSION")]
    pub(crate) kubernetes_version: Option<Version>,
    #[command(flatten)]
    pub(crate) asking: AskArguments,
    /// Overwrite the file if it is there
    #[arg(long)]
    pub(crate) force: bool,
    /// The cluster file to write; `-` is standard output
    #[arg(short, long, env = "BARQUE_CLUSTER_FILE", default_value = "cluster.yaml", value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Whether and how hosts are asked for their networks.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct AskArguments {
    /// Ask the hosts over SSH for their networks, so that the ranges collide with none of them
    #[arg(long)]
    pub(crate) ask_hosts: bool,
    /// With `--ask-hosts`: record the keys of hosts that are not in known_hosts yet
    #[arg(long, requires = "ask_hosts")]
    pub(crate) accept_new_host_keys: bool,
    /// With `--ask-hosts`: read host keys from this file too
    #[arg(long, value_name = "FILE", requires = "ask_hosts")]
    pub(crate) known_hosts: Vec<PathBuf>,
    /// With `--ask-hosts`: read the sudo password from this file instead of asking
    #[arg(long, env = "BARQUE_SUDO_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) sudo_password_file: Option<PathBuf>,
}

impl AskArguments {
    /// The same, as for any verb that connects to the hosts of `file`.
    pub(crate) fn remote(&self, file: PathBuf) -> RemoteArguments {
        RemoteArguments {
            cluster: ClusterArguments { file, output: Output::Text },
            state: StateArguments { state_dir: None, identity: Some("unused".into()), passphrase_file: None },
            accept_new_host_keys: self.accept_new_host_keys,
            known_hosts: self.known_hosts.clone(),
            transport: None,
            limit_rate: None,
            sudo_password_file: self.sudo_password_file.clone(),
            no_progress: true,
        }
    }
}

/// A list of hosts; a type of its own, because `clap` takes `Vec` for a flag that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hosts(pub(crate) Vec<HostAddress>);

/// How root is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SudoChoice {
    /// `sudo` asks for nothing
    Passwordless,
    /// `sudo` asks for the login user's password
    Password,
}

fn hosts(text: &str) -> Result<Hosts, String> {
    barque_spec::parse_hosts(text).map(Hosts).map_err(|error| format!("{error}; {}", error.hint()))
}

fn jump(text: &str) -> Result<OutlineJump, String> {
    OutlineJump::parse(text).map_err(|error| format!("{error}; {}", error.hint()))
}
