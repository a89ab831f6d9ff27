//! Development tasks: `cargo xtask help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for developers; what it prints is its product")]

mod bench;
mod ci;
mod codegen;
mod definitions;
mod deps;
mod dist;
mod e2e;
mod elasticsearch;
mod elf;
mod flags;
mod layers;
mod machine;
mod metadata;
mod nextest;
mod opensearch;
mod run;
mod soak;
mod suites;
mod unpack;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development tasks of barque.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run every gate: format, lints, tests, documentation, dependencies, generated files, size, end to end
    Ci {
        /// Leave out the end-to-end tests
        #[arg(long)]
        no_e2e: bool,
    },
    /// Check that every crate uses only what its layer allows
    Deps,
    /// Write the files that are generated from the code
    Codegen {
        /// Change nothing; fail when a file is not up to date
        #[arg(long)]
        check: bool,
    },
    /// Build the static binary into target/dist/barque; print its size and number of crates against the budgets
    Dist {
        /// Build faster and bigger, for work with the lab; the size budget does not apply
        #[arg(long)]
        quick: bool,
    },
    /// Run the tests that need real components and the lab (root)
    E2e {
        /// Only tests whose name contains this
        filter: Option<String>,
        /// Use target/dist/barque as it is
        #[arg(long)]
        no_build: bool,
    },
    /// Deploy on a virtual machine with Debian's own kernel and cgroup v2, reboot it, and take everything back (root; some 20 minutes without KVM)
    Machine {
        /// By the processor's own virtualization, where this machine has it, in place of emulation
        #[arg(long)]
        kvm: bool,
        /// Use target/dist/barque as it is
        #[arg(long)]
        no_build: bool,
    },
    /// Kill barque, agents, SSH sessions and whole hosts all through deployments, which must end as if nothing had happened (root)
    Soak {
        /// Points at which something is killed, spread over deployments of five each
        #[arg(long, value_name = "NUMBER", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
        points: u32,
        /// Use target/dist/barque as it is
        #[arg(long)]
        no_build: bool,
    },
    /// Measure; the tables are Markdown on standard output. What needs hosts boots a lab of its own (root)
    Bench {
        /// What to measure
        #[command(subcommand)]
        what: Bench,
    },
    /// Record the flags of a Kubernetes release in catalog/help, from its programs' own `--help`
    Flags {
        /// The release, such as 1.33.13
        #[arg(long, value_name = "VERSION")]
        version: barque_model::Version,
        /// Folder with the programs (`cargo xtask unpack` fills one); without it they are built from Go modules
        #[arg(long, value_name = "FOLDER")]
        programs: Option<PathBuf>,
    },
    /// Write the definitions of the add-on `gateway-api` from a release of the Gateway API
    Definitions {
        /// `config/crd/standard` of the module `sigs.k8s.io/gateway-api`, at the version that the Traefik of the add-on `ingress` is made with
        folder: PathBuf,
    },
    /// Obtain the Elasticsearch of the demo and of a scenario; its folder on standard output
    Elasticsearch,
    /// Take programs out of the bundle that `barque lab artifacts` made
    Unpack {
        /// Where to put them
        folder: PathBuf,
        /// Their names, such as kubectl
        #[arg(required = true)]
        programs: Vec<String>,
    },
}

#[derive(Debug, Clone, Subcommand)]
enum Bench {
    /// A deployment on seven fresh hosts, a second one, and the floor: the same cluster started by nothing but systemd
    Up {
        /// Labs to measure, one after the other
        #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
        /// Measure target/dist/barque as it is
        #[arg(long)]
        no_build: bool,
    },
    /// A deployment that is killed half-way and gone on with, against an undisturbed one
    Resume {
        /// Measure target/dist/barque as it is
        #[arg(long)]
        no_build: bool,
    },
    /// Looking for faults: seven hosts of a lab, and 200 addresses of one host that answers for all
    Check {
        /// Measure target/dist/barque as it is
        #[arg(long)]
        no_build: bool,
    },
    /// The demo's add-ons: `up` beside the floor with the same pods, and what each uses at rest
    Addons {
        /// Measure target/dist/barque as it is
        #[arg(long)]
        no_build: bool,
    },
    /// What leaves this machine for 2, 7 and 20 hosts, which fetch from each other what they share
    Spread {
        /// Measure target/dist/barque as it is
        #[arg(long)]
        no_build: bool,
    },
    /// A bundle made again when everything is at hand, and verified, beside sha256sum of the same bytes. Needs no hosts
    Bundle {
        /// Measure target/dist/barque as it is
        #[arg(long)]
        no_build: bool,
    },
    /// Planning alone, for 7 and for 500 recorded hosts: time and memory. Needs no hosts
    Plan,
    /// Plan for this many recorded hosts; `bench plan` starts it
    #[cfg(feature = "recorded")]
    #[command(hide = true)]
    Recorded {
        /// Hosts, two balancers and three masters among them
        #[arg(value_parser = clap::value_parser!(u16).range(6..=2000))]
        hosts: u16,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Ci { no_e2e } => ci::run(!no_e2e),
        Task::Deps => deps::run(),
        Task::Codegen { check } => codegen::run(check),
        Task::Dist { quick } => dist::run(if quick { dist::Profile::Quick } else { dist::Profile::Release }),
        Task::E2e { filter, no_build } => e2e::run(filter.as_deref(), !no_build).map(|summary| summary.print()),
        Task::Machine { kvm, no_build } => machine::run(kvm, !no_build),
        Task::Soak { points, no_build } => soak::run(points, !no_build),
        Task::Bench { what: Bench::Up { runs, no_build } } => bench::up(runs, !no_build),
        Task::Bench { what: Bench::Resume { no_build } } => bench::resume(!no_build),
        Task::Bench { what: Bench::Check { no_build } } => bench::check(!no_build),
        Task::Bench { what: Bench::Addons { no_build } } => bench::addons(!no_build),
        Task::Bench { what: Bench::Spread { no_build } } => bench::spread(!no_build),
        Task::Bench { what: Bench::Bundle { no_build } } => bench::bundle(!no_build),
        Task::Bench { what: Bench::Plan } => bench::plan(),
        #[cfg(feature = "recorded")]
        Task::Bench { what: Bench::Recorded { hosts } } => bench::recorded(hosts),
        Task::Flags { version, programs } => flags::run(version, programs.as_deref()),
        Task::Definitions { folder } => definitions::run(&folder),
        Task::Elasticsearch => elasticsearch::ensure().map(|home| println!("{}", home.display())),
        Task::Unpack { folder, programs } => unpack::programs(&folder, &programs.iter().map(String::as_str).collect::<Vec<_>>()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
