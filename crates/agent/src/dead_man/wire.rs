//! What an operator's side asks of the switch.

use std::path::PathBuf;

use barque_event::Failure;
use barque_model::RunId;
use fs_err as fs;

use super::ARGUMENTS;
use super::switch::{Switch, failed, guard};
use crate::ArmRequest;
use crate::session::{Session, blocking};

/// Arms the switch for a run that holds the host's lock.
pub(crate) async fn arm(session: &Session, request: ArmRequest) -> Result<(), Failure> {
    let (context, seconds) = (&session.context, request.seconds);
    let program = program()?;
    let switch = Switch::new(context, request, program.clone());
    let written = {
        let context = context.clone();
        blocking(move || {
            let _guard = guard(&context)?;
            match Switch::read(&context)? {
                Some(other) if other.lock.run != switch.lock.run => Err(failed(format!("it is armed for run {}", other.lock.run))),
                Some(other) if other.begun => Err(failed("the run is being taken back")),
                _ => switch.write(&context),
            }
        })
    };
    written.await??;
    // A file without a timer would be a switch that only a reboot releases: the run goes on with both or not at all.
    if let Err(error) = barque_host::arm_timer(context, &program, ARGUMENTS, seconds).await {
        let context = context.clone();
        blocking(move || Switch::remove(&context)).await??;
        return Err(Failure { retryable: false, ..Failure::from(error) }
            .with_hint("nothing was changed that could cut you off; look at `systemctl status` and `df -h /etc /run` on the host"));
    }
    Ok(())
}

/// Confirms the run: it is not taken back any more.
pub(crate) async fn confirm(session: &Session, run: RunId, undo: RunId) -> Result<(), Failure> {
    let context = session.context.clone();
    let program = {
        let context = context.clone();
        let confirmed = blocking(move || {
            let _guard = guard(&context)?;
            match Switch::read(&context)? {
                Some(switch) if switch.lock.run == run && switch.undo == undo && !switch.begun => {
                    Switch::remove(&context).map(|()| switch.program)
                }
                _ => Err(Failure::new(format!("run {run} is not there to be confirmed any more: the host takes it back, or has done so"))
                    .with_hint("`barque runs` shows it; run the same command again, with a longer `--confirm-within` if it was too short")),
            }
        });
        confirmed.await??
    };
    barque_host::disarm_timer(&context, Some(&program)).await?;
    Ok(())
}

/// Takes the run back at once.
pub(crate) async fn fire(session: &Session, run: RunId, reason: String) -> Result<(), Failure> {
    let context = session.context.clone();
    let armed = blocking(move || {
        let _guard = guard(&context)?;
        match Switch::read(&context)? {
            Some(switch) if switch.lock.run == run && !switch.begun => {
                Switch { asked: Some(reason), ..switch }.write(&context).map(|()| true)
            }
            _ => Ok::<_, Failure>(false),
        }
    });
    if armed.await?? {
        barque_host::fire_timer().await?;
    }
    Ok(())
}

/// This very program, which stays where it is until the switch is disarmed.
fn program() -> Result<PathBuf, Failure> {
    fs::read_link("/proc/self/exe").map_err(failed)
}
