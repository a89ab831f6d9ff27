//! One record, changed by the threads that boot a lab's hosts.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::LabError;
use super::state::State;

/// The record while several hosts boot: every change is written down at once.
pub(crate) struct Shared<'a> {
    state: Mutex<State>,
    directory: &'a Path,
}

impl<'a> Shared<'a> {
    /// The record as it is, to be written to the lab's folder on every change.
    pub(crate) fn new(state: State, directory: &'a Path) -> Self {
        Self { state: Mutex::new(state), directory }
    }

    /// The record as it is now.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the record and writes it down.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), LabError> {
        let mut state = self.lock();
        change(&mut state);
        state.save(self.directory)
    }

    /// The record once all is done.
    pub(crate) fn into_state(self) -> State {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` for every index at the same time; all come to their end, the first error is returned.
pub(crate) fn for_each(count: usize, work: impl Fn(usize) -> Result<(), LabError> + Sync) -> Result<(), LabError> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|index| scope.spawn(move || work(index))).collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        results.fold(Ok(()), Result::and)
    })
}
