//! Asks for passphrases and passwords, on a terminal only.

use std::io::IsTerminal as _;

use async_trait::async_trait;
use barque_transport::Prompt;
use secrecy::SecretString;

/// Asks on the controlling terminal; answers nothing when there is none.
pub(crate) struct TerminalPrompt;

#[async_trait]
impl Prompt for TerminalPrompt {
    async fn secret(&self, question: &str) -> Option<SecretString> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let question = format!("{question}: ");
        let answer = tokio::task::spawn_blocking(move || rpassword::prompt_password(question)).await;
        answer.ok()?.ok().map(SecretString::from)
    }
}
