//! The command line. No IO here, so that help and completions can be made from it.

mod addons;
mod bundle;
mod explain;
mod firewall;
mod history;
mod init;
mod network;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use addons::{AddonsCommand, AddonsShowArguments};
pub(crate) use init::{AskArguments, InitArguments, SudoChoice};

#[cfg(feature = "lab")]
pub(crate) use bundle::{ArchitectureWord, BundleCreateArguments, DistributionWord};
pub(crate) use bundle::{
    BundleArguments, BundleCommand, BundleDiffArguments, BundleKeyArguments, BundlePackArguments, BundlePruneArguments,
    BundlePullArguments, BundlePushArguments, BundleServeArguments, BundleSignArguments, BundleVerifyArguments, ImagesCommand,
    ImagesListArguments, ImagesPushArguments, RegistryArguments,
};
pub(crate) use explain::ExplainArguments;
pub(crate) use firewall::{
    FirewallChangeArguments, FirewallCommand, FirewallRulesArguments, FirewallTableArguments, TableFormat, TableLanguage,
};
pub(crate) use history::{RollbackArguments, RunsArguments, RunsCommand, RunsDiffArguments, RunsShowArguments};
pub(crate) use network::NetworkArguments;

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
    /// Write a cluster file: by questions on a terminal, by flags, or from an Ansible inventory or a k0sctl.yaml
    Init(Box<InitArguments>),
    /// Check the cluster file: every error at once, each with its line
    Validate(ClusterArguments),
    /// Show which host is in which role
    Hosts(HostsArguments),
    /// Work the network plan out: nodes, pods, services and ports, what collides, how far it grows; and draw it
    Network(Box<NetworkArguments>),
    /// The packets that the cluster needs: as a table, as rules, tested between hosts, and applied
    #[command(subcommand)]
    Firewall(FirewallCommand),
    /// Make the hosts what the cluster file says, stage by stage, each step verified
    #[command(visible_alias = "apply")]
    Up(UpArguments),
    /// Show what `up` would do: each change as a diff, the order of restarts, and what somebody changed by hand
    Plan(PlanArguments),
    /// Show the health of every component on every host
    Status(StatusArguments),
    /// Look for all that is wrong with the hosts, before or after a deployment; nothing is changed on them
    Check(RemoteArguments),
    /// Show what differs on the hosts and in the cluster from what barque applied
    Drift(RemoteArguments),
    /// List the runs: who did what and when, and what of it can still be undone
    Runs(RunsArguments),
    /// Take the last run back, or a named one with all later ones; files byte for byte
    Rollback(RollbackArguments),
    /// Explain a flag, field, port, file, certificate, stage or check: what it is, why it is so, and its value here
    Explain(ExplainArguments),
    /// Look after bundles, which hold all that hosts get: check, list, compare, pack and sign them
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// What runs in the cluster beside Kubernetes itself: list, turn on and off, look after
    #[command(subcommand)]
    Addons(AddonsCommand),
    /// The images that pods are made from
    #[command(subcommand)]
    Images(ImagesCommand),
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
    Agent {
        /// Take back the run that the dead-man switch is armed for, and end; started by systemd on the host
        #[arg(long)]
        take_back: bool,
        /// Change nothing on the host
        #[arg(long, conflicts_with = "take_back")]
        read_only: bool,
    },
    /// Pass this host's metrics on to Prometheus; started by systemd on the host
    #[command(hide = true)]
    MetricsGateway {
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
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

/// Arguments of `hosts`.
#[derive(Debug, Clone, Args)]
pub(crate) struct HostsArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// Only this host (`m1`) or the hosts of a role (`role=master`); may be given several times
    #[arg(long, value_name = "LIMIT")]
    pub(crate) limit: Vec<String>,
    /// Only the hosts of this role; may be given several times
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Vec<String>,
    /// Print names only, one a line
    #[arg(long)]
    pub(crate) list: bool,
}

/// How hosts are reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct RemoteArguments<C: Args = ClusterArguments> {
    #[command(flatten)]
    pub(crate) cluster: C,
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
    /// Send at most so many megabytes a second to all hosts together, and let no host send more to others
    #[arg(long, value_name = "MB")]
    pub(crate) limit_rate: Option<barque_model::ByteRate>,
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

/// What is asked for beside the cluster file.
#[derive(Debug, Clone, Args)]
pub(crate) struct WishArguments {
    /// Only this host (`m1`), role (`role=master`) or stage (`stage=etcd`), and what it needs; may be given several times
    #[arg(long, value_name = "LIMIT")]
    pub(crate) limit: Vec<String>,
    /// Overwrite what somebody changed by hand since barque wrote it
    #[arg(long)]
    pub(crate) overwrite_drift: bool,
}

/// Which bundle, and whom to trust with it.
#[derive(Debug, Clone, Args)]
pub(crate) struct BundleChoice {
    /// The bundle that holds binaries, packages and images: a folder, a file, or a place in a registry (`oci://HOST[:PORT]/NAME:TAG`), from which it is fetched
    /// into the cache
    #[arg(long, env = "BARQUE_BUNDLE", value_name = "DIR|FILE|PLACE")]
    pub(crate) bundle: Option<PathBuf>,
    /// Trust only certificates of the authority in this file (PEM) for a bundle in a registry
    #[arg(long, env = "BARQUE_BUNDLE_CA", value_name = "FILE")]
    pub(crate) bundle_ca: Option<PathBuf>,
    /// Refuse a bundle that is not signed with this public key
    #[arg(long, env = "BARQUE_BUNDLE_KEY", value_name = "FILE")]
    pub(crate) bundle_key: Option<PathBuf>,
}

