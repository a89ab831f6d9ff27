//! The same work for several hosts, at the same time.

use anyhow::{Result, bail};

/// Does `work` for all items at once, each in a thread; answers the results in order, or the first failure.
pub(crate) fn together<Item: Sync, Answer: Send>(items: &[Item], work: impl Fn(&Item) -> Result<Answer> + Sync) -> Result<Vec<Answer>> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread has panicked")));
        results.collect()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Barrier;

    use super::*;

    #[test]
    fn all_run_at_once_and_answers_keep_their_order() {
        let barrier = Barrier::new(3);
        let double = |number: &u32| {
            // Passed only when all three are here.
            barrier.wait();
            Ok(number * 2)
        };
        assert_eq!(together(&[1, 2, 3], double).unwrap(), [2, 4, 6]);
        assert!(together(&[1, 2], |number| if *number == 2 { bail!("no") } else { Ok(()) }).is_err());
    }
}
