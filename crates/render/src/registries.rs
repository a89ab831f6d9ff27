//! Where containerd fetches images: one folder per registry below `/etc/containerd/certs.d`, read at each pull, so a change restarts nothing.
//!
//! The form is the same for containerd 1.7 and 2.x (containerd, `docs/hosts.md`; `core/remotes/docker/config/hosts.go` of 2.x): servers in the
//! order of the file, then `server`, whose settings stand at the top.

use std::fmt::Write as _;

use barque_model::{Cluster, Host, HostFile, Registry, RegistryCapability, RegistryEndpoint, Upstream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::header::managed;
use crate::paths::CERTS_D;

/// Folders of `cluster`'s registries.
pub(crate) fn folders(cluster: &Cluster) -> Vec<String> {
    cluster.registries.iter().map(|registry| format!("{CERTS_D}/{}", folder(&registry.host))).collect()
}

/// The folder's name for a registry: a port stands between underscores. containerd looks there before it looks for a name with a colon.
fn folder(host: &str) -> String {
    match host.rsplit_once(':') {
        Some((name, port)) => format!("{name}_{port}_"),
        None => host.to_owned(),
    }
}

/// Files of all registries: what a `hosts.toml` names before the `hosts.toml`.
pub(crate) fn files(cluster: &Cluster) -> Vec<HostFile> {
    cluster.registries.iter().flat_map(registry_files).collect()
}

/// Files that pulls of `host` read, by path; none where containerd does not run.
pub fn registry_paths(cluster: &Cluster, host: &Host) -> Vec<String> {
    if host.is_node() { files(cluster).into_iter().map(|file| file.path).collect() } else { Vec::new() }
}

fn registry_files(registry: &Registry) -> Vec<HostFile> {
    let folder = format!("{CERTS_D}/{}", folder(&registry.host));
    let mut files = Vec::new();
    let mut add = |name: &str, endpoint: &RegistryEndpoint| {
        if let Some(authority) = &endpoint.authority {
            files.push(HostFile::public(authority_path(&folder, name), authority.as_str()));
        }
        if let Some(client) = &endpoint.client {
            let [certificate, key] = client_paths(&folder, name);
            files.push(HostFile::public(certificate, client.certificate.as_str()));
            files.push(HostFile::secret(key, client.key.expose()));
        }
    };
    for (name, mirror) in named(&registry.mirrors) {
        add(&name, mirror);
    }
    if let Upstream::Asked(upstream) = &registry.upstream {
        add(UPSTREAM, upstream);
    }
    let path = format!("{folder}/hosts.toml");
    let text = managed(&hosts_toml(registry, &folder));
    files.push(if registry.has_credentials() { HostFile::secret(path, text) } else { HostFile::public(path, text) });
    files
}

/// Name of the files of the registry itself.
const UPSTREAM: &str = "upstream";

/// Mirrors with the names of their files.
fn named(mirrors: &[RegistryEndpoint]) -> impl DoubleEndedIterator<Item = (String, &RegistryEndpoint)> + ExactSizeIterator {
    mirrors.iter().enumerate().map(|(index, mirror)| (format!("mirror-{}", index + 1), mirror))
}

/// Whether a file beside a `hosts.toml` is a certificate or key that it names.
pub fn is_named_by_hosts_toml(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| ending == "pem")
}

// Not `.crt`, `.cert` or `.key`: those are read on their own where there is no `hosts.toml`.
fn authority_path(folder: &str, name: &str) -> String {
    format!("{folder}/{name}.ca.pem")
}

fn client_paths(folder: &str, name: &str) -> [String; 2] {
    [format!("{folder}/{name}.client.pem"), format!("{folder}/{name}.client-key.pem")]
}

fn hosts_toml(registry: &Registry, folder: &str) -> String {
    let mut mirrors: Vec<(String, &RegistryEndpoint)> = named(&registry.mirrors).collect();
    let last = match &registry.upstream {
        Upstream::Asked(upstream) => Some((UPSTREAM.to_owned(), upstream)),
        Upstream::AsNamed => None,
        // containerd always asks a last server: unless it is the last mirror, it is the registry itself.
        Upstream::NotAsked => mirrors.pop(),
    };
    let mut text = String::new();
    let mut header = String::new();
    if let Some((name, server)) = last {
        let _ = writeln!(text, "server = {}", quoted(&server.url));
        text.push_str(&settings(server, &name, folder, ""));
        header = authorization(server, "header");
    }
    // Tables come after everything that is not in one.
    text.push_str(&header);
    for (name, mirror) in mirrors {
        let table = format!("host.{}", quoted(&mirror.url));
        let _ = write!(text, "{}[{table}]\n{}", if text.is_empty() { "" } else { "\n" }, settings(mirror, &name, folder, "  "));
        text.push_str(&authorization(mirror, &format!("{table}.header")));
    }
    text
}