/// Arguments of `up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpArguments {
    /// A plan saved by `barque plan`: do exactly this, or refuse and name what has moved since
    #[arg(value_name = "PLAN.json", conflicts_with_all = ["limit", "overwrite_drift"])]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
    #[command(flatten)]
    pub(crate) wishes: WishArguments,
    #[command(flatten)]
    pub(crate) bundle: BundleChoice,
    /// Print each step, not only stages and restarts
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Take the run lock from another run that is dead or gone
    #[arg(long)]
    pub(crate) break_lock: bool,
    /// Send everything from this machine, also what hosts could fetch from each other
    #[arg(long)]
    pub(crate) send_all: bool,
}

/// Arguments of `plan`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArguments {
    /// With `--stages`: list the steps of this saved plan, without asking the hosts
    #[arg(value_name = "PLAN.json", requires = "stages", conflicts_with_all = ["limit", "overwrite_drift", "save"])]
    pub(crate) plan: Option<PathBuf>,
    /// List the steps stage by stage with their hosts, without diffs
    #[arg(long)]
    pub(crate) stages: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArguments<PlanClusterArguments>,
    #[command(flatten)]
    pub(crate) wishes: WishArguments,
    /// Save the plan to this file, for `barque up FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) bundle: BundleChoice,
    /// Show the whole content of new files and objects
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Take the lock of the state directory from another run that is dead or gone, where certificates must be issued
    #[arg(long)]
    pub(crate) break_lock: bool,
}

/// Which cluster, and where its plan goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlanClusterArguments {
    /// The cluster file
    #[arg(short, long, env = "BARQUE_CLUSTER_FILE", default_value = "cluster.yaml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Form of the answer on standard output, `text` or `json`; or a file whose name ends in `.json`, to save the plan to
    #[arg(short, long, default_value = "text", value_parser = PlanOutput::parse, value_name = "text|json|FILE.json")]
    pub(crate) output: PlanOutput,
}

/// Where a plan goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlanOutput {
    /// Printed.
    Print(Output),
    /// Printed for people and saved.
    Save(PathBuf),
}

impl PlanOutput {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Print(Output::Text)),
            "json" => Ok(Self::Print(Output::Json)),
            file if Path::new(file).extension().is_some_and(|found| found.eq_ignore_ascii_case("json")) => Ok(Self::Save(file.into())),
            _ => Err("neither `text` nor `json`, nor a file whose name ends in `.json`".to_owned()),
        }
    }
}

impl RemoteArguments<PlanClusterArguments> {
    /// The same for verbs that only print.
    pub(crate) fn printing(&self) -> RemoteArguments {
        let output = match &self.cluster.output {
            PlanOutput::Print(output) => *output,
            PlanOutput::Save(_) => Output::Text,
        };
        RemoteArguments {
            cluster: ClusterArguments { file: self.cluster.file.clone(), output },
            state: self.state.clone(),
            accept_new_host_keys: self.accept_new_host_keys,
            known_hosts: self.known_hosts.clone(),
            transport: self.transport,
            limit_rate: self.limit_rate,
            sudo_password_file: self.sudo_password_file.clone(),
            no_progress: self.no_progress,
        }
    }
}

/// Arguments of `status`.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
    /// Do not ask the network segment who holds the VIP and who speaks VRRP, which takes 3.5 seconds
    #[arg(long)]
    pub(crate) no_listen: bool,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(words: &str) -> Result<Verb, clap::Error> {
        Arguments::try_parse_from(words.split(' ')).map(|arguments| arguments.verb)
    }

    #[test]
    fn a_plan_is_printed_or_saved() {
        let plan = |words: &str| {
            let Verb::Plan(arguments) = parse(words).unwrap() else { panic!("not plan") };
            arguments
        };
        assert_eq!(plan("barque plan").remote.cluster.output, PlanOutput::Print(Output::Text));
        assert_eq!(plan("barque plan -o json").remote.printing().cluster.output, Output::Json);
        let saved = plan("barque plan -f a.yaml -o out/plan.json --limit m1 --limit stage=etcd --overwrite-drift");
        assert_eq!(saved.remote.cluster.output, PlanOutput::Save("out/plan.json".into()));
        assert_eq!(saved.remote.printing().cluster.file, PathBuf::from("a.yaml"));
        assert_eq!((saved.wishes.limit, saved.wishes.overwrite_drift), (vec!["m1".to_owned(), "stage=etcd".to_owned()], true));
        assert!(parse("barque plan -o plan.yaml").is_err());
    }

    #[test]
    fn a_saved_plan_brings_its_own_limits() {
        let Verb::Up(arguments) = parse("barque up plan.json -f a.yaml").unwrap() else { panic!("not up") };
        assert_eq!(arguments.plan, Some("plan.json".into()));
        let Verb::Up(arguments) = parse("barque up --limit role=master --overwrite-drift").unwrap() else { panic!("not up") };
        assert!(arguments.plan.is_none() && arguments.wishes.overwrite_drift);
        assert_eq!(parse("barque up plan.json --limit m1").unwrap_err().kind(), clap::error::ErrorKind::ArgumentConflict);
    }
}
