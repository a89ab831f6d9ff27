//! Why no cluster file is written.

use std::path::PathBuf;

use barque_event::exit;
use barque_model::Version;
use barque_spec::{ImportErrors, OutlineError, SpecErrors};

/// Why no cluster file is written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    /// It is there already.
    #[error("`{}` is there already", .0.display())]
    Exists(PathBuf),
    /// A contradiction, or something that is missing.
    #[error(transparent)]
    Outline(#[from] OutlineError),
    /// Several of them.
    #[error("this is no cluster yet")]
    Outlines(Vec<OutlineError>),
    /// An inventory that cannot be mapped.
    #[error("{0}\n\nthe inventory cannot be mapped; nothing was written")]
    Import(#[from] ImportErrors),
    /// The inventory cannot be read.
    #[error("cannot read the inventory `{}`", path.display())]
    Inventory {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An inventory that is a folder.
    #[error("`{}` is a folder", .0.display())]
    Folder(PathBuf),
    /// No ranges are free.
    #[error(transparent)]
    NoFreeRange(#[from] barque_network::NoFreeRange),
    /// A version that cannot be deployed.
    #[error("Kubernetes {0} is not supported by this version of barque")]
    Version(Version),
    /// The file would be wrong.
    #[error("{0}\n\nthe file would not be valid; nothing was written")]
    File(Box<SpecErrors>),
}

impl InitError {
    /// The exit code it leads to.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Exists(_) => exit::REFUSED,
            _ => exit::USAGE,
        }
    }

    /// What to do next.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Exists(_) => "overwrite it with `--force`, name another with `--output FILE`, or print with `--output -`".to_owned(),
            Self::Outline(error) => error.hint().to_owned(),
            Self::NoFreeRange(error) => error.hint().to_owned(),
            Self::Outlines(_) | Self::Import(_) => return None,
            Self::Inventory { .. } => "name an Ansible inventory or a k0sctl.yaml with `--from FILE`".to_owned(),
            Self::Folder(path) => format!("name the file in it, such as `--from {}`", path.join("hosts.yaml").display()),
            Self::Version(_) => {
                let versions: Vec<String> = barque_catalog::supported().iter().map(ToString::to_string).collect();
                format!("supported: {}", versions.join(", "))
            }
            Self::File(_) => "lines and columns are those of the file that would be written; give other flags".to_owned(),
        })
    }

    /// Its parts, each with what to do.
    pub(crate) fn parts(&self) -> Vec<(String, &'static str)> {
        match self {
            Self::Outlines(faults) => faults.iter().map(|fault| (fault.to_string(), fault.hint())).collect(),
            _ => Vec::new(),
        }
    }
}
