//! Looks at the host for a check.

use barque_check::{InspectRequest, Inspection, Managed};
use barque_event::Failure;

use crate::ledger::{self, Ledger};
use crate::session::{Session, blocking};

/// What the host shows, and what of it barque has applied.
pub(crate) async fn inspect(session: &Session, request: &InspectRequest) -> Result<Inspection, Failure> {
    session.flush_journals().await?;
    let managed = {
        let context = session.context.clone();
        blocking(move || -> Result<(Managed, Managed), Failure> {
            let entries = Ledger::fold(&ledger::read(&context)?).entries();
            let interrupted = entries.iter().filter(|entry| entry.uncertain).map(|entry| entry.id().0).collect();
            Ok((Managed(entries.iter().map(|entry| entry.id().0).collect()), Managed(interrupted)))
        })
    };
    let (inspection, managed) = tokio::join!(barque_host::inspect(&session.context, request), managed);
    let (managed, interrupted) = managed??;
    Ok(Inspection { managed, interrupted, ..inspection? })
}
