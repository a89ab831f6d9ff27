//! What every verb starts from: the cluster file, resolved, and where things lie on the operator's machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use barque_addon::Library;
use barque_model::{ByteRate, Cluster, Release, TransportKind};
use barque_spec::{Findings, Known, Loaded, Surroundings};
use barque_transport::Prompt;
use secrecy::SecretString;

use crate::EngineError;
use crate::operator_files::DiskFiles;

/// Plain values that the binary has resolved from flags and environment.
#[derive(Clone)]
pub struct Options {
    /// The cluster file.
    pub cluster_file: PathBuf,
    /// The state directory; `.barque/NAME` beside the cluster file by default.
    pub state: Option<PathBuf>,
    /// The bundle that holds the artifacts.
    pub bundle: PathBuf,
    /// The public key that the bundle must be signed with, when one is asked for.
    pub bundle_key: Option<PathBuf>,
    /// The age identity that opens the sealed vault; made on first use.
    pub identity: PathBuf,
    /// A passphrase that seals the vault instead of the identity.
    pub passphrase: Option<SecretString>,
    /// barque's own executable, which becomes the agent.
    pub executable: PathBuf,
    /// Where its compressed form is kept from run to run.
    pub compressed: PathBuf,
    /// Identifies this build; agents of another build are refused.
    pub build_id: String,
    /// `known_hosts` files; new keys go to the first.
    pub known_hosts: Vec<PathBuf>,
    /// Whether unknown host keys are accepted (and recorded) in this run.
    pub accept_new_host_keys: bool,
    /// Whether the operator's `ssh_config` counts.
    pub ssh_config: bool,
    /// Socket of the operator's SSH agent.
    pub ssh_agent: Option<PathBuf>,
    /// The operator's home directory, for default keys and `ssh_config`.
    pub home: Option<PathBuf>,
    /// Uses this transport for every host, whatever the cluster file says.
    pub transport: Option<TransportKind>,
    /// The most that is sent to hosts, and by each host to others.
    pub limit: Option<ByteRate>,
    /// Password for sudo, when it is already known.
    pub sudo_password: Option<SecretString>,
    /// Directory for the system transport's control sockets; a short path.
    pub runtime_directory: PathBuf,
    /// Asks the operator for passphrases of keys.
    pub prompt: Arc<dyn Prompt>,
    /// Asks the operator for the sudo password.
    pub ask_password: Arc<dyn AskPassword>,
    /// Whether a stale or foreign run lock is broken.
    pub break_lock: bool,
}

/// Asks the operator for a password; the binary implements it.
#[async_trait]
pub trait AskPassword: Send + Sync {
    /// Asks `question`; `None` when there is nobody to ask.
    async fn ask(&self, question: &str) -> Option<SecretString>;
}

/// A cluster, its release and where its things lie.
#[derive(Clone)]
pub struct Context {
    /// The options.
    pub options: Options,
    /// The cluster file's text.
    pub text: String,
    /// The cluster.
    pub cluster: Cluster,
    /// The state directory.
    pub state: PathBuf,
    /// Versions of its components.
    pub release: Release,
    /// What the file's reader found odd but not wrong.
    pub warnings: Findings,
    /// barque's add-ons, and the user's own that the file names.
    pub addons: Library,
}

impl Context {
    /// Reads and validates the cluster file.
    pub fn load(options: Options) -> Result<Self, EngineError> {
        let path = &options.cluster_file;
        let text = fs_err::read_to_string(path).map_err(|source| EngineError::ClusterFile { path: path.clone(), source })?;
        Self::from_text(options, text)
    }

    /// Validates the text of a cluster file, which need not be in `options.cluster_file` yet.
    pub fn from_text(options: Options, text: String) -> Result<Self, EngineError> {
        let path = &options.cluster_file;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let addons = crate::addons::library(&text, directory);
        let loaded = parse(&text, path, options.home.as_deref(), &addons)?;
        let mut cluster = loaded.cluster;
        barque_spec::resolve_key_paths(&mut cluster, directory, options.home.as_deref());
        let release =
            barque_catalog::release(&cluster.kubernetes).map_err(|source| EngineError::Release { version: cluster.kubernetes, source })?;
        let beside = directory.join(".barque").join(cluster.name.as_str());
        let state = options.state.clone().unwrap_or(beside);
        Ok(Self { text, state, release, warnings: loaded.warnings, addons, cluster, options })
    }
}

fn parse(text: &str, path: &Path, home: Option<&Path>, addons: &Library) -> Result<Loaded, EngineError> {
    let versions = barque_catalog::supported();
    let known = Known { kubernetes: &versions };
    let files = DiskFiles::beside(path, home);
    let around = Surroundings { files: &files, addons };
    barque_spec::parse_with(text, &path.display().to_string(), &known, &around).map_err(|errors| EngineError::Spec(Box::new(errors)))
}
