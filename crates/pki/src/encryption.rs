//! The API server's configuration of encryption at rest.

use barque_model::RUN_MARKER;

use crate::Vault;

/// `/etc/kubernetes/encryption.yaml`: Secrets are written with the first key (XSalsa20 and Poly1305) and read with any of them; `identity`,
/// last, reads what was written before there was a key (CIS 1.2.28).
pub(crate) fn configuration(vault: &Vault) -> String {
    let mut text = format!(
        "# Managed by barque, run {RUN_MARKER}
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources:
  - secrets
  providers:
  - secretbox:
      keys:
"
    );
    for key in vault.encryption_keys() {
        text.push_str("      - name: ");
        text.push_str(&key.name);
        text.push_str("\n        secret: ");
        text.push_str(key.secret.expose());
        text.push('\n');
    }
    text.push_str("  - identity: {}\n");
    text
}
