//! The same work for several hosts, at the same time.

use anyhow::{Result, bail};

/// Does `work` for all items at once, each in a thread; answers the results in order, or the first failure.
pub fn together<Item: Sync, Answer: Send>(items: &[Item], work: impl Fn(&Item) -> Result<Answer> + Sync) -> Result<Vec<Answer>> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread has panicked"))).collect()
    })
}
