//! What must be on a host: a closed set of kinds, data only.

use std::fmt;

use barque_model::{Digest, Owner};
use serde::{Deserialize, Serialize};

/// One thing that must be on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resource {
    /// A directory.
    Directory(Directory),
    /// A file with exact content.
    File(File),
    /// A program in `/usr/local/bin` (or elsewhere), a link into the content store.
    Binary(Binary),
    /// A systemd unit that is enabled and active, and was started with the present inputs.
    Unit(Unit),
    /// A system user without a login, with a group of the same name.
    User(User),
    /// A kernel parameter's present value (its file under `/etc/sysctl.d` is a [`File`]).
    Sysctl(Sysctl),
    /// A distribution package and what it needs, installed from files.
    Package(Package),
    /// A container image in containerd's `k8s.io` namespace.
    Image(Image),
    /// A line of `/etc/hosts`.
    HostsLine(HostsLine),
}

/// A directory. Its content is not barque's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Absolute path.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub owner: Owner,
}

/// A file. Its content travels beside it and only when it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Absolute path.
    pub path: String,
    /// Digest of the content with [`barque_model::RUN_MARKER`] in place of a run's identifier.
    pub digest: Digest,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub owner: Owner,
    /// Whether the content must not be shown.
    pub sensitive: bool,
}

/// A program. `path` becomes a link to `/var/lib/barque/store/<digest>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    /// Absolute path of the link, such as `/usr/local/bin/kubelet`.
    pub path: String,
    /// The version, for people.
    pub version: String,
    /// The content.
    pub blob: Blob,
}

/// A systemd service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its name, such as `etcd.service`.
    pub name: String,
    /// Digest of everything it reads at start: program, unit file, flags, configuration, certificates.
    pub fingerprint: Digest,
    /// What to do when the fingerprint has changed while it runs.
    pub on_change: OnChange,
    /// Seconds that a start may take before it counts as failed.
    pub start_timeout_seconds: u32,
    /// Times that systemd may start it again within that time before it counts as failed. A wrong flag shows after a few; a program that
    /// ends until others are there needs many.
    pub restart_limit: u32,
}

/// How a running unit takes up changed inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnChange {
    /// It is restarted.
    Restart,
    /// It is reloaded, without dropping connections.
    Reload,
}

/// A system user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Name of the user and of its group.
    pub name: String,
    /// Home directory, not created.
    pub home: String,
}

/// A kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// Dotted name, such as `net.ipv4.ip_forward`.
    pub key: String,
    /// Value wanted.
    pub value: String,
    /// Whether the step fails when the parameter is missing or read-only and has another value; else it is reported only.
    pub required: bool,
}

/// A package installed from files, without a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name, such as `haproxy`.
    pub name: String,
    /// The archives of the package and of all that it needs beyond a minimal system, in any order.
    pub archives: Vec<Archive>,
    /// How it is installed. Records of before it was there mean the distribution's.
    #[serde(default)]
    pub form: PackageForm,
}

/// How a package is installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PackageForm {
    /// By the distribution's package manager.
    #[default]
    Native,
    /// Into a folder of its own with all its libraries (`barque_model::PORTABLE_FOLDER`), on a distribution that barque has no packages for.
    Portable,
}

/// A package archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// Package name.
    pub name: String,
    /// Package version in the distribution's form.
    pub version: String,
    /// Content of the `.deb`, or of the portable archive, whose version ends with `+` and the key in its folder's name.
    pub blob: Blob,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Reference by which pods name it.
    pub reference: String,
    /// An OCI layout in a tar archive.
    pub blob: Blob,
}

/// A line of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostsLine {
    /// Address.
    pub address: String,
    /// Names that it must resolve from.
    pub names: Vec<String>,
}

/// Content by digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Blob {
    /// SHA-256 of the uncompressed content.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Identifies a resource within a host, such as `file /etc/etcd/etcd.env`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceId(pub String);

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Resource {
    /// Its identity within a host.
    pub fn id(&self) -> ResourceId {
        ResourceId(match self {
            Self::Directory(directory) => format!("directory {}", directory.path),
            Self::File(file) => format!("file {}", file.path),
            Self::Binary(binary) => format!("binary {}", binary.path),
            Self::Unit(unit) => format!("unit {}", unit.name),
            Self::User(user) => format!("user {}", user.name),
            Self::Sysctl(sysctl) => format!("sysctl {}", sysctl.key),
            // Another name: a host whose distribution changes gets the one and loses the other.
            Self::Package(package) => match package.form {
                PackageForm::Native => format!("package {}", package.name),
                PackageForm::Portable => format!("package {} (portable)", package.name),
            },
            Self::Image(image) => format!("image {}", image.reference),
            Self::HostsLine(line) => format!("hosts line {}", line.names.join(" ")),
        })
    }

    /// The blobs that must be in the host's store before it can be applied.
    pub fn blobs(&self) -> Vec<Blob> {
        match self {
            Self::Binary(binary) => vec![binary.blob],
            Self::Image(image) => vec![image.blob],
            Self::Package(package) => package.archives.iter().map(|archive| archive.blob).collect(),
            Self::Directory(_) | Self::File(_) | Self::Unit(_) | Self::User(_) | Self::Sysctl(_) | Self::HostsLine(_) => Vec::new(),
        }
    }
}
