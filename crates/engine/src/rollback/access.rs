//! The way to the API: by the vault, or, on a machine that has none, by the administrator's file on each master.

use barque_model::{HostName, KubeAccess, Role, SecretBytes};
use barque_store::StateDirectory;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::{Context, EngineError, Sessions, material, prepare};

/// The administrator's kubeconfig on a master.
const ADMIN_FILE: &str = "/etc/kubernetes/admin.conf";

/// How the API is reached.
#[derive(Debug, Default)]
pub(super) struct Access {
    pub(super) masters: Vec<(HostName, KubeAccess)>,
    /// PEM of the Kubernetes authority; empty when neither the vault nor a master has it.
    pub(super) authority: String,
}

impl Access {
    /// From the vault if there is one, else from the masters that answer.
    pub(super) async fn find(context: &Context, state: &StateDirectory, sessions: &Sessions) -> Result<Self, EngineError> {
        if let Some(vault) = material::open(context, state)? {
            let masters = prepare::masters(&context.cluster, &vault)?;
            return Ok(Self { masters, authority: material::authority(&vault) });
        }
        let mut found = Self::default();
        for host in context.cluster.with_role(Role::Master) {
            let Some(agent) = sessions.agent(&host.name) else { continue };
            let Ok(contents) = agent.contents(vec![ADMIN_FILE.to_owned()]).await else { continue };
            let Some(access) = contents.into_iter().next().flatten().and_then(|file| parse(&file)) else { continue };
            found.authority.clone_from(&access.authority);
            found.masters.push((host.name.clone(), access));
        }
        Ok(found)
    }
}

/// Reads a kubeconfig as barque writes it: one cluster and one user, with everything embedded.
fn parse(file: &SecretBytes) -> Option<KubeAccess> {
    let text = std::str::from_utf8(file.expose()).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
    let decoded = |name: &str| BASE64_STANDARD.decode(field(name)?).ok();
    let pem = |name: &str| String::from_utf8(decoded(name)?).ok();
    Some(KubeAccess {
        server: field("server")?.trim_matches('"').to_owned(),
        authority: pem("certificate-authority-data")?,
        certificate: pem("client-certificate-data")?,
        key: SecretBytes::new(decoded("client-key-data")?),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_file_of_a_master_gives_access() {
        let text = "# Managed by barque\napiVersion: v1\nclusters:\n- name: \"demo\"\n  cluster:\n    server: \"https://10.0.0.11:6443\"\n    certificate-authority-data: Y2E=\nusers:\n- user:\n    client-certificate-data: Y2VydA==\n    client-key-data: a2V5\n";
        let access = parse(&SecretBytes::new(text)).unwrap();
        assert_eq!(
            (access.server.as_str(), access.authority.as_str(), access.certificate.as_str()),
            ("https://10.0.0.11:6443", "ca", "cert")
        );
        assert_eq!(access.key.expose(), b"key");
        assert!(parse(&SecretBytes::new(text.replace("client-key-data", "client-key"))).is_none());
        assert!(parse(&SecretBytes::new(text.replace("Y2E=", "*"))).is_none());
    }
}
