//! Asks for passphrases and passwords, on a terminal only.

use std::io::IsTerminal as _;
use std::path::Path;

use async_trait::async_trait;
use barque_engine::AskPassword;
use barque_transport::{AcceptedHostKey, Prompt};
use secrecy::SecretString;

use super::note;

/// Asks on the controlling terminal; answers nothing when there is none.
pub(crate) struct TerminalPrompt;

#[async_trait]
impl Prompt for TerminalPrompt {
    async fn passphrase(&self, key: &Path) -> Option<SecretString> {
        self.ask(&format!("passphrase of {}", key.display())).await
    }

    fn host_key_accepted(&self, accepted: &AcceptedHostKey) {
        // There is nowhere to report that standard error is closed.
        let _ = note(&format!("accepted the {} key of {}: {}", accepted.key_type, accepted.host, accepted.fingerprint));
    }
}

#[async_trait]
impl AskPassword for TerminalPrompt {
    async fn ask(&self, question: &str) -> Option<SecretString> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let question = format!("{question}: ");
        let answer = tokio::task::spawn_blocking(move || rpassword::prompt_password(question)).await;
        answer.ok()?.ok().map(SecretString::from)
    }
}
