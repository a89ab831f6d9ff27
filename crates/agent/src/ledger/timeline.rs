//! The states that one thing went through.

use barque_model::RunId;

/// The states of a resource, cluster object or node, oldest first. `C` is what is known of a state, `P` what undoing a change needs.
#[derive(Debug, Clone)]
pub(super) struct Timeline<C, P> {
    now: State<C>,
    changes: Vec<Change<C, P>>,
}

#[derive(Debug, Clone)]
struct State<C> {
    /// Equal numbers are equal states. That different numbers are different states is not sure.
    version: usize,
    content: C,
    /// The changes that led to it and were not taken back on the way.
    in_force: Vec<usize>,
}

/// One change.
#[derive(Debug, Clone)]
pub(super) struct Change<C, P> {
    /// The run that made it.
    pub(super) run: RunId,
    /// Its place among all changes of the host.
    pub(super) order: usize,
    /// What undoing it needs.
    pub(super) undo: P,
    before: State<C>,
}

impl<C, P> Change<C, P> {
    /// What was known of the state before it.
    pub(super) const fn former(&self) -> &C {
        &self.before.content
    }
}

impl<C: Clone, P> Timeline<C, P> {
    /// A thing that barque has not touched.
    pub(super) const fn new(content: C) -> Self {
        Self { now: State { version: 0, content, in_force: Vec::new() }, changes: Vec::new() }
    }

    /// What is known of the present state.
    pub(super) const fn content(&self) -> &C {
        &self.now.content
    }

    /// All changes, oldest first.
    pub(super) fn changes(&self) -> &[Change<C, P>] {
        &self.changes
    }

    /// The changes that no rollback took back, oldest first. A rollback that was not taken back is among them.
    pub(super) fn in_force(&self) -> impl Iterator<Item = &Change<C, P>> {
        self.now.in_force.iter().filter_map(|index| self.changes.get(*index))
    }

    /// A change to a state that was not there before, as far as is known.
    pub(super) fn change(&mut self, run: &RunId, order: usize, undo: P, content: C) {
        let index = self.changes.len();
        let in_force = self.now.in_force.iter().copied().chain([index]).collect();
        let state = State { version: index + 1, content, in_force };
        let before = std::mem::replace(&mut self.now, state);
        self.changes.push(Change { run: run.clone(), order, undo, before });
    }

    /// A return to the state before the first change by `before` or a later run. `undo` undoes the return.
    pub(super) fn restore(&mut self, run: &RunId, order: usize, undo: P, before: &RunId, content: C) {
        let former = self.first(before).map(|first| (first.before.version, first.before.in_force.clone()));
        self.change(run, order, undo, content);
        if let Some((version, in_force)) = former {
            self.now.version = version;
            self.now.in_force = in_force.into_iter().chain([self.changes.len() - 1]).collect();
        }
    }

    /// The first change by `before` or a later run.
    pub(super) fn first(&self, before: &RunId) -> Option<&Change<C, P>> {
        self.changes.iter().find(|change| change.run >= *before)
    }

    /// The same, unless the state before it is there again.
    pub(super) fn to_undo(&self, before: &RunId) -> Option<&Change<C, P>> {
        self.first(before).filter(|first| first.before.version != self.now.version)
    }
}
