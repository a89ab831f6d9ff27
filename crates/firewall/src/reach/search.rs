//! Finds the longest packet that passes.

/// Sizes that are tried at once.
const TRIES: u16 = 16;

/// A search between a size that passes and one that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    passes: u16,
    fails: u16,
}

impl Search {
    /// `passes` passes, and `fails`, which is more, does not.
    pub const fn new(passes: u16, fails: u16) -> Self {
        Self { passes, fails }
    }

    /// The longest size that passes, once it is known.
    pub const fn found(self) -> Option<u16> {
        if self.passes + 1 >= self.fails { Some(self.passes) } else { None }
    }

    /// The sizes to try next, ascending; none when the longest is found.
    pub fn next(self) -> Vec<u16> {
        let between = self.fails.saturating_sub(self.passes).saturating_sub(1);
        let tries = between.min(TRIES);
        let step = |number: u16| {
            let offset = u32::from(between) * u32::from(number) / u32::from(tries.max(1));
            self.passes + u16::try_from(offset).unwrap_or(between)
        };
        (1..=tries).map(step).collect()
    }

    /// What is known after a round in which exactly `passed` of the tried sizes passed.
    #[must_use]
    pub fn narrowed(self, passed: &[u16]) -> Self {
        let tried = self.next();
        let passes = tried.iter().copied().filter(|size| passed.contains(size)).max().unwrap_or(self.passes);
        let fails = tried.iter().copied().filter(|size| !passed.contains(size) && *size > passes).min().unwrap_or(self.fails);
        Self { passes, fails }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_found_in_few_rounds() {
        for limit in 64..1500 {
            let mut search = Search::new(64, 1500);
            let mut rounds = 0;
            while search.found().is_none() {
                let passed: Vec<u16> = search.next().into_iter().filter(|size| *size <= limit).collect();
                search = search.narrowed(&passed);
                rounds += 1;
                assert!(rounds <= 3, "{limit}: {search:?}");
            }
            assert_eq!(search.found(), Some(limit));
            assert_eq!(search.next(), Vec::<u16>::new());
        }
    }
}
