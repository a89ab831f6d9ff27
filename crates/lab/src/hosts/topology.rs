//! Which hosts a lab has and how they differ from a plain host. Roles are not its business.

use std::collections::BTreeSet;
use std::fmt;

use barque_model::HostName;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::address;
use super::name::LabName;
use super::suite::Suite;

/// Hosts have the addresses from .11 on; .100 is the virtual one.
pub(crate) const MOST_HOSTS: usize = 80;
/// Longest name, so that lab and host together stay a valid machine name.
const LONGEST_NAME: usize = 40;
const DEFAULT_HOSTS: [&str; 7] = ["lb1", "lb2", "m1", "m2", "m3", "n1", "n2"];
/// Words that `cut` gives another meaning.
const RESERVED: [&str; 2] = ["all", "operator"];

/// A topology that cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopologyError {
    /// Not TOML, or not the fields of a topology.
    #[error("the topology cannot be read: {0}")]
    Syntax(String),
    /// No host, or more than the subnet's plan has room for.
    #[error("a lab has 1 to {MOST_HOSTS} hosts, this topology has {0}")]
    HostCount(usize),
    /// Two hosts of one name.
    #[error("host `{0}` is named twice")]
    Duplicate(String),
    /// Two long names that get the same interface name.
    #[error("hosts `{0}` and `{1}` would get the same interface name")]
    InterfaceClash(String, String),
    /// A name that means something else, or a very long one.
    #[error("`{0}` cannot be the name of a host in a lab")]
    Name(String),
    /// A subnet that is not a private /24.
    #[error("subnet `{0}` is not a /24 below 10.0.0.0/8")]
    Subnet(Ipv4Net),
    /// A path that is not absolute, or goes up.
    #[error("host `{host}`: `{path}` is not an absolute path without `..` and `:`")]
    Path {
        /// The host.
        host: String,
        /// The path as written.
        path: String,
    },
    /// A size that is no number with K, M or G.
    #[error("host `{host}`: `{size}` is not a size (such as `64M`)")]
    Size {
        /// The host.
        host: String,
        /// The size as written.
        size: String,
    },
    /// A user's name or password that cannot be used.
    #[error("host `{0}`: a user needs a name of a-z, 0-9, `-` and `_`, other than root, and a password on one line")]
    User(String),
    /// Nobody could log in.
    #[error("host `{0}`: `no_root_login` needs a `user`, or nobody could log in")]
    NoLogin(String),
    /// A key or a value of os-release with a line break or a quote.
    #[error("host `{host}`: `{field}` has a character that it cannot have")]
    Value {
        /// The host.
        host: String,
        /// The field.
        field: &'static str,
    },
}

/// The hosts of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// A /24 below 10.0.0.0/8; one that is free on this machine by default.
    #[serde(default)]
    pub subnet: Option<Ipv4Net>,
    /// The hosts, in the order of their addresses.
    pub hosts: Vec<Host>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// The release of Debian that it runs; Debian 13 by default.
    #[serde(default)]
    pub suite: Suite,
    /// Small file systems in memory, for tests of full disks. They outlive `kill` and `boot`.
    #[serde(default)]
    pub tmpfs: Vec<Tmpfs>,
    /// A user in the group `sudo` who must type a password; sudo is installed only on such hosts.
    #[serde(default)]
    pub user: Option<User>,
    /// Public keys that may log in, beside the lab's own.
    #[serde(default)]
    pub authorized_keys: Vec<String>,
    /// Whether sshd refuses root.
    #[serde(default)]
    pub no_root_login: bool,
    /// Whether the host's own name is in its /etc/hosts; true by default.
    #[serde(default = "yes")]
    pub hostname_resolvable: bool,
    /// Another operating system's name in /etc/os-release.
    #[serde(default)]
    pub os_release: Option<OsRelease>,
}

fn yes() -> bool {
    true
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tmpfs {
    /// Where the host sees it.
    pub path: String,
    /// Its size: a number of bytes, or with K, M or G of 1024.
    pub size: String,
}

/// A user who is not root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The password, for sudo and for login.
    #[serde(skip_serializing, default)]
    pub password: Password,
}

