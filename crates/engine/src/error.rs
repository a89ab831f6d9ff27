//! Why a verb could not be carried out before or outside of its steps.

use std::path::PathBuf;

use barque_bundle::SignatureError;
use barque_check::Finding;
use barque_event::exit;
use barque_model::{AddonName, HostName, InvalidVersion, Version};

use crate::HostProblem;

/// Why a verb could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The cluster file cannot be read.
    #[error("cannot read the cluster file `{path}`", path = .path.display())]
    ClusterFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The cluster file has errors; the text is the whole report.
    #[error("{0}")]
    Spec(Box<barque_spec::SpecErrors>),
    /// No release data for a version.
    #[error("Kubernetes {version} is not in the release catalog")]
    Release {
        /// The version.
        version: Version,
        /// Why.
        #[source]
        source: barque_catalog::UnknownRelease,
    },
    /// The state directory cannot be used.
    #[error("the state directory cannot be used")]
    State(#[from] barque_store::StateError),
    /// Another run is going on, or one has died.
    #[error("another run stands in the way")]
    Lock(#[from] barque_store::LockError),
    /// A run's log cannot be written.
    #[error("the run's log cannot be written")]
    Run(#[from] barque_store::RunError),
    /// The identity cannot be used.
    #[error("the identity that opens the sealed keys cannot be used")]
    Identity(#[from] barque_store::IdentityError),
    /// The sealed vault cannot be used.
    #[error("the sealed keys cannot be used")]
    VaultFile(#[from] barque_store::VaultFileError),
    /// Certificates cannot be issued.
    #[error("the cluster's certificates cannot be issued")]
    Issue(#[from] barque_pki::IssueError),
    /// No token for a run.
    #[error("the run cannot begin")]
    Ephemeral(#[from] barque_pki::EphemeralError),
    /// A certificate is missing in the vault.
    #[error("the vault is incomplete")]
    NotInVault(#[from] barque_pki::NotInVault),
    /// A certificate in the vault cannot be read.
    #[error("a certificate in the vault cannot be read")]
    Certificate(#[from] barque_pki::UnreadableCertificate),
    /// There is no vault.
    #[error("this cluster has not been deployed from here: there is no vault in its state directory")]
    NotDeployed,
    /// The bundle cannot be used.
    #[error("the bundle cannot be used")]
    Bundle(#[from] barque_bundle::BundleError),
    /// The bundle is not signed as it should be.
    #[error("the bundle's signature does not hold")]
    Signature(#[from] barque_bundle::SignatureError),
    /// Files of the bundle are missing or cut off.
    #[error("bundle `{bundle}` is not as its manifest says, in {}; no host was touched\n{}", files(.faults.len()), fault_lines(.faults), bundle = .bundle.display())]
    Incomplete {
        /// The bundle.
        bundle: PathBuf,
        /// Which.
        faults: Vec<barque_bundle::Fault>,
    },
    /// The bundle is not one for this cluster.
    #[error("bundle `{bundle}` lacks what this cluster needs; no host was touched\n{}", lack_lines(.lacks), bundle = .bundle.display())]
    Unfit {
        /// The bundle.
        bundle: PathBuf,
        /// What.
        lacks: Vec<crate::Lack>,
    },
    /// The bundle lacks an artifact.
    #[error("{missing} (for {host}, {platform}; bundle `{bundle}`)", bundle = .bundle.display())]
    Missing {
        /// What.
        missing: barque_plan::MissingArtifact,
        /// The host that needs it.
        host: HostName,
        /// Its architecture and distribution.
        platform: String,
        /// The bundle.
        bundle: PathBuf,
    },
    /// A version in the bundle is malformed.
    #[error("a version in the bundle is malformed")]
    Version(#[from] InvalidVersion),
    /// Hosts could not be reached.
    #[error("{} of the hosts cannot be used", .0.len())]
    Hosts(Vec<HostProblem>),
    /// Hosts are not fit.
    #[error("{} faults were found on the hosts; nothing was changed", .0.len())]
    Preflight(Vec<Finding>),
    /// Other machines stand in the way of the balancers.
    #[error("{}; nothing was changed", segment_words(.0.len()))]
    Segment(Vec<crate::SegmentFinding>),
    /// A host could not be observed.
    #[error("{host} could not be observed: {message}")]
    Observe {
        /// The host.
        host: HostName,
        /// Why.
        message: String,
    },
    /// Another run holds a host.
    #[error("{host} is in use by another run: {owner}")]
    HostLock {
        /// The host.
        host: HostName,
        /// Who.
        owner: String,
    },
    /// The saved plan does not fit any more.
    #[error("the saved plan is refused: {} since it was made\n{}", moved_count(.0.len()), listed(.0))]
    Moved(Vec<barque_plan::Moved>),
    /// etcd would lose its quorum.
    #[error(transparent)]
    Quorum(#[from] barque_plan::QuorumRefusal),
    /// A limit names nothing.
    #[error(transparent)]
    Limit(#[from] barque_plan::LimitError),
    /// A rollback cannot be begun.
    #[error(transparent)]
    Rollback(#[from] crate::RollbackError),
    /// An add-on's objects cannot be rendered.
    #[error("add-on `{name}` cannot be rendered")]
    Addon {
        /// The add-on.
        name: AddonName,
        /// Why.
        #[source]
        source: barque_addon::AddonError,
    },
    /// Two add-ons come to the same object.
    #[error("`{object}` is an object of both add-on `{}` and add-on `{}`", .addons[0], .addons[1])]
    AddonsShare {
        /// The object.
        object: String,
        /// The add-ons.
        addons: [AddonName; 2],
    },
    /// There is no such add-on.
    #[error("there is no add-on `{name}`")]
    NoAddon {
        /// The name.
        name: String,
        /// The one that is most like it.
        nearest: Option<&'static str>,
        /// All that there are.
        names: Vec<String>,
    },
    /// Somebody else owns fields that add-ons would set.
    #[error("add-ons would take over what belongs to others; nothing was changed\n{}", .0.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))]
    FieldOwners(Vec<String>),
    /// No API server answers.
    #[error("no API server answers")]
    NoApi,
    /// A packet filter is not applied.
    #[error(transparent)]
    Firewall(#[from] crate::FirewallError),
    /// The history does not tell.
    #[error(transparent)]
    History(#[from] crate::HistoryError),
    /// barque's own executable cannot be read.
    #[error("barque's own executable `{path}` cannot be read", path = .path.display())]
    Executable {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl EngineError {
    /// The exit code it leads to.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ClusterFile { .. }
            | Self::Spec(_)
            | Self::Release { .. }
            | Self::Limit(_)
            | Self::NoAddon { .. }
            | Self::AddonsShare { .. }
            | Self::Signature(SignatureError::KeyFile { .. } | SignatureError::NotAKey { .. }) => exit::USAGE,
            Self::Lock(_)
            | Self::HostLock { .. }
            | Self::Moved(_)
            | Self::Quorum(_)
            | Self::Segment(_)
            | Self::Signature(_)
            | Self::FieldOwners(_) => exit::REFUSED,
            Self::Rollback(error) => error.exit_code(),
            Self::Firewall(error) => error.exit_code(),
            Self::History(error) => error.exit_code(),
            _ => exit::FAILED,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ClusterFile { .. } => Some("name the file with `-f FILE`, or write one after an example in `examples/`".into()),
            Self::Missing { .. } => {
                Some("run `barque lab artifacts` to build what is missing, or name another bundle with `--bundle DIR`".into())
            }
            Self::Incomplete { bundle, .. } => Some(format!(
                "run `barque bundle verify {}`, which hashes every file and names all that are wrong; then copy those again",
                bundle.display()
            )),
            Self::Unfit { bundle, .. } => Some(format!(
                "name another bundle with `--bundle DIR|FILE`, or obtain what is missing with `barque lab artifacts`; `barque bundle show {}` lists what this one holds",
                bundle.display()
            )),
            Self::Signature(error) => error.hint(),
            Self::NotDeployed => Some("run `barque up -f FILE`, or name the right state directory with `--state-dir DIR`".into()),
            Self::HostLock { .. } => {
                Some("wait for it; if you know that it is dead, repeat the command with `--break-lock`, which ends its agents".into())
            }
            Self::Moved(_) => Some("look at what is wanted now with `barque plan`, save that plan, and run it".into()),
            Self::Quorum(_) => Some("bring the other members back first: `barque status` shows which do not answer".into()),
            Self::Addon { source, .. } => Some(source.hint()),
            Self::AddonsShare { .. } => Some("turn one of the two off, or take the object out of the one that is yours".into()),
            Self::NoAddon { nearest: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::NoAddon { names, .. } => Some(format!("add-ons: {}", names.join(", "))),
            Self::FieldOwners(_) => Some(
                "let the other owner give them up (delete its object, or `kubectl apply` without these fields), or repeat the command with `--overwrite-drift`, which takes them over".into(),
            ),
            Self::NoApi => Some("run `barque status` to see which masters answer".into()),
            Self::Rollback(error) => error.hint(),
            Self::Firewall(error) => Some(error.hint()),
            Self::History(error) => Some(error.hint()),
            Self::Bundle(error) => error.hint(),
            Self::State(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::Identity(error) => error.hint(),
            Self::VaultFile(error) => error.hint().map(str::to_owned),
            _ => None,
        }
    }
}

fn segment_words(count: usize) -> String {
    let things = if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
    format!("{things} on the balancers' network segment would keep the VIP from working")
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

fn fault_lines(faults: &[barque_bundle::Fault]) -> String {
    let line = |fault: &barque_bundle::Fault| format!("  {} {} ({})", fault.kind, fault.path, fault.artifacts.join(", "));
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn lack_lines(lacks: &[crate::Lack]) -> String {
    lacks.iter().map(|lack| format!("  {lack}")).collect::<Vec<_>>().join("\n")
}

fn moved_count(count: usize) -> String {
    if count == 1 { "1 thing has moved".to_owned() } else { format!("{count} things have moved") }
}

fn listed(moved: &[barque_plan::Moved]) -> String {
    moved.iter().map(|moved| format!("  {moved}")).collect::<Vec<_>>().join("\n")
}
