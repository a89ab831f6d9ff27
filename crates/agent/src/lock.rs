//! One run at a time on a host.
//!
//! The lock is `flock` on `/var/lib/barque/lock`, held by the agent's process: it ends with the process, whatever happens. The file says
//! who holds it.

use std::io::{Read as _, Seek as _, Write as _};
use std::time::Duration;

use barque_event::Failure;
use barque_host::HostContext;
use barque_model::RunId;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::{LockAnswer, LockRequest};

/// Version of [`Holder`].
const FORMAT: u32 = 1;
/// How often a lock that is about to be free is tried.
const POLL: Duration = Duration::from_millis(100);
/// Read of the file at most.
const TEXT_LIMIT: u64 = 64 << 10;

/// How long an agent that is asked to end may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// After SIGTERM: it lets running changes end first.
    terminate: Duration,
    /// After SIGKILL.
    kill: Duration,
}

/// What [`take`] is called with.
pub(crate) const PATIENCE: Patience = Patience { terminate: Duration::from_secs(10), kill: Duration::from_secs(5) };

/// Who holds the lock, as the file tells.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    format: u32,
    pid: i32,
    origin: String,
    run: RunId,
    owner: String,
}

/// The lock, until it is dropped.
#[derive(Debug)]
pub(crate) struct HostLock(fs::File);

impl Drop for HostLock {
    fn drop(&mut self) {
        // Whoever comes next sees a free lock either way; the text is for people.
        let _best_effort = self.0.set_len(0);
    }
}

/// Why the lock could not be used.
fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the run lock of the host cannot be used: {error}")).with_hint("look at `ls -l /var/lib/barque/lock` on the host")
}

/// Takes the lock, or says who holds it. The agent of a run that is known to be dead, or whose lock is to be broken, is ended first.
pub(crate) async fn take(
    context: &HostContext,
    request: &LockRequest,
    patience: Patience,
) -> Result<(LockAnswer, Option<HostLock>), Failure> {
    let path = context.state("lock");
    let mut options = fs::OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
    if !try_lock(&file)? {
        let holder = read(&mut file);
        let owner = holder.as_ref().map(|holder| holder.owner.clone()).unwrap_or_default();
        let ending = holder.filter(|holder| holder.origin == request.origin || request.break_lock);
        let freed = match ending {
            Some(holder) => end(context, &holder, &file, patience).await?,
            None => false,
        };
        if !freed {
            return Ok((LockAnswer::Held { owner }, None));
        }
    }
    write(&mut file, request).map_err(failed)?;
    Ok((LockAnswer::Taken, Some(HostLock(file))))
}

/// Names the next run in a lock that is held already.
pub(crate) fn rename(lock: &mut HostLock, request: &LockRequest) -> Result<(), Failure> {
    write(&mut lock.0, request).map_err(failed)
}

