//! What the operator's `ssh_config` says about a host, read through `ssh -G`, which knows `Match`, `Include` and tokens exactly.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::error::ConnectError;
use crate::settings::{Settings, SshConfig};

/// The part of a host's configuration that the in-process transport follows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HostConfig {
    /// The address behind an alias.
    pub(crate) host_name: Option<String>,
    /// Keys to try, in order; some do not exist.
    pub(crate) identity_files: Vec<PathBuf>,
    /// Whether the agent may only offer the keys of `identity_files`.
    pub(crate) identities_only: bool,
    /// Another agent socket; `none` for no agent.
    pub(crate) identity_agent: Option<String>,
    /// Hosts on the way, nearest to the operator first.
    pub(crate) jumps: Vec<Hop>,
    /// A `ProxyCommand` is set.
    pub(crate) proxy_command: bool,
    /// More known_hosts files.
    pub(crate) known_hosts: Vec<PathBuf>,
    /// Name in known_hosts.
    pub(crate) host_key_alias: Option<String>,
    /// Order of host key algorithms.
    pub(crate) host_key_algorithms: Vec<String>,
}

/// One place to log in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Hop {
    /// Address, name or alias.
    pub(crate) address: String,
    /// Login user.
    pub(crate) user: String,
    /// TCP port.
    pub(crate) port: u16,
    /// Key file.
    pub(crate) key: Option<PathBuf>,
}

impl Hop {
    /// `host:port` for people.
    pub(crate) fn place(&self) -> String {
        place(&self.address, self.port)
    }
}

/// `host:port`, with brackets around IPv6.
pub(crate) fn place(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Asks `ssh -G`. Without `ssh`, or when settings say so, nothing is configured.
pub(crate) async fn of(hop: &Hop, settings: &Settings) -> Result<HostConfig, ConnectError> {
    let SshConfig::System { file } = &settings.ssh_config else { return Ok(HostConfig::default()) };
    let mut command = Command::new("ssh");
    command.arg("-G").arg("-p").arg(hop.port.to_string()).arg("-l").arg(&hop.user);
    if let Some(file) = file {
        command.arg("-F").arg(file);
    }
    command.arg("--").arg(&hop.address).stdin(Stdio::null()).kill_on_drop(true);
    let output = match command.output().await {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HostConfig::default()),
        Err(source) => return Err(ConnectError::Program { program: "ssh -G".to_owned(), source }),
    };
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(ConnectError::Protocol { address: hop.place(), reason: format!("ssh_config is refused: {reason}") });
    }
    Ok(parse(&String::from_utf8_lossy(&output.stdout), hop, settings))
}

/// Reads the output of `ssh -G`: one keyword and its value a line.
pub(crate) fn parse(text: &str, hop: &Hop, settings: &Settings) -> HostConfig {
    let mut config = HostConfig::default();
    for line in text.lines() {
        let Some((keyword, value)) = line.trim().split_once(' ') else { continue };
        let path = |word: &str| settings.expand_home(&PathBuf::from(word));
        match keyword.to_ascii_lowercase().as_str() {
            "hostname" => config.host_name = Some(value.to_owned()),
            "identityfile" if value != "none" => config.identity_files.push(path(value)),
            "identitiesonly" => config.identities_only = value == "yes",
            "identityagent" if value != "SSH_AUTH_SOCK" => config.identity_agent = Some(path(value).display().to_string()),
            "proxyjump" if value != "none" => config.jumps = value.split(',').filter_map(|jump| parse_jump(jump, &hop.user)).collect(),
            "proxycommand" if value != "none" => config.proxy_command = true,
            "userknownhostsfile" | "globalknownhostsfile" => {
                config.known_hosts.extend(value.split_ascii_whitespace().filter(|word| *word != "none").map(path));
            }
            "hostkeyalias" if value != "none" => config.host_key_alias = Some(value.to_owned()),
            "hostkeyalgorithms" => config.host_key_algorithms = value.split(',').map(str::to_owned).collect(),
            _ => {}
        }
    }
    // The tokens that people use in IdentityFile; `ssh -G` leaves them as they stand.
    let host = config.host_name.as_deref().unwrap_or(&hop.address).to_owned();
    let home = settings.home.as_ref().map(|home| home.display().to_string()).unwrap_or_default();
    for file in &mut config.identity_files {
        let text = file.display().to_string();
        if text.contains('%') {
            *file = PathBuf::from(text.replace("%d", &home).replace("%h", &host).replace("%r", &hop.user).replace("%%", "%"));
        }
    }
    config
}

