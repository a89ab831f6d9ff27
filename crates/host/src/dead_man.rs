//! A systemd timer that runs this program unless it is stopped before, and a unit that runs it at the next boot.
//!
//! Both start one service, `barque-dead-man.service`. The timer is transient, so a reboot ends it; the service itself is enabled for
//! that long, so that a host that starts again runs it early in its boot, before anything of the network.

use std::path::Path;
use std::time::Duration;

use fs_err as fs;

use crate::command::Command;
use crate::context::HostContext;
use crate::error::HostError;
use crate::replace::{Attributes, replace_file, sync_parent};

/// The service that runs when nobody stops it in time.
const SERVICE: &str = "barque-dead-man.service";
/// Its timer.
const TIMER: &str = "barque-dead-man.timer";
/// Where the service's file lies while it is wanted: what is below `/run` would not outlive a reboot.
const SERVICE_FILE: &str = "/etc/systemd/system/barque-dead-man.service";
/// The link that starts it at boot.
const WANTED_LINK: &str = "/etc/systemd/system/sysinit.target.wants/barque-dead-man.service";
/// Calls that start no program.
const SHORT: Duration = Duration::from_secs(30);

/// Lets systemd run `program` with `arguments` in `seconds`, or at the next boot if that is sooner. An earlier timer is replaced.
pub async fn arm_timer(context: &HostContext, program: &Path, arguments: &str, seconds: u32) -> Result<(), HostError> {
    let text = service(program, arguments);
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    replace_file(context, &context.path(SERVICE_FILE), text.as_bytes(), Attributes { mode: 0o644, uid, gid })?;
    keep(program, true)?;
    if !context.is_real_root() {
        return Ok(());
    }
    stop_timer().await?;
    // `enable` makes systemd read its units again.
    Command::new("systemctl", ["enable", "-q", "--", SERVICE]).timeout(SHORT).run().await?;
    let delay = format!("--on-active={seconds}");
    // Without a command: the timer is made for the service that is there.
    let timer = ["-q", "--unit", SERVICE, &delay, "--timer-property=AccuracySec=100ms"];
    Command::new("systemd-run", timer).timeout(SHORT).run().await?;
    Ok(())
}

/// Takes timer and service away. What is not there is no error.
pub async fn disarm_timer(context: &HostContext, program: Option<&Path>) -> Result<(), HostError> {
    if context.is_real_root() {
        stop_timer().await?;
    }
    let mut removed = false;
    for path in [context.path(WANTED_LINK), context.path(SERVICE_FILE)] {
        match fs::remove_file(&path) {
            Ok(()) => {
                sync_parent(&path)?;
                removed = true;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    // `systemctl enable` has made the link's folder where nothing else was enabled for the same target.
    if let Some(folder) = context.path(WANTED_LINK).parent() {
        let _others_are_in_it = fs::remove_dir(folder);
    }
    if let Some(program) = program {
        keep(program, false)?;
    }
    if removed && context.is_real_root() {
        context.mark_units_changed();
        crate::systemd::reload_if_needed(context, true).await?;
    }
    Ok(())
}

/// Runs the service now instead of later, and does not wait for it.
pub async fn fire_timer() -> Result<(), HostError> {
    Command::new("systemctl", ["start", "--no-block", "--", SERVICE]).timeout(SHORT).run().await?;
    Ok(())
}

async fn stop_timer() -> Result<(), HostError> {
    let shown = crate::systemd::show(&[TIMER]).await?.pop().unwrap_or_default();
    if shown.loaded {
        Command::new("systemctl", ["stop", "--", TIMER]).timeout(SHORT).run().await?;
    }
    Ok(())
}

/// Marks the program's folder, so that the next barque that is sent to the host does not clear it away.
fn keep(program: &Path, wanted: bool) -> Result<(), HostError> {
    let mark = program.with_file_name("keep");
    if wanted {
        fs::write(&mark, b"the dead-man switch runs this program\n")?;
        return Ok(());
    }
    match fs::remove_file(&mark) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn service(program: &Path, arguments: &str) -> String {
    let program = program.display();
    format!(
        "# Written by barque: takes a run back that nobody has confirmed. It removes itself.\n\
         [Unit]\n\
         Description=Take back what barque changed and nobody has confirmed\n\
         DefaultDependencies=no\n\
         RequiresMountsFor=/var/lib/barque /etc\n\
         After=local-fs.target\n\
         Before=network-pre.target\n\
         Wants=network-pre.target\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         ExecStart={program} {arguments}\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         \n\
         [Install]\n\
         WantedBy=sysinit.target\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn what_is_written_for_the_switch_goes_with_it() {
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        let program = context.path("/var/lib/barque/agent/x/barque");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        arm_timer(&context, &program, "agent --take-back", 60).await.unwrap();
        arm_timer(&context, &program, "agent --take-back", 60).await.unwrap();
        let text = fs::read_to_string(context.path(SERVICE_FILE)).unwrap();
        assert!(text.contains(&format!("ExecStart={} agent --take-back\n", program.display())), "{text}");
        assert!(program.with_file_name("keep").is_file());
        disarm_timer(&context, Some(&program)).await.unwrap();
        disarm_timer(&context, Some(&program)).await.unwrap();
        assert!(!context.path(SERVICE_FILE).exists() && !program.with_file_name("keep").exists());
    }
}