/// A password: read from a topology, never shown and never written again.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// What replaces ID and VERSION_ID in /etc/os-release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OsRelease {
    /// Such as `alpine`.
    pub id: String,
    /// Such as `3.20`.
    pub version_id: String,
}

impl Default for Topology {
    /// The demo's seven hosts: two load balancers, three masters, two nodes.
    fn default() -> Self {
        let hosts = DEFAULT_HOSTS.iter().filter_map(|name| Some(Host::plain(name.parse().ok()?))).collect();
        Self { subnet: None, hosts }
    }
}

impl Host {
    /// A host with nothing special.
    pub fn plain(name: HostName) -> Self {
        Self {
            name,
            suite: Suite::default(),
            tmpfs: Vec::new(),
            user: None,
            authorized_keys: Vec::new(),
            no_root_login: false,
            hostname_resolvable: true,
            os_release: None,
        }
    }
}

impl Topology {
    /// Reads a topology from TOML and checks it.
    pub fn parse(text: &str) -> Result<Self, TopologyError> {
        let topology: Self = toml::from_str(text).map_err(|error| TopologyError::Syntax(error.to_string()))?;
        topology.check()?;
        Ok(topology)
    }

    /// Checks all that does not depend on the machine or on the lab's name.
    pub fn check(&self) -> Result<(), TopologyError> {
        if !(1..=MOST_HOSTS).contains(&self.hosts.len()) {
            return Err(TopologyError::HostCount(self.hosts.len()));
        }
        if let Some(subnet) = self.subnet
            && !address::is_private_24(subnet)
        {
            return Err(TopologyError::Subnet(subnet));
        }
        let mut names = BTreeSet::new();
        for host in &self.hosts {
            if !names.insert(host.name.as_str()) {
                return Err(TopologyError::Duplicate(host.name.to_string()));
            }
            host.check()?;
        }
        Ok(())
    }

    /// Checks that no two hosts get one interface name in the lab `name`.
    pub(crate) fn check_interfaces(&self, name: &LabName) -> Result<(), TopologyError> {
        let mut seen = std::collections::BTreeMap::new();
        for host in &self.hosts {
            if let Some(other) = seen.insert(name.interface(host.name.as_str()), host.name.as_str()) {
                return Err(TopologyError::InterfaceClash(other.to_owned(), host.name.to_string()));
            }
        }
        Ok(())
    }
}

impl Host {
    fn check(&self) -> Result<(), TopologyError> {
        let host = self.name.to_string();
        if host.len() > LONGEST_NAME || RESERVED.contains(&host.as_str()) {
            return Err(TopologyError::Name(host));
        }
        for tmpfs in &self.tmpfs {
            if !is_plain_path(&tmpfs.path) {
                return Err(TopologyError::Path { host, path: tmpfs.path.clone() });
            }
            if !is_size(&tmpfs.size) {
                return Err(TopologyError::Size { host, size: tmpfs.size.clone() });
            }
        }
        if let Some(user) = &self.user
            && !user.is_valid()
        {
            return Err(TopologyError::User(host));
        }
        if self.no_root_login && self.user.is_none() {
            return Err(TopologyError::NoLogin(host));
        }
        if self.authorized_keys.iter().any(|key| key.contains(['\n', '\r'])) {
            return Err(TopologyError::Value { host, field: "authorized_keys" });
        }
        let bad = |value: &str| value.is_empty() || value.contains(['\n', '"', '\\', '$', '`']);
        if self.os_release.as_ref().is_some_and(|release| bad(&release.id) || bad(&release.version_id)) {
            return Err(TopologyError::Value { host, field: "os_release" });
        }
        Ok(())
    }
}

impl User {
    fn is_valid(&self) -> bool {
        let password = self.password.expose();
        let name = &self.name;
        name != "root"
            && (1..=32).contains(&name.len())
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
            && !password.is_empty()
            && !password.contains(['\n', '\r', '\0'])
    }
}