/// `[user@]host[:port]` or `ssh://…`, IPv6 in brackets. The user is that of the host behind unless named.
fn parse_jump(text: &str, default_user: &str) -> Option<Hop> {
    let text = text.strip_prefix("ssh://").unwrap_or(text).trim_end_matches('/');
    let (user, rest) = text.rsplit_once('@').unwrap_or((default_user, text));
    let (address, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, 22),
        Some((address, port)) => (address, port.strip_prefix(':')?.parse().ok()?),
        None => match rest.split_once(':') {
            Some((address, port)) if !port.contains(':') => (address, port.parse().ok()?),
            _ => (rest, 22),
        },
    };
    (!address.is_empty()).then(|| Hop { address: address.to_owned(), user: user.to_owned(), port, key: None })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    struct Nobody;

    #[async_trait::async_trait]
    impl crate::Prompt for Nobody {
        async fn passphrase(&self, _: &Path) -> Option<secrecy::SecretString> {
            None
        }
        fn host_key_accepted(&self, _: &crate::AcceptedHostKey) {}
    }

    fn settings() -> Settings {
        Settings { home: Some("/home/ann".into()), ..Settings::new(vec![], "/tmp".into(), Arc::new(Nobody)) }
    }

    fn hop(address: &str) -> Hop {
        Hop { address: address.to_owned(), user: "root".to_owned(), port: 22, key: None }
    }

    #[test]
    fn reads_what_matters() {
        let text = "user root\nhostname 10.0.0.9\nport 22\nidentitiesonly yes\nidentityfile ~/.ssh/%h_%r\nidentityfile /k\n\
                    proxyjump ann@gate:2222,[fd00::1]:23,ssh://b\nuserknownhostsfile /a /b\nglobalknownhostsfile /c\nproxycommand none\n\
                    hostkeyalgorithms ssh-ed25519,rsa-sha2-512\nidentityagent SSH_AUTH_SOCK\n";
        let config = parse(text, &hop("web"), &settings());
        assert_eq!(config.host_name.as_deref(), Some("10.0.0.9"));
        assert_eq!(config.identity_files, [PathBuf::from("/home/ann/.ssh/10.0.0.9_root"), PathBuf::from("/k")]);
        assert!(config.identities_only && !config.proxy_command && config.identity_agent.is_none());
        let jumps: Vec<_> = config.jumps.iter().map(|jump| (jump.user.as_str(), jump.address.as_str(), jump.port)).collect();
        assert_eq!(jumps, [("ann", "gate", 2222), ("root", "fd00::1", 23), ("root", "b", 22)]);
        assert_eq!(config.known_hosts, [PathBuf::from("/a"), "/b".into(), "/c".into()]);
        assert_eq!(config.host_key_algorithms, ["ssh-ed25519", "rsa-sha2-512"]);
    }

    #[tokio::test]
    async fn the_real_program_is_understood() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config");
        std::fs::write(&file, "Host web\n HostName 127.0.0.9\n IdentityFile /k/%h\n ProxyJump gate:2200\nHost p\n ProxyCommand nc %h %p\n")
            .unwrap();
        let settings = Settings { ssh_config: SshConfig::System { file: Some(file) }, ..settings() };
        let config = of(&hop("web"), &settings).await.unwrap();
        assert_eq!(config.host_name.as_deref(), Some("127.0.0.9"));
        assert_eq!(config.identity_files, [PathBuf::from("/k/127.0.0.9")]);
        assert_eq!(config.jumps.first().map(Hop::place).as_deref(), Some("gate:2200"));
        assert!(of(&hop("p"), &settings).await.unwrap().proxy_command);
        assert!(!of(&hop("-oProxyCommand=false"), &settings).await.is_ok_and(|config| config.proxy_command));
    }
}
