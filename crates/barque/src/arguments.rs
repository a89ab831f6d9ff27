//! The command line. No IO here, so that help and completions can be made from it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Deploys a highly available Kubernetes cluster from upstream binaries on plain Linux hosts, and keeps it healthy.
#[derive(Debug, Parser)]
#[command(name = "barque", version, propagate_version = false, max_term_width = 110, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// barque's verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Check the cluster file: every error at once, each with its line
    Validate(ClusterArguments),
    /// Show which host is in which role
    Hosts(ClusterArguments),
    /// Make the hosts what the cluster file says, stage by stage, each step verified
    #[command(visible_alias = "apply")]
    Up(UpArguments),
    /// Show the health of every component on every host
    Status(RemoteArguments),
    /// Print the administrator's kubeconfig
    Kubeconfig(KubeconfigArguments),
    /// Real systemd hosts on this machine: try, rehearse, test
    #[cfg(feature = "lab")]
    Lab(crate::commands::lab::LabArguments),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Serve as the agent of a host; started by barque itself over SSH
    #[command(hide = true)]
    Agent,
    /// Observe something from this host until it holds; used by `cargo xtask bench`
    #[command(hide = true, subcommand)]
    Probe(ProbeCommand),
    /// Print the reference of all commands as Markdown; used by `cargo xtask codegen`
    #[command(hide = true)]
    Reference,
}

/// Which cluster, and how the answer is printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterArguments {
    /// The cluster file
    #[arg(short, long, env = "BARQUE_CLUSTER_FILE", default_value = "cluster.yaml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Form of the answer on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// How hosts are reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct RemoteArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
    /// Record the keys of hosts that are not in known_hosts yet, in this run only; a changed key is always refused
    #[arg(long)]
    pub(crate) accept_new_host_keys: bool,
    /// Read host keys from this file too
    #[arg(long, value_name = "FILE")]
    pub(crate) known_hosts: Vec<PathBuf>,
    /// Use this SSH client for every host
    #[arg(long, value_enum, value_name = "CLIENT")]
    pub(crate) transport: Option<Transport>,
    /// Read the sudo password from this file instead of asking
    #[arg(long, env = "BARQUE_SUDO_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) sudo_password_file: Option<PathBuf>,
    /// No live view: a line per event that matters
    #[arg(long, env = "BARQUE_NO_PROGRESS")]
    pub(crate) no_progress: bool,
}

/// Where the operator's state lies and how it is unsealed.
#[derive(Debug, Clone, Args)]
pub(crate) struct StateArguments {
    /// State directory; `.barque/NAME` beside the cluster file when not given
    #[arg(long, env = "BARQUE_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// The age identity that opens the sealed keys; made on first use
    #[arg(long, env = "BARQUE_IDENTITY", value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Seal the keys with the passphrase in this file instead of an identity
    #[arg(long, env = "BARQUE_PASSPHRASE_FILE", value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// Arguments of `up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpArguments {
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
    /// The bundle that holds binaries, packages and images
    #[arg(long, env = "BARQUE_BUNDLE", value_name = "DIR")]
    pub(crate) bundle: Option<PathBuf>,
    /// Print each step, not only stages and restarts
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Take the run lock from another run that is dead or gone
    #[arg(long)]
    pub(crate) break_lock: bool,
}

/// Arguments of `kubeconfig`.
#[derive(Debug, Clone, Args)]
pub(crate) struct KubeconfigArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
    /// Write it to this file (mode 0600) instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

/// What can be observed.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ProbeCommand {
    /// A DNS server gives a name an address
    Dns {
        /// The server's address
        server: IpAddr,
        /// The name
        name: String,
        /// The address that must be in the answer
        address: Ipv4Addr,
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        within: u64,
    },
}

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// SSH clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// barque's own
    Builtin,
    /// The system's `ssh` program
    System,
}