fn try_lock(file: &fs::File) -> Result<bool, Failure> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// `None` when nobody has written there yet, or nothing that this version understands.
fn read(file: &mut fs::File) -> Option<Holder> {
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(TEXT_LIMIT).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn write(file: &mut fs::File, request: &LockRequest) -> std::io::Result<()> {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    let holder = Holder { format: FORMAT, pid, origin: request.origin.clone(), run: request.run.clone(), owner: request.owner.clone() };
    let mut line = serde_json::to_vec(&holder)?;
    line.push(b'\n');
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(&line)?;
    file.sync_data()
}

/// Ends the agent that holds the lock; says whether the lock is this process's now.
async fn end(context: &HostContext, holder: &Holder, file: &fs::File, patience: Patience) -> Result<bool, Failure> {
    let process = Pid::from_raw(holder.pid).filter(|pid| *pid != rustix::process::getpid());
    // The descriptor first, then the look: what is signalled later is what was looked at, even if the number is used again.
    let Some((pid, process)) = process.and_then(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?))) else {
        return wait(file, POLL).await;
    };
    if !is_agent(context, pid) {
        return wait(file, POLL).await;
    }
    for (signal, patience) in [(Signal::TERM, patience.terminate), (Signal::KILL, patience.kill)] {
        tracing::info!(pid = holder.pid, ?signal, run = %holder.run, "ending the agent that holds the lock");
        // It may just have ended by itself.
        let _gone = pidfd_send_signal(&process, signal);
        if wait(file, patience).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tries for so long to get the lock, once at least.
async fn wait(file: &fs::File, patience: Duration) -> Result<bool, Failure> {
    let deadline = Instant::now() + patience;
    loop {
        if try_lock(file)? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        sleep(POLL).await;
    }
}

/// Whether the process is an agent of barque: never end another one.
fn is_agent(context: &HostContext, pid: Pid) -> bool {
    let process = format!("/proc/{}", pid.as_raw_nonzero());
    let program = fs::read_link(format!("{process}/exe"));
    if program.is_ok_and(|program| program.starts_with(context.state("agent"))) {
        return true;
    }
    let words = fs::read(format!("{process}/cmdline")).unwrap_or_default();
    words.strip_suffix(b"\0agent\0").is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Stdio};

    use super::*;

    const QUICK: Patience = Patience { terminate: Duration::from_millis(400), kill: Duration::from_secs(5) };

    fn context(root: &tempfile::TempDir) -> HostContext {
        let context = HostContext::new(root.path());
        barque_host::prepare(&context).unwrap();
        context
    }

    fn request(origin: &str, break_lock: bool) -> LockRequest {
        LockRequest {
            owner: format!("owner at {origin}"),
            run: "20261125T020304Z-0001".parse().unwrap(),
            origin: origin.into(),
            break_lock,
        }
    }

    /// A process that holds the lock, with `word` as its last argument.
    fn holder(context: &HostContext, origin: &str, word: &str, stubborn: bool) -> Child {
        let path = context.state("lock");
        let script = format!("{} exec 9>>\"$1\"; flock 9; echo held; read line", if stubborn { "trap '' TERM;" } else { "" });
        let mut child = std::process::Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(&path)
            .arg(word)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let holder = Holder {
            format: FORMAT,
            pid: i32::try_from(child.id()).unwrap(),
            origin: origin.into(),
            run: "20261125T010000Z-0001".parse().unwrap(),
            owner: "the other".into(),
        };
        fs::write(&path, serde_json::to_vec(&holder).unwrap()).unwrap();
        child
    }

    fn ended(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn the_second_learns_who_holds_it_and_gets_it_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let context = context(&root);
        let (answer, lock) = take(&context, &request("a", false), QUICK).await.unwrap();
        assert_eq!(answer, LockAnswer::Taken);
        for (origin, break_lock) in [("b", false), ("a", false), ("b", true)] {
            let (answer, none) = take(&context, &request(origin, break_lock), QUICK).await.unwrap();
            // This very process holds it, and is never ended.
            assert_eq!(answer, LockAnswer::Held { owner: "owner at a".into() });
            assert!(none.is_none());
        }
        drop(lock);
        assert_eq!(fs::read(context.state("lock")).unwrap(), b"", "an orderly end leaves no name");
        fs::write(context.state("lock"), "left behind by one that died hard").unwrap();
        assert_eq!(take(&context, &request("b", false), QUICK).await.unwrap().0, LockAnswer::Taken);
    }

    #[tokio::test]
    async fn an_agent_left_behind_by_the_same_state_directory_is_ended() {
        for stubborn in [false, true] {
            let root = tempfile::tempdir().unwrap();
            let context = context(&root);
            let child = holder(&context, "a", "agent", stubborn);
            let (answer, _lock) = take(&context, &request("b", false), QUICK).await.unwrap();
            assert_eq!(answer, LockAnswer::Held { owner: "the other".into() }, "another's is left alone");
            let (answer, _lock) = take(&context, &request("a", false), QUICK).await.unwrap();
            assert_eq!(answer, LockAnswer::Taken, "stubborn: {stubborn}");
            ended(child);
        }
    }

    #[tokio::test]
    async fn anothers_is_ended_only_when_asked_and_only_an_agent() {
        let root = tempfile::tempdir().unwrap();
        let context = context(&root);
        let child = holder(&context, "a", "agent", false);
        assert_eq!(take(&context, &request("b", true), QUICK).await.unwrap().0, LockAnswer::Taken);
        ended(child);
        let mut other = holder(&context, "a", "something else", false);
        assert_eq!(take(&context, &request("a", true), QUICK).await.unwrap().0, LockAnswer::Held { owner: "the other".into() });
        assert_eq!(other.try_wait().unwrap(), None, "what is no agent is not ended");
        ended(other);
    }
}
