//! Turns flags and environment into the plain values that the libraries take.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use barque_catalog::Language;
use barque_engine::Options;
use barque_model::TransportKind;
use secrecy::SecretString;

use crate::arguments::{ClusterArguments, RemoteArguments, StateArguments, Transport};
use crate::terminal::TerminalPrompt;

/// Identifies this build to its agents.
pub(crate) const BUILD_ID: &str = concat!(env!("CARGO_PKG_VERSION"), "+", env!("BARQUE_BUILD_ID"));

/// Options for a verb that talks to hosts.
pub(crate) fn remote(arguments: &RemoteArguments, bundle: Option<PathBuf>, break_lock: bool) -> Result<Options> {
    let mut options = local(&arguments.cluster, &arguments.state)?;
    let home = options.home.clone();
    let mut known_hosts = arguments.known_hosts.clone();
    known_hosts.extend(home.iter().map(|home| home.join(".ssh/known_hosts")));
    known_hosts.push("/etc/ssh/ssh_known_hosts".into());
    options.known_hosts = known_hosts;
    options.accept_new_host_keys = arguments.accept_new_host_keys;
    options.transport = arguments.transport.map(|transport| match transport {
        Transport::Builtin => TransportKind::Builtin,
        Transport::System => TransportKind::System,
    });
    options.limit = arguments.limit_rate;
    options.sudo_password = arguments.sudo_password_file.as_ref().map(secret_file).transpose()?;
    options.ssh_agent = variable("SSH_AUTH_SOCK").map(PathBuf::from);
    options.break_lock = break_lock;
    if let Some(bundle) = bundle {
        options.bundle = bundle;
    }
    Ok(options)
}

/// Options for a verb that reads local state only.
pub(crate) fn local(cluster: &ClusterArguments, state: &StateArguments) -> Result<Options> {
    let home = variable("HOME").map(PathBuf::from);
    let configuration = variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(".config")));
    let identity = match &state.identity {
        Some(identity) => identity.clone(),
        None => configuration
            .context("neither HOME nor XDG_CONFIG_HOME is set; name the identity with `--identity FILE`")?
            .join("barque/identity.txt"),
    };
    Ok(Options {
        cluster_file: cluster.file.clone(),
        state: state.state_dir.clone(),
        bundle: default_bundle(),
        bundle_key: None,
        identity,
        passphrase: passphrase(state.passphrase_file.as_ref())?,
        executable: std::env::current_exe().context("cannot find barque's own executable")?,
        compressed: cache(home.as_ref()).join("agent"),
        build_id: BUILD_ID.to_owned(),
        known_hosts: Vec::new(),
        accept_new_host_keys: false,
        ssh_config: true,
        ssh_agent: None,
        home,
        transport: None,
        limit: None,
        sudo_password: None,
        runtime_directory: variable("XDG_RUNTIME_DIR").map_or_else(|| "/tmp".into(), PathBuf::from),
        prompt: Arc::new(TerminalPrompt),
        ask_password: Arc::new(TerminalPrompt),
        break_lock: false,
    })
}

/// The bundle that `barque lab artifacts` fills.
pub(crate) fn default_bundle() -> PathBuf {
    cache(variable("HOME").map(PathBuf::from).as_ref()).join("bundle")
}

/// The passphrase in a file, where one is named.
pub(crate) fn passphrase(file: Option<&PathBuf>) -> Result<Option<SecretString>> {
    file.map(secret_file).transpose()
}

/// barque's cache: `$XDG_CACHE_HOME/barque` or `~/.cache/barque`.
pub(crate) fn cache(home: Option<&PathBuf>) -> PathBuf {
    let base = variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| home.map(|home| home.join(".cache")));
    base.unwrap_or_else(|| "/var/cache".into()).join("barque")
}

/// Where labs and what they share are kept: `$XDG_STATE_HOME/barque/labs` (or below `~/.local/state`), and [`cache`].
#[cfg(feature = "lab")]
pub(crate) fn lab_folders() -> crate::commands::lab::LabFolders {
    let home = variable("HOME").map(PathBuf::from);
    let state = variable("XDG_STATE_HOME").map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(".local/state")));
    let labs = state.unwrap_or_else(|| "/var/lib".into()).join("barque/labs");
    crate::commands::lab::LabFolders { labs, cache: cache(home.as_ref()) }
}

/// Language of texts that exist in several: that of the first of LC_ALL, LC_MESSAGES and LANG that is set.
pub(crate) fn language() -> Language {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(variable).unwrap_or_default();
    Language::of_locale(&locale.to_string_lossy())
}

/// An environment variable, when it is set and not empty.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn secret_file(path: &PathBuf) -> Result<SecretString> {
    let text = fs_err::read_to_string(path)?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))
}
