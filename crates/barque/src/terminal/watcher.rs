//! Reads a run's events and shows them: a live view on a terminal, lines elsewhere, JSON for programs.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use barque_engine::EventReader;
use barque_event::{EventKind, RunEvent, StepOutcome};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::live::Live;
use super::{note, say};
use crate::arguments::Output;

/// A run that ends within this time shows no live view.
const QUIET: Duration = Duration::from_millis(250);
/// How often the live view is drawn.
const REDRAW: Duration = Duration::from_millis(125);
/// Characters of a line at most.
const WIDTH: usize = 110;
/// Without a terminal, a sign of life at least this often.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Shows a run.
pub(crate) struct Watcher {
    output: Output,
    verbose: bool,
    live: Option<ProgressBar>,
    view: Live,
    begun: Instant,
    last_line: Instant,
}

impl Watcher {
    /// `live` asks for the live view; it is used only when standard error is a terminal.
    pub(crate) fn new(output: Output, live: bool, verbose: bool) -> Self {
        let bar = (live && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { output, verbose, live: bar, view: Live::default(), begun: Instant::now(), last_line: Instant::now() }
    }

    /// Watches until the run's senders are gone.
    pub(crate) async fn watch(mut self, mut reader: EventReader) {
        let mut tick = tokio::time::interval(REDRAW);
        loop {
            tokio::select! {
                event = reader.recv() => {
                    let Some(event) = event else { break };
                    // Whoever closed the other end does not want to see more.
                    if self.show(&event).is_err() {
                        break;
                    }
                }
                _ = tick.tick() => self.redraw(),
            }
        }
        if let Some(bar) = &self.live {
            bar.finish_and_clear();
        }
    }

    fn show(&mut self, event: &RunEvent) -> Result<()> {
        self.view.apply(event);
        if self.output == Output::Json {
            return say(&serde_json::to_string(event)?);
        }
        let Some(line) = self.line(event) else { return Ok(()) };
        self.last_line = Instant::now();
        let line = format!("{:>6.1} s  {line}", self.begun.elapsed().as_secs_f64());
        match &self.live {
            Some(bar) => bar.println(line),
            None => note(&line)?,
        }
        Ok(())
    }

    fn redraw(&mut self) {
        if let Some(bar) = &self.live {
            if self.begun.elapsed() > QUIET {
                bar.set_message(self.view.text(self.begun.elapsed().as_secs_f64(), jiff::Timestamp::now(), WIDTH));
                bar.tick();
            }
        } else if self.output == Output::Text && self.last_line.elapsed() > HEARTBEAT {
            self.last_line = Instant::now();
            let _ = note(&self.view.text(self.begun.elapsed().as_secs_f64(), jiff::Timestamp::now(), WIDTH));
        }
    }

    /// The line that an event is worth, if any.
    fn line(&self, event: &RunEvent) -> Option<String> {
        let host = event.host.as_ref().map_or_else(|| "cluster".to_owned(), ToString::to_string);
        match &event.kind {
            EventKind::Planned { changes, .. } => Some(format!("{changes} changes are needed")),
            EventKind::StageStarted { stage } if self.live.is_none() => Some(format!("stage {stage}: begins")),
            EventKind::StageFinished { stage, millis } => Some(format!("stage {stage}: done in {:.1} s", *millis as f64 / 1000.0)),
            EventKind::StepFinished { title, outcome, millis } => {
                let matters = self.verbose
                    || (title.contains(".service") && *outcome == StepOutcome::Changed)
                    || (*outcome == StepOutcome::Holds && *millis > 1000);
                matters.then(|| format!("{host:<8} {title} ({:.1} s)", *millis as f64 / 1000.0))
            }
            EventKind::StepFailed { failure } => Some(format!("{host:<8} FAILED {}: {}", failure.step, failure.message)),
            EventKind::Note { text } => Some(format!("{host:<8} {text}")),
            EventKind::HostConnected { millis } if self.verbose => Some(format!("{host:<8} connected ({millis} ms)")),
            _ => None,
        }
    }
}
