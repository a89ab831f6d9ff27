//! Arguments of the verbs about packet filters.

use std::path::PathBuf;

use barque_model::FirewallBackend;
use clap::{Args, Subcommand, ValueEnum};

use super::{ClusterArguments, RemoteArguments};

/// What can be done about packet filters.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum FirewallCommand {
    /// Show every flow of packets that the cluster needs: for the people who run the network
    Table(FirewallTableArguments),
    /// Print the packet filter rules of hosts, without asking or changing them
    Rules(FirewallRulesArguments),
    /// Send and listen between all hosts, before anything is installed, and name what does not get through; hosts are not changed
    Test(RemoteArguments),
    /// Put the rules into force on all hosts; each takes them back unless a new connection comes through
    Apply(FirewallApplyArguments),
    /// Take the rules away again, in the same way
    Remove(FirewallChangeArguments),
}

/// Arguments of `firewall table`.
#[derive(Debug, Clone, Args)]
pub(crate) struct FirewallTableArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// Form of the table
    #[arg(long, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
    /// Prefix length of the hosts' subnets: flows are grouped by the subnets between which they travel
    #[arg(long, value_name = "BITS", default_value_t = barque_firewall::DEFAULT_PREFIX, value_parser = clap::value_parser!(u8).range(0..=32))]
    pub(crate) prefix: u8,
    /// Language in which CSV and Markdown say what flows are for
    #[arg(long, value_enum, value_name = "LANGUAGE", default_value_t = TableLanguage::En)]
    pub(crate) lang: TableLanguage,
}

/// Forms of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// For a terminal
    Text,
    /// Comma-separated values, for a spreadsheet
    Csv,
    /// For a document
    Markdown,
}

/// Languages of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableLanguage {
    /// English
    En,
    /// Simplified Chinese
    Zh,
}

/// Arguments of `firewall rules`.
#[derive(Debug, Clone, Args)]
pub(crate) struct FirewallRulesArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// Only this host (`m1`) or the hosts of a role (`role=master`); may be given several times
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    /// For this packet filter instead of the one of `spec.firewall.backend`
    #[arg(long, value_enum, value_name = "BACKEND")]
    pub(crate) backend: Option<BackendChoice>,
}

/// Arguments of `firewall apply`.
#[derive(Debug, Clone, Args)]
pub(crate) struct FirewallApplyArguments {
    #[command(flatten)]
    pub(crate) change: FirewallChangeArguments,
    /// For this packet filter instead of the one of `spec.firewall.backend`
    #[arg(long, value_enum, value_name = "BACKEND")]
    pub(crate) backend: Option<BackendChoice>,
}

/// Arguments of what changes the rules on hosts.
#[derive(Debug, Clone, Args)]
pub(crate) struct FirewallChangeArguments {
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
    /// Hosts take the change back by themselves unless a new connection has come through within so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) confirm_within: u32,
    /// Show what would be done, and change nothing; exit code 3 when something would
    #[arg(long)]
    pub(crate) plan: bool,
    /// The bundle that holds the program of nftables, for hosts without it
    #[arg(long, env = "BARQUE_BUNDLE", value_name = "DIR")]
    pub(crate) bundle: Option<PathBuf>,
    /// Print each step, not only stages and restarts
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Take the run lock from another run that is dead or gone
    #[arg(long)]
    pub(crate) break_lock: bool,
}

/// Packet filters that there are rules for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendChoice {
    /// A table of nftables
    Nftables,
    /// Chains of iptables and ip6tables
    Iptables,
    /// Policies of firewalld
    Firewalld,
}

impl From<BackendChoice> for FirewallBackend {
    fn from(choice: BackendChoice) -> Self {
        match choice {
            BackendChoice::Nftables => Self::Nftables,
            BackendChoice::Iptables => Self::Iptables,
            BackendChoice::Firewalld => Self::Firewalld,
        }
    }
}