fn settings(endpoint: &RegistryEndpoint, name: &str, folder: &str, indent: &str) -> String {
    let words: Vec<&str> = endpoint.capabilities.iter().map(|capability| RegistryCapability::as_str(*capability)).collect();
    let mut lines = vec![format!("capabilities = [{}]", words.into_iter().map(quoted).collect::<Vec<_>>().join(", "))];
    if endpoint.authority.is_some() {
        lines.push(format!("ca = {}", quoted(&authority_path(folder, name))));
    }
    if endpoint.client.is_some() {
        let [certificate, key] = client_paths(folder, name);
        lines.push(format!("client = [[{}, {}]]", quoted(&certificate), quoted(&key)));
    }
    if endpoint.skip_verify {
        lines.push("skip_verify = true".to_owned());
    }
    if endpoint.override_path {
        lines.push("override_path = true".to_owned());
    }
    lines.iter().fold(String::new(), |text, line| text + indent + line + "\n")
}

/// A table with the header of HTTP's basic authentication (RFC 7617); empty without credentials. A server that wants a token gets it with the
/// same header.
fn authorization(endpoint: &RegistryEndpoint, table: &str) -> String {
    let Some(credentials) = &endpoint.credentials else { return String::new() };
    let mut pair = format!("{}:", credentials.username).into_bytes();
    pair.extend_from_slice(credentials.password.expose());
    format!("\n[{table}]\n  Authorization = {}\n", quoted(&format!("Basic {}", STANDARD.encode(pair))))
}

/// A TOML basic string; for the characters that occur here JSON's quoting is the same.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_model::{RegistryClient, RegistryCredentials, SecretBytes};

    use super::*;
    use crate::testing;

    fn secret_mirror(url: &str) -> RegistryEndpoint {
        RegistryEndpoint {
            authority: Some("AUTHORITY\n".into()),
            client: Some(RegistryClient { certificate: "CERTIFICATE\n".into(), key: SecretBytes::new(*b"KEY\n") }),
            credentials: Some(RegistryCredentials { username: "puller".into(), password: SecretBytes::new(*b"hunter2") }),
            ..RegistryEndpoint::plain(url)
        }
    }

    fn shown(registry: Registry) -> String {
        let mut cluster = testing::cluster();
        cluster.registries = vec![registry];
        let file = |file: HostFile| {
            format!(
                "===== {} {:04o} sensitive {}\n{}",
                file.path,
                file.mode,
                file.sensitive,
                String::from_utf8_lossy(file.content.expose())
            )
        };
        files(&cluster).into_iter().map(file).collect()
    }

    #[test]
    fn a_private_registry_with_everything() {
        let second = RegistryEndpoint {
            capabilities: vec![RegistryCapability::Pull],
            override_path: true,
            ..RegistryEndpoint::plain("https://second.example/api/hub")
        };
        let upstream =
            RegistryEndpoint { credentials: secret_mirror("").credentials, ..RegistryEndpoint::plain("https://registry.example:5000") };
        insta::assert_snapshot!(shown(Registry {
            host: "registry.example:5000".into(),
            mirrors: vec![secret_mirror("https://first.example"), second],
            upstream: Upstream::Asked(upstream),
            test_image: None,
        }));
    }

    #[test]
    fn without_a_fallback_the_last_mirror_is_the_server() {
        let first = RegistryEndpoint { skip_verify: true, ..RegistryEndpoint::plain("https://first.example") };
        insta::assert_snapshot!(shown(Registry {
            host: "docker.io".into(),
            mirrors: vec![first, secret_mirror("https://last.example")],
            upstream: Upstream::NotAsked,
            test_image: None,
        }));
    }

    #[test]
    fn the_entry_for_all_others_names_no_server() {
        insta::assert_snapshot!(shown(Registry {
            host: "_default".into(),
            mirrors: vec![RegistryEndpoint::plain("http://10.0.0.1:5000")],
            upstream: Upstream::AsNamed,
            test_image: None,
        }));
    }

    #[test]
    fn a_serialised_registry_holds_no_secret() {
        let registry = Registry {
            host: "docker.io".into(),
            mirrors: vec![secret_mirror("https://first.example")],
            upstream: Upstream::NotAsked,
            test_image: None,
        };
        let text = serde_json::to_string(&registry).unwrap();
        let numbers = |secret: &str| secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
        for secret in ["hunter2", "KEY\n"] {
            assert!(!text.contains(secret) && !text.contains(&numbers(secret)), "{text}");
        }
        assert!(text.contains("AUTHORITY") && !format!("{registry:?}").contains("hunter2"));
    }

    #[test]
    fn a_port_stands_between_underscores() {
        assert_eq!(folder("registry.example:5000"), "registry.example_5000_");
        assert_eq!((folder("docker.io").as_str(), folder("_default").as_str()), ("docker.io", "_default"));
    }

    #[test]
    fn hosts_without_containerd_have_no_files() {
        let cluster = testing::cluster();
        let paths = |name: &str| registry_paths(&cluster, cluster.host(&name.parse().unwrap()).unwrap());
        assert!(paths("lb1").is_empty() && !paths("n1").is_empty());
    }
}
