//! Listens and sends for a test of the network.

use barque_event::Failure;
use barque_host::{Listener, attempt_all};

use crate::session::Session;
use crate::{ReachAnswer, ReachCall};

/// Does what a test asks. What listens belongs to the session and ends with it.
pub(crate) async fn call(session: &Session, call: ReachCall) -> Result<ReachAnswer, Failure> {
    Ok(match call {
        ReachCall::Listen { address, places } => {
            let (listener, answers) = Listener::start(address, &places).await;
            *session.listener().await = Some(listener);
            ReachAnswer::Listening(answers)
        }
        ReachCall::Attempt { source, attempts } => ReachAnswer::Outcomes(attempt_all(source, attempts).await),
        ReachCall::Heard => match session.listener().await.as_ref() {
            Some(listener) => ReachAnswer::Heard(listener.heard()),
            None => return Err(Failure::new("nobody listens here")),
        },
        ReachCall::End => {
            *session.listener().await = None;
            ReachAnswer::Ended
        }
    })
}
