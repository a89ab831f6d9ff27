//! `barque lab`: real systemd hosts on this machine, to try, rehearse and test.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use barque_lab::hosts::{HostState, HostStatus, Lab, LabError, LabName, LabStatus, Notice, Peer, Topology};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Where labs and their root file systems are kept, settled by the caller.
#[derive(Debug, Clone)]
pub(crate) struct LabFolders {
    /// One folder per lab is made below it.
    pub(crate) labs: PathBuf,
    /// Holds what all labs share.
    pub(crate) cache: PathBuf,
}

/// Arguments of `barque lab`.
#[derive(Debug, Args)]
pub(crate) struct LabArguments {
    #[command(subcommand)]
    command: LabCommand,
    /// The lab's name; several labs can run side by side.
    #[arg(long, global = true, default_value = "demo")]
    name: LabName,
    /// Keep the lab's state and disks in this folder instead of the default one.
    #[arg(long, global = true, value_name = "FOLDER")]
    directory: Option<PathBuf>,
    /// The form of what is printed on stdout.
    #[arg(long, short, global = true, value_enum, default_value_t = LabOutput::Text)]
    output: LabOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LabOutput {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum LabCommand {
    /// Make the lab and boot its hosts; on a lab that exists, boot those that do not run.
    Up {
        /// A topology (TOML); two load balancers, three masters and two nodes by default.
        #[arg(long, value_name = "FILE")]
        topology: Option<PathBuf>,
        /// A Debian archive, where this machine's apt sources name none.
        #[arg(long, value_name = "URL")]
        mirror: Option<String>,
    },
    /// Show the hosts, their addresses and keys.
    Status,
    /// Run a command inside a host, as root, whatever its network does.
    Exec {
        /// The host.
        host: String,
        /// The command and its arguments.
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<std::ffi::OsString>,
    },
    /// Freeze a whole host.
    Pause {
        /// The host.
        host: String,
    },
    /// Let a frozen host go on.
    Resume {
        /// The host.
        host: String,
    },
    /// Cut a host's power; its disks are kept.
    Kill {
        /// The host.
        host: String,
    },
    /// Boot a stopped host from its disks.
    Boot {
        /// The host.
        host: String,
    },
    /// Drop all packets between two hosts, both ways.
    Cut {
        /// A host.
        host: String,
        /// Another host, `operator` (this machine) or `all`.
        peer: String,
    },
    /// End all cuts.
    Heal,
    /// Obtain the real components of a release into the cache's bundle: downloaded where that is possible, else built.
    Artifacts,
    /// Print a cluster file for a lab that has the default hosts.
    DemoFile {
        /// Port of an Elasticsearch on this machine that gets the lines of pods; without it they are not collected
        #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        elasticsearch: Option<u16>,
    },
    /// End the lab and remove it; no error if there is none.
    Down {
        /// Keep disks and keys for a later `up`.
        #[arg(long)]
        keep: bool,
    },
}

/// Runs a verb of `barque lab`; the answer is the exit code.
pub(crate) fn run(arguments: &LabArguments, folders: &LabFolders) -> anyhow::Result<u8> {
    let directory = arguments.directory.clone().unwrap_or_else(|| folders.labs.join(arguments.name.as_str()));
    let directory = std::path::absolute(&directory).with_context(|| format!("cannot find `{}`", directory.display()))?;
    let lab = Lab::new(arguments.name.clone(), directory);
    let output = arguments.output;
    match &arguments.command {
        LabCommand::Up { topology, mirror } => {
            let topology = topology.as_deref().map(read_topology).transpose()?;
            let status = hinted(lab.up(topology.as_ref(), &folders.cache, mirror.as_deref(), &tell))?;
            print_lab(&status, output)?;
        }
        LabCommand::Status => print_lab(&hinted(lab.status())?, output)?,
        LabCommand::Exec { host, command } => {
            let code = hinted(lab.exec(host, command))?;
            return Ok(u8::try_from(code).unwrap_or(u8::MAX));
        }
        LabCommand::Pause { host } => print_host(&hinted(lab.pause(host))?, output)?,
        LabCommand::Resume { host } => print_host(&hinted(lab.resume(host))?, output)?,
        LabCommand::Kill { host } => print_host(&hinted(lab.kill(host))?, output)?,
        LabCommand::Boot { host } => print_host(&hinted(lab.boot(host, &tell))?, output)?,
        LabCommand::Cut { host, peer } => print_lab(&hinted(lab.cut(host, &Peer::from(peer.as_str())))?, output)?,
        LabCommand::Heal => print_lab(&hinted(lab.heal())?, output)?,
        LabCommand::Artifacts => super::lab_artifacts::run(&folders.cache)?,
        LabCommand::DemoFile { elasticsearch } => {
            anstream::print!("{}", super::lab_demo::cluster_file(&hinted(lab.status())?, *elasticsearch)?);
        }
        LabCommand::Down { keep } => {
            hinted(lab.down(*keep, &tell))?;
            match output {
                LabOutput::Text => anstream::println!("lab {} is down", arguments.name),
                LabOutput::Json => print_json(&serde_json::json!({ "name": arguments.name, "down": true }))?,
            }
        }
    }
    Ok(0)
}

fn read_topology(path: &Path) -> anyhow::Result<Topology> {
    let text = fs_err::read_to_string(path)?;
    Topology::parse(&text).with_context(|| format!("cannot use `{}`", path.display()))
}

/// Adds the hint to a failure, as the last line of its message.
fn hinted<T>(result: Result<T, LabError>) -> anyhow::Result<T> {
    result.map_err(|error| match error.hint() {
        Some(hint) => {
            let hint = format!("{error}\nhint: {hint}");
            anyhow::Error::new(error).context(hint)
        }
        None => anyhow::Error::new(error),
    })
}

fn tell(notice: &Notice) {
    // The builder's own lines are of use only in its failure, which carries them.
    if !matches!(notice, Notice::RootfsLine(_)) {
        anstream::eprintln!("{notice}");
    }
}

fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    anstream::println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn print_lab(status: &LabStatus, output: LabOutput) -> anyhow::Result<()> {
    if output == LabOutput::Json {
        return print_json(status);
    }
    anstream::println!("{}", table(&status.hosts));
    anstream::println!("subnet {}  vip {}  bridge {}", status.subnet, status.vip, status.bridge);
    for (host, peer) in &status.cuts {
        anstream::println!("cut {host} - {peer}");
    }
    if let Some(host) = status.hosts.iter().find(|host| host.state == HostState::Running) {
        let user = host.user.as_deref().unwrap_or("root");
        anstream::println!("log in: ssh -i {} {user}@{}", status.key.display(), host.address);
    }
    Ok(())
}

fn print_host(host: &HostStatus, output: LabOutput) -> anyhow::Result<()> {
    if output == LabOutput::Json {
        return print_json(host);
    }
    anstream::println!("{}", table(std::slice::from_ref(host)));
    Ok(())
}

fn table(hosts: &[HostStatus]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["HOST", "ADDRESS", "STATE", "PID", "BOOT"]);
    for host in hosts {
        let pid = host.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let boot = host.boot_seconds.map(|seconds| format!("{seconds:.1} s")).unwrap_or_default();
        table.add_row([host.name.clone(), host.address.to_string(), host.state.to_string(), pid, boot]);
    }
    table
}
