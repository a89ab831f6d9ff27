//! One run at a time.
//!
//! The lock is two things: a kernel lock (`flock`) on `STATE/lock`, which ends with its process whatever happens, and the owner's name in that
//! file, which stays when the process dies. So a run that died leaves a trace that the next one must see before it goes on: hosts may be
//! half changed. On a shared file system the name also stops a run on another machine, where `flock` may not reach.

use std::fmt;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use jiff::SignedDuration;
use rustix::fs::{FlockOperation, flock};

use crate::LockOwner;
use crate::files;

/// What to do about a lock whose owner is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStaleLock {
    /// Report it.
    Refuse,
    /// Take it.
    Break,
}

/// The lock on a state directory, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: fs_err::File,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file cannot be used.
    #[error("failed to use the lock file")]
    Io(#[from] io::Error),
    /// A live process holds it. No flag breaks this.
    #[error("the state directory is in use: {}", shown(owner.as_deref()))]
    Held {
        /// Who; `None` if the owner has just taken it.
        owner: Option<Box<LockOwner>>,
    },
    /// Its owner is gone.
    #[error("the state directory is locked by a run that ended without finishing, {} ago: {}; {reason}", Age(*age), shown(owner.as_deref()))]
    Stale {
        /// Who; `None` if the file is unreadable.
        owner: Option<Box<LockOwner>>,
        /// Time since the owner took it.
        age: SignedDuration,
        /// How it is known.
        reason: StaleReason,
    },
}

impl LockError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Held { owner: Some(owner) } => Some(format!("wait for it; `ps -p {}` on {} shows it", owner.pid, owner.machine)),
            Self::Stale { .. } => Some("see what it did with `barque runs`, then repeat the command with `--break-lock`".to_owned()),
            _ => None,
        }
    }
}

/// How it is known that a lock's owner is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleReason {
    /// There is no such process any more.
    ProcessGone,
    /// The machine was started again since.
    Rebooted,
    /// The owner was on another machine and nothing can be known of it; look there first.
    OtherMachine,
    /// The file does not say who.
    Unreadable,
}

impl fmt::Display for StaleReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ProcessGone => "the process is gone",
            Self::Rebooted => "the machine has been restarted since",
            Self::OtherMachine => "whether it still runs there is unknown",
            Self::Unreadable => "the lock file is unreadable",
        })
    }
}

fn shown(owner: Option<&LockOwner>) -> String {
    owner.map_or_else(|| "an unknown process".to_owned(), ToString::to_string)
}

/// A duration in one or two units, for people.
struct Age(SignedDuration);

impl fmt::Display for Age {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs().max(0);
        match seconds {
            0..60 => write!(formatter, "{seconds} s"),
            60..3600 => write!(formatter, "{} min", seconds / 60),
            3600..172_800 => write!(formatter, "{} h", seconds / 3600),
            _ => write!(formatter, "{} days", seconds / 86_400),
        }
    }
}

impl Lock {
    /// Takes the lock at `path` for `owner`.
    pub(crate) fn acquire(path: &Path, owner: &LockOwner, on_stale: OnStaleLock) -> Result<Self, LockError> {
        let mut file = files::private_options().read(true).write(true).create(true).truncate(false).open(path)?;
        let kernel = flock(&file, FlockOperation::NonBlockingLockExclusive);
        let mut text = Vec::new();
        (&mut file).take(64 * 1024).read_to_end(&mut text)?;
        let previous = serde_json::from_slice::<LockOwner>(&text).ok().map(Box::new);
        match kernel {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Held { owner: previous }),
            Err(error) => return Err(io::Error::from(error).into()),
        }
        if !text.is_empty() {
            let reason = match &previous {
                None => StaleReason::Unreadable,
                Some(previous) if previous.machine != owner.machine => StaleReason::OtherMachine,
                Some(previous) if previous.boot_id != owner.boot_id => StaleReason::Rebooted,
                Some(previous) if !previous.lives() => StaleReason::ProcessGone,
                // It lives without the kernel's lock: the file was put in place of the one that it locked.
                Some(_) => return Err(LockError::Held { owner: previous }),
            };
            if on_stale == OnStaleLock::Refuse {
                let age = previous.as_ref().map_or(SignedDuration::ZERO, |previous| owner.since.duration_since(previous.since));
                return Err(LockError::Stale { owner: previous, age, reason });
            }
        }
        let mut lock = Self { file };
        lock.write(&serde_json::to_vec(owner).map_err(io::Error::from)?)?;
        Ok(lock)
    }

    /// The owner that the file at `path` names, and whether it may still run.
    pub(crate) fn holder(path: &Path) -> io::Result<Option<(LockOwner, bool)>> {
        let text = match fs_err::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Half a file is an owner who has just taken it; the next look tells.
        let Ok(owner) = serde_json::from_slice::<LockOwner>(&text) else { return Ok(None) };
        let observer = LockOwner::current("", "", owner.since)?;
        let lives = owner.machine != observer.machine || (owner.boot_id == observer.boot_id && owner.lives());
        Ok(Some((owner, lives)))
    }

    fn write(&mut self, content: &[u8]) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(content)?;
        self.file.sync_all()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file stays: removing it would let two others lock two different files. If this fails, the next run sees a stale lock, and
        // that is the safe side.
        let _ = self.write(b"");
    }
}
