//! A run of barque that goes on while the scenario does something else.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::Finished;

/// Between two looks at what a program has said.
const INTERVAL: Duration = Duration::from_millis(5);

/// A program that was started. It is killed when this is dropped before its end.
pub struct Running {
    shown: String,
    child: Child,
    begun: Instant,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    errors: fs_err::File,
}

impl Running {
    /// Starts `command`; its standard error goes to a file in `folder`.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Result<Self> {
        let shown = format!("{command:?}").replace('"', "");
        let errors = tempfile::Builder::new().prefix("stderr-").tempfile_in(folder)?;
        let (file, path) = errors.keep()?;
        command.stdout(Stdio::piped()).stderr(file);
        let begun = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot run `{shown}`"))?;
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let output = child.stdout.take().context("standard output is a pipe")?;
        let sink = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n') {
                let Ok(line) = line else { break };
                sink.lock().unwrap_or_else(PoisonError::into_inner).push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Ok(Self { shown, child, begun, lines, reader: Some(reader), errors: fs_err::File::open(path)? })
    }

    /// The lines of its standard output so far; with `--output json` each is an event.
    pub fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its process on this machine.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until it has said a line with each of `texts`. Fails when it ends before.
    pub fn says(&mut self, texts: &[&str]) -> Result<()> {
        loop {
            let ended = self.has_ended()?;
            if self.lines().iter().any(|line| texts.iter().all(|text| line.contains(text))) {
                return Ok(());
            }
            if ended {
                bail!("`{}` ended before it said {texts:?}:\n{}", self.shown, self.lines().join("\n"));
            }
            std::thread::sleep(INTERVAL);
        }
    }

    /// kill -9.
    pub fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill()?)
    }

    /// Waits for its end. One that takes longer than `limit`, which is far above what it needs, hangs: it is killed, and that is an error.
    pub fn end(mut self, limit: Duration) -> Result<Finished> {
        let since = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait()? {
                break status.code();
            }
            if since.elapsed() > limit {
                self.child.kill()?;
                self.child.wait()?;
                let tail = last(&self.lines(), 20);
                let stderr = self.stderr()?;
                bail!("`{}` hangs: no end within {} s; its last lines:\n{tail}\n{stderr}", self.shown, limit.as_secs());
            }
            std::thread::sleep(INTERVAL);
        };
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let stdout = self.lines().join("\n");
        let stderr = self.stderr()?;
        Ok(Finished { command: self.shown.clone(), code, stdout, stderr, took: self.begun.elapsed() })
    }

    fn stderr(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        self.errors.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn last(lines: &[String], count: usize) -> String {
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Host and title of the step that an event line begins; `None` for other lines.
pub fn title_of(line: &str) -> Option<(Option<String>, String)> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    if event["kind"]["type"] != "stepStarted" {
        return None;
    }
    let title = event["kind"]["title"].as_str()?.to_owned();
    Some((event["host"].as_str().map(str::to_owned), title))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_it_says_is_seen_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two three; echo oops >&2; read wait; exit 3"]).stdin(Stdio::piped());
        let mut running = Running::start(command, folder.path()).unwrap();
        running.says(&["two", "three"]).unwrap();
        assert!(!running.has_ended().unwrap());
        drop(running.child.stdin.take());
        let finished = running.end(Duration::from_secs(20)).unwrap();
        assert_eq!((finished.code, finished.stdout.as_str(), finished.stderr.as_str()), (Some(3), "one\ntwo three", "oops\n"));
    }

    #[test]
    fn one_that_hangs_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo begun; sleep 600"]);
        let error = Running::start(command, folder.path()).unwrap().end(Duration::from_millis(300)).unwrap_err().to_string();
        assert!(error.contains("hangs") && error.contains("begun"), "{error}");
    }

    #[test]
    fn titles_are_those_of_steps_that_begin() {
        let line = r#"{"seq":3,"at":"x","host":"m1","step":4,"kind":{"type":"stepStarted","stage":"etcd","title":"start etcd.service"}}"#;
        assert_eq!(title_of(line), Some((Some("m1".into()), "start etcd.service".into())));
        assert_eq!(title_of(&line.replace("stepStarted", "stepFinished")), None);
    }
}
