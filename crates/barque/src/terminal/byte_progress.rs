//! How far something with a known number of bytes is, when it takes longer than a moment.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::note;

/// What is done within this time shows nothing.
const QUIET: Duration = Duration::from_secs(2);
/// Without a terminal, a line this often.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Shows progress on standard error. Several threads may add to it.
pub(crate) struct ByteProgress {
    verb: &'static str,
    total: u64,
    done: AtomicU64,
    begun: Instant,
    bar: Option<ProgressBar>,
    last_line: Mutex<Option<Instant>>,
}

impl ByteProgress {
    /// Of `total` bytes; `verb` says what has happened to those that are done.
    pub(crate) fn new(verb: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(ProgressStyle::with_template("{msg} [{bar:24}]").unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { verb, total, done: AtomicU64::new(0), begun: Instant::now(), bar, last_line: Mutex::new(None) }
    }

    /// So many more bytes are done.
    pub(crate) fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let elapsed = self.begun.elapsed();
        if elapsed < QUIET {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_message(self.line(done, elapsed));
            bar.set_position(done);
        } else if let Ok(mut last) = self.last_line.try_lock()
            && last.is_none_or(|last| last.elapsed() > HEARTBEAT)
        {
            *last = Some(Instant::now());
            // There is nowhere to report that standard error is closed.
            let _ = note(&self.line(done, elapsed));
        }
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, done: u64, elapsed: Duration) -> String {
        let speed = done as f64 / 1e6 / elapsed.as_secs_f64().max(0.001);
        format!("{} {} of {} ({speed:.0} MB/s)", self.verb, DecimalBytes(done), DecimalBytes(self.total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let progress = ByteProgress::new("verified", 412_300_000);
        progress.add(1);
        assert!(progress.last_line.lock().is_ok_and(|last| last.is_none()), "quick work shows nothing");
        assert_eq!(progress.line(100_000_000, Duration::from_secs(4)), "verified 100.00 MB of 412.30 MB (25 MB/s)");
    }
}
