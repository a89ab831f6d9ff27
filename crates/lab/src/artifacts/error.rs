//! Why a component cannot be obtained.

use std::io;
use std::path::PathBuf;

use barque_bundle::BundleError;

/// Why the artifacts of a release cannot be had on this machine.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The bundle itself.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The operating system refused.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program is not installed.
    #[error("`{program}` is not installed")]
    ProgramMissing {
        /// The program.
        program: String,
    },
    /// A program failed.
    #[error("`{command}` failed ({status}):\n{tail}")]
    CommandFailed {
        /// The command with its arguments.
        command: String,
        /// Its exit status.
        status: String,
        /// The last lines that it wrote to stderr.
        tail: String,
    },
    /// Neither a download nor a recipe.
    #[error("no source for {component} {version}: no download of it is in reach, and no recipe builds it ({known})")]
    NoSource {
        /// The component.
        component: String,
        /// Its version.
        version: String,
        /// For which versions there are recipes.
        known: String,
    },
    /// A download is not what its publisher says.
    #[error("download `{url}` has SHA-256 {actual} in place of {expected}")]
    ChecksumMismatch {
        /// The download.
        url: String,
        /// From the publisher's checksum file.
        expected: String,
        /// What came.
        actual: String,
    },
    /// A download lacks what it should hold.
    #[error("`{url}` does not hold `{wanted}`")]
    IncompleteDownload {
        /// The download.
        url: String,
        /// A member of the archive, or a line of the checksum file.
        wanted: String,
    },
    /// A program needs shared libraries, which hosts need not have.
    #[error("`{program}` is not a statically linked Linux program")]
    NotStatic {
        /// The program.
        program: String,
    },
    /// A recipe of ours is wrong.
    #[error("recipe `{recipe}` is malformed")]
    BadRecipe {
        /// The recipe's folder.
        recipe: String,
        /// What is wrong with it.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// apt's configuration of this machine names no Debian mirror.
    #[error("no Debian mirror in the apt sources below `{path}`")]
    NoMirror {
        /// `/etc/apt`.
        path: PathBuf,
    },
    /// apt answered something unexpected.
    #[error("apt answered `{line}`, which is not a package of the closure of `{package}`")]
    UnexpectedApt {
        /// The package that was asked for.
        package: String,
        /// The line.
        line: String,
    },
    /// The processor has no builds.
    #[error("processor architecture `{0}` is not supported")]
    UnsupportedArchitecture(&'static str),
}

impl ArtifactError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Bundle(error) => error.hint(),
            Self::ProgramMissing { program } => {
                let package = match program.as_str() {
                    "go" => "golang-go",
                    "gcc" => "gcc libc6-dev libseccomp-dev",
                    other => other,
                };
                Some(format!("install it with `apt-get install {package}`"))
            }
            Self::NoSource { .. } => {
                Some("check the way out with `curl -I https://dl.k8s.io`, or choose a version that has a recipe".to_owned())
            }
            Self::CommandFailed { command, .. } if command.starts_with("go ") => Some(
                "run `go env GOPROXY`: the module proxy must be in reach; runc also needs `apt-get install gcc libseccomp-dev`".to_owned(),
            ),
            Self::CommandFailed { command, .. } if command.starts_with("npm ") || command.contains("pnpm.cjs") => {
                Some("run `npm ping`: the npm registry that `npm config get registry` names must be in reach".to_owned())
            }
            Self::CommandFailed { command, .. } if command.starts_with("apt-get ") => {
                Some("run `apt-get update` by hand: this machine's mirror must be in reach and carry Debian 13".to_owned())
            }
            Self::NoMirror { .. } => Some("add Debian's main archive to the apt sources, then run `barque lab artifacts` again".to_owned()),
            _ => None,
        }
    }
}

/// Adds to an error of the operating system what was tried.
pub(super) fn io_error(action: impl Into<String>) -> impl FnOnce(io::Error) -> ArtifactError {
    let action = action.into();
    move |source| ArtifactError::Io { action, source }
}
