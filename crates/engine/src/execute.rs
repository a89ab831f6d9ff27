//! Runs a plan's graph: each step as soon as what it needs is done, and nothing that depends on a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use barque_event::{EventKind, Failure, Stage, StepOutcome};
use barque_plan::{Plan, Step, StepId};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Events;
use crate::run_step::Runner;

/// What a run of a plan came to.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    pub(crate) changed: u32,
    pub(crate) unchanged: u32,
    pub(crate) failures: Vec<Failure>,
    pub(crate) skipped: u32,
    pub(crate) interrupted: bool,
    /// Start and end of each step, milliseconds from the start of the plan, for the critical path.
    pub(crate) spans: BTreeMap<StepId, (u64, u64)>,
}

/// A step that has come to its end: its number, when it began, and its result; none when it was stopped before it began.
type Ended = (StepId, u64, Option<Result<StepOutcome, Failure>>);

struct Progress<'a> {
    plan: &'a Plan,
    events: &'a Events,
    interrupt: watch::Receiver<bool>,
    begun: Instant,
    waiting: BTreeMap<StepId, BTreeSet<StepId>>,
    dependents: BTreeMap<StepId, Vec<StepId>>,
    stage_left: BTreeMap<Stage, u32>,
    stage_begun: BTreeMap<Stage, Instant>,
}

/// Executes `plan`. When `interrupt` becomes true, running steps end and no other begins, not even one that waits for a place on its host.
pub(crate) async fn execute(plan: &Plan, runner: Arc<Runner>, events: &Events, mut interrupt: watch::Receiver<bool>) -> Executed {
    let mut executed = Executed::default();
    let mut progress = Progress::new(plan, events, interrupt.clone());
    let mut running: JoinSet<Ended> = JoinSet::new();
    for step in progress.ready() {
        progress.start(step, &mut running, &runner);
    }
    while !running.is_empty() {
        let finished = tokio::select! {
            finished = running.join_next() => finished,
            changed = interrupt.changed(), if !executed.interrupted => {
                executed.interrupted = changed.is_ok() && *interrupt.borrow();
                continue;
            }
        };
        let Some(finished) = finished else { break };
        // A step that panicked is a defect of barque; it fails the run like any other failure.
        let (id, started, result) = match finished {
            Ok((id, started, Some(result))) => (id, started, result),
            Ok((_, _, None)) => {
                executed.interrupted = true;
                continue;
            }
            Err(error) => {
                executed.failures.push(Failure::new(format!("a step of barque itself broke: {error}")));
                continue;
            }
        };
        let step = &plan.steps[id.0 as usize];
        let ended = progress.millis();
        executed.spans.insert(id, (started, ended));
        match result {
            Ok(outcome) => {
                match outcome {
                    // A transfer is no change of its own: it belongs to the resource that needs it.
                    StepOutcome::Changed if step.action.changes() => executed.changed += 1,
                    StepOutcome::Unchanged => executed.unchanged += 1,
                    StepOutcome::Changed | StepOutcome::Holds => {}
                }
                let kind = EventKind::StepFinished { title: step.title.clone(), outcome, millis: ended - started };
                events.step(step.host.as_ref(), id, kind);
                progress.close(step.stage);
                for next in progress.finish(id) {
                    if executed.interrupted {
                        break;
                    }
                    progress.start(next, &mut running, &runner);
                }
            }
            Err(mut failure) => {
                failure.host = failure.host.or_else(|| step.host.clone());
                failure.step.clone_from(&step.title);
                events.step(step.host.as_ref(), id, EventKind::StepFailed { failure: failure.clone() });
                executed.failures.push(failure);
                progress.close(step.stage);
                executed.skipped += progress.skip_dependents(id);
            }
        }
    }
    executed
}

impl<'a> Progress<'a> {
    fn new(plan: &'a Plan, events: &'a Events, interrupt: watch::Receiver<bool>) -> Self {
        let mut dependents: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
        for step in &plan.steps {
            for needed in &step.after {
                dependents.entry(*needed).or_default().push(step.id);
            }
        }
        Self {
            plan,
            events,
            interrupt,
            begun: Instant::now(),
            waiting: plan.steps.iter().map(|step| (step.id, step.after.iter().copied().collect())).collect(),
            dependents,
            stage_left: plan.stages().into_iter().collect(),
            stage_begun: BTreeMap::new(),
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn ready(&self) -> Vec<StepId> {
        self.waiting.iter().filter(|(_, needed)| needed.is_empty()).map(|(id, _)| *id).collect()
    }

    fn start(&mut self, id: StepId, running: &mut JoinSet<Ended>, runner: &Arc<Runner>) {
        self.waiting.remove(&id);
        let step: Step = self.plan.steps[id.0 as usize].clone();
        if let std::collections::btree_map::Entry::Vacant(e) = self.stage_begun.entry(step.stage) {
            e.insert(Instant::now());
            self.events.send(EventKind::StageStarted { stage: step.stage });
        }
        let runner = Arc::clone(runner);
        let events = self.events.clone();
        let begun = self.begun;
        let interrupt = self.interrupt.clone();
        running.spawn(async move {
            // Waiting for a place on the host is not part of the step's own time.
            let place = runner.place(&step).await;
            if *interrupt.borrow() {
                return (id, 0, None);
            }
            let started = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            events.step(step.host.as_ref(), id, EventKind::StepStarted { stage: step.stage, title: step.title.clone() });
            let result = runner.run(&step).await;
            drop(place);
            (id, started, Some(result))
        });
    }

    /// Notes that `id` is done; returns the steps that can start now.
    fn finish(&mut self, id: StepId) -> Vec<StepId> {
        let mut ready = Vec::new();
        for dependent in self.dependents.get(&id).into_iter().flatten() {
            if let Some(needed) = self.waiting.get_mut(dependent) {
                needed.remove(&id);
                if needed.is_empty() {
                    ready.push(*dependent);
                }
            }
        }
        ready
    }

    fn skip_dependents(&mut self, id: StepId) -> u32 {
        let mut skipped = 0;
        let mut stack = vec![id];
        while let Some(failed) = stack.pop() {
            for dependent in self.dependents.get(&failed).cloned().into_iter().flatten() {
                if self.waiting.remove(&dependent).is_some() {
                    skipped += 1;
                    let step = &self.plan.steps[dependent.0 as usize];
                    self.events.step(step.host.as_ref(), dependent, EventKind::StepSkipped { title: step.title.clone() });
                    self.close(step.stage);
                    stack.push(dependent);
                }
            }
        }
        skipped
    }

    fn close(&mut self, stage: Stage) {
        let Some(left) = self.stage_left.get_mut(&stage) else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            let begun = self.stage_begun.get(&stage).map_or(0, |begun| begun.elapsed().as_millis());
            self.events.send(EventKind::StageFinished { stage, millis: u64::try_from(begun).unwrap_or(u64::MAX) });
        }
    }
}