fn is_plain_path(path: &str) -> bool {
    path.len() > 1 && path.starts_with('/') && !path.contains([':', '\\', ',']) && !path.split('/').any(|part| part == "..")
}

fn is_size(size: &str) -> bool {
    let digits = size.strip_suffix(['K', 'M', 'G']).unwrap_or(size);
    digits.parse::<u64>().is_ok_and(|number| number > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(text: &str) -> TopologyError {
        Topology::parse(text).unwrap_err()
    }

    #[test]
    fn the_default_is_the_demo() {
        let topology = Topology::default();
        topology.check().unwrap();
        let names: Vec<&str> = topology.hosts.iter().map(|host| host.name.as_str()).collect();
        assert_eq!(names, DEFAULT_HOSTS);
    }

    #[test]
    fn everything_at_once() {
        let topology = Topology::parse(
            r#"
            subnet = "10.61.7.0/24"
            [[hosts]]
            name = "m1"
            suite = "bookworm"
            tmpfs = [{ path = "/var/lib/etcd", size = "64M" }]
            user = { name = "ops", password = "let me in" }
            authorized_keys = ["ssh-ed25519 AAAA someone"]
            no_root_login = true
            hostname_resolvable = false
            os_release = { id = "alpine", version_id = "3.20" }
            [[hosts]]
            name = "n1"
            "#,
        )
        .unwrap();
        assert_eq!(topology.hosts[1], Host::plain("n1".parse().unwrap()));
        assert_eq!((topology.hosts[0].suite, topology.hosts[1].suite), (Suite::Bookworm, Suite::Trixie));
        assert_eq!(topology.hosts[0].user.as_ref().unwrap().password.expose(), "let me in");
        let shown = format!("{topology:?}{}", serde_json::to_string(&topology).unwrap());
        assert!(!shown.contains("let me in"), "{shown}");
    }

    #[test]
    fn mistakes_are_told_apart() {
        assert!(matches!(error("hosts = []"), TopologyError::HostCount(0)));
        assert!(matches!(error("[[hosts]]\nname='a'\n[[hosts]]\nname='a'"), TopologyError::Duplicate(_)));
        assert!(matches!(error("[[hosts]]\nname='all'"), TopologyError::Name(_)));
        assert!(matches!(error("subnet='192.168.1.0/24'\n[[hosts]]\nname='a'"), TopologyError::Subnet(_)));
        assert!(matches!(error("subnet='10.1.0.0/16'\n[[hosts]]\nname='a'"), TopologyError::Subnet(_)));
        assert!(matches!(error("[[hosts]]\nname='a'\nno_root_login=true"), TopologyError::NoLogin(_)));
        assert!(matches!(error("[[hosts]]\nname='a'\nuser={name='root',password='x'}"), TopologyError::User(_)));
        assert!(matches!(error("[[hosts]]\nname='a'\nuser={name='ops'}"), TopologyError::User(_)));
        for path in ["var", "/", "/a/../b", "/a:b"] {
            let text = format!("[[hosts]]\nname='a'\ntmpfs=[{{path='{path}',size='1M'}}]");
            assert!(matches!(error(&text), TopologyError::Path { .. }), "{path}");
        }
        for size in ["", "M", "0", "1T", "-1M"] {
            let text = format!("[[hosts]]\nname='a'\ntmpfs=[{{path='/a',size='{size}'}}]");
            assert!(matches!(error(&text), TopologyError::Size { .. }), "{size}");
        }
        let unknown = error("[[hosts]]\nname='a'\nrole='master'");
        assert!(unknown.to_string().contains("role"), "{unknown}");
        let release = error("[[hosts]]\nname='a'\nsuite='sid'");
        assert!(["sid", "bookworm", "trixie"].iter().all(|word| release.to_string().contains(word)), "{release}");
        assert!(matches!(error("[[hosts]]\nname='A b'"), TopologyError::Syntax(_)));
    }
}
