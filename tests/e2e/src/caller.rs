//! A client that calls a server ten times a second, each time over a new connection.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{Kubectl, run};

/// Between two calls.
const INTERVAL: Duration = Duration::from_millis(100);
/// Limit of one call, in seconds: what a busy machine delays is no failure, and clients of the API wait longer than this.
const LIMIT: &str = "20";

/// A client at work.
#[derive(Debug)]
pub struct Caller {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Calls>>,
}

/// What a client has seen.
#[derive(Debug, Default)]
pub struct Calls {
    /// Calls made.
    pub made: usize,
    /// Those that failed, each with its time and the reason.
    pub failed: Vec<String>,
}

impl Caller {
    /// Calls the API through the virtual address. Credentials are those of `kubectl`, written into `folder`.
    pub fn start(kubectl: &Kubectl, folder: &Path) -> Result<Self> {
        let view = kubectl.json(&["config", "view", "--raw"])?;
        let server = view["clusters"][0]["cluster"]["server"].as_str().context("the kubeconfig names a server")?.to_owned();
        let (cluster, user) = (&view["clusters"][0]["cluster"], &view["users"][0]["user"]);
        let authority = decoded(folder, "caller-ca.crt", &cluster["certificate-authority-data"])?;
        let certificate = decoded(folder, "caller.crt", &user["client-certificate-data"])?;
        let key = decoded(folder, "caller.key", &user["client-key-data"])?;
        let url = format!("{server}/api/v1/namespaces/default");
        Self::of(&["--cacert", &authority, "--cert", &certificate, "--key", &key, &url])
    }

    /// Begins; the first call has succeeded when this returns. `arguments` are curl's: what to call and how.
    pub fn of(arguments: &[&str]) -> Result<Self> {
        let call = Arc::new(Call { arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect() });
        call.make().map_err(|reason| anyhow::anyhow!("the first call fails: {reason}"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Ok(Self { stop, thread: std::thread::spawn(move || work(&call, &stopped)) })
    }

    /// Ends it, and waits for the calls that are under way.
    pub fn finish(self) -> Result<Calls> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| bail!("the client has panicked"))
    }
}

impl Calls {
    /// Fails when one call failed, or when none was made.
    pub fn all_good(&self) -> Result<()> {
        ensure!(self.made > 0, "the client has made no call");
        ensure!(self.failed.is_empty(), "{} of {} calls failed:\n{}", self.failed.len(), self.made, self.failed.join("\n"));
        Ok(())
    }
}

/// Each call has a thread of its own: one that hangs does not keep the next one waiting.
fn work(call: &Arc<Call>, stop: &AtomicBool) -> Result<Calls> {
    let begun = Instant::now();
    let mut next = begun;
    let mut threads: Vec<JoinHandle<Option<String>>> = Vec::new();
    let mut calls = Calls::default();
    while !stop.load(Ordering::Relaxed) {
        let (call, at) = (Arc::clone(call), begun.elapsed());
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        threads.push(std::thread::spawn(move || {
            let reason = call.make().err()?;
            Some(format!("at {:.1} s (clock {:.1}): {reason}", at.as_secs_f64(), clock.as_secs_f64()))
        }));
        let (ended, running) = threads.into_iter().partition(JoinHandle::is_finished);
        threads = running;
        calls.collect(ended)?;
        next += INTERVAL;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    calls.collect(threads)?;
    Ok(calls)
}

impl Calls {
    fn collect(&mut self, threads: Vec<JoinHandle<Option<String>>>) -> Result<()> {
        for thread in threads {
            self.made += 1;
            match thread.join() {
                Ok(failure) => self.failed.extend(failure),
                Err(_) => bail!("a call has panicked"),
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Call {
    arguments: Vec<String>,
}

impl Call {
    /// One call; the reason when it fails.
    fn make(&self) -> Result<(), String> {
        let quiet = ["--silent", "--show-error", "--noproxy", "*", "--max-time", LIMIT, "--output", "/dev/null"];
        let arguments = quiet.iter().copied().chain(["--write-out", "%{http_code} %{time_total}"]);
        let finished = run("curl", arguments.chain(self.arguments.iter().map(String::as_str))).map_err(|error| format!("{error:#}"))?;
        if finished.code == Some(0) && finished.stdout.starts_with("200 ") {
            return Ok(());
        }
        Err(format!("curl ended with {:?}, HTTP {}: {}", finished.code, finished.stdout, finished.stderr.trim()))
    }
}

/// Writes what a kubeconfig holds in Base64 into a file.
fn decoded(folder: &Path, name: &str, data: &serde_json::Value) -> Result<String> {
    let (path, encoded) = (folder.join(name), folder.join(format!("{name}.base64")));
    fs_err::write(&encoded, data.as_str().with_context(|| format!("the kubeconfig has no data for {name}"))?)?;
    let script = r#"umask 077; base64 -d <"$1" >"$2" && rm "$1""#;
    run("sh", ["-c", script, "sh", &encoded.display().to_string(), &path.display().to_string()])?.ok()?;
    Ok(path.display().to_string())
}
