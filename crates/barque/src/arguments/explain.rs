//! Arguments of `explain`.

use std::path::PathBuf;

use barque_catalog::{Language, Minor, Subject};
use clap::Args;

use super::Output;

/// Arguments of `explain`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExplainArguments {
    /// What to explain: `kubelet max-pods`, `port 10250`, `file PATH`, `certificate etcd-peer`, `stage etcd`, `check ID`, `field spec.network.podCidr`, or a word
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: Vec<String>,
    /// List everything that barque sets for a component: a program's name, `cni`, `coredns`, `kernel` or `systemd`
    #[arg(long, value_name = "NAME", value_parser = subject)]
    pub(crate) component: Option<Subject>,
    /// Say what a Kubernetes release has of it, such as 1.33
    #[arg(id = "release", long = "version", value_name = "RELEASE", value_parser = release)]
    pub(crate) release: Option<Minor>,
    /// Language of the texts, `en` or `zh`; that of LC_ALL, LC_MESSAGES or LANG when not given
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    pub(crate) lang: Option<Language>,
    /// Show the values of this cluster file too; `cluster.yaml` when it is there
    #[arg(short, long, env = "BARQUE_CLUSTER_FILE", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Form of the answer on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

fn subject(text: &str) -> Result<Subject, String> {
    Subject::find(text).ok_or_else(|| {
        let names: Vec<&str> = Subject::ALL.iter().map(|subject| subject.name()).collect();
        format!("there is no component `{text}`; there are {}", names.join(", "))
    })
}

fn release(text: &str) -> Result<Minor, String> {
    let release: Minor = text.parse().map_err(|error: barque_catalog::InvalidMinor| error.to_string())?;
    barque_catalog::minor(release).map_err(|error| error.to_string())?;
    Ok(release)
}

fn language(text: &str) -> Result<Language, String> {
    text.parse().map_err(|error: barque_catalog::UnknownLanguage| error.to_string())
}
