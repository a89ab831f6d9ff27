//! Reads a run's events and shows them: a live view on a terminal, lines elsewhere, JSON for programs.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use barque_engine::EventReader;
use barque_event::RunEvent;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::{Lines, timed};
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
    lines: Lines,
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
        let lines = Lines::new(verbose, bar.is_none(), false);
        Self { output, lines, live: bar, view: Live::default(), begun: Instant::now(), last_line: Instant::now() }
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
        let Some(line) = self.lines.of(event) else { return Ok(()) };
        self.last_line = Instant::now();
        let line = timed(self.begun.elapsed().as_secs_f64(), &line);
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
}
