//! The switch's file.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use barque_event::Failure;
use barque_host::HostContext;
use barque_model::RunId;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::{ArmRequest, LockRequest};

/// Version of [`Switch`].
const FORMAT: u32 = 1;

/// A switch that is armed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Switch {
    pub(super) format: u32,
    /// The run that is taken back unless it is confirmed, and who made it.
    pub(crate) lock: LockRequest,
    /// The run that takes it back.
    pub(crate) undo: RunId,
    /// Seconds within which it must be confirmed.
    pub(crate) seconds: u32,
    /// The boot in which it was armed.
    pub(crate) boot_id: String,
    /// The program that takes back.
    pub(crate) program: PathBuf,
    /// Why it was not waited for, if it was not.
    pub(crate) asked: Option<String>,
    /// Whether taking back has begun, after which nothing can be confirmed any more.
    pub(crate) begun: bool,
}

impl Switch {
    pub(crate) fn new(context: &HostContext, request: ArmRequest, program: PathBuf) -> Self {
        let ArmRequest { lock, undo, seconds } = request;
        Self { format: FORMAT, lock, undo, seconds, boot_id: context.boot_id().to_owned(), program, asked: None, begun: false }
    }

    /// Why the run is taken back.
    pub(crate) fn reason(&self, boot_id: &str) -> String {
        match &self.asked {
            Some(asked) => asked.clone(),
            None if self.boot_id == boot_id => format!("nobody confirmed it over a new connection within {} s", self.seconds),
            None => "the host started again before anybody had confirmed it over a new connection".to_owned(),
        }
    }

    /// The armed switch of the host; `None` when none is. Blocks.
    pub(crate) fn read(context: &HostContext) -> Result<Option<Self>, Failure> {
        let text = match fs::read(place(context)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let switch: Self = serde_json::from_slice(&text).map_err(failed)?;
        if switch.format > FORMAT {
            return Err(failed(format!("it is of format {}, and this barque knows {FORMAT}", switch.format)));
        }
        Ok(Some(switch))
    }

    /// Writes it, durably. Blocks.
    pub(crate) fn write(&self, context: &HostContext) -> Result<(), Failure> {
        let (path, new) = (place(context), context.state(".dead-man.json.new"));
        let write = || -> io::Result<()> {
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            sync_parent(&path)
        };
        write().map_err(failed)
    }

    /// Removes it, durably. Blocks.
    pub(crate) fn remove(context: &HostContext) -> Result<(), Failure> {
        let path = place(context);
        match fs::remove_file(&path) {
            Ok(()) => sync_parent(&path).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Held while the switch is read and changed: confirming and taking back exclude each other. Blocks for as long as another does so.
pub(crate) fn guard(context: &HostContext) -> Result<fs::File, Failure> {
    let path = context.state("dead-man.lock");
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
    flock(&file, FlockOperation::LockExclusive).map_err(failed)?;
    Ok(file)
}

/// Why another run must wait, if it must. Only a taking back that has begun can be ended, by a run that breaks locks: it may be that something
/// cannot be restored. An armed switch cannot: its time is short, and whoever breaks the lock of a dead run must not keep what cut it off.
pub(crate) fn blocks(context: &HostContext, request: &LockRequest) -> Result<Option<Failure>, Failure> {
    // Only a run that holds the host's lock arms a switch: what is not there now will not be. The guard's file is not made for nothing.
    if Switch::read(context)?.is_none() {
        return Ok(None);
    }
    let _guard = guard(context)?;
    let Some(switch) = Switch::read(context)? else { return Ok(None) };
    if [&switch.lock.run, &switch.undo].contains(&&request.run) {
        return Ok(None);
    }
    if request.break_lock && switch.begun {
        Switch::remove(context)?;
        return Ok(None);
    }
    let message = if switch.begun {
        format!("this host is taking run {} back, which nobody had confirmed", switch.lock.run)
    } else {
        format!("run {} is not confirmed, and this host takes it back within {} s", switch.lock.run, switch.seconds)
    };
    Ok(Some(
        Failure::new(message).with_hint("wait until `barque runs` shows it as taken back, then run the same command again").retryable(),
    ))
}

fn place(context: &HostContext) -> PathBuf {
    context.state("dead-man.json")
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}

pub(super) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the dead-man switch of the host cannot be used: {error}"))
        .with_hint("look at `ls -l /var/lib/barque` and `systemctl status barque-dead-man` on the host")
}
