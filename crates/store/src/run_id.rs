//! Identifiers of runs. Their order is the order of the runs: hosts read their journals by it.

use std::path::Path;

use barque_model::{InvalidName, RunId};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::runs::{RunError, Runs};

/// The identifier of a run that starts at `now`; `random` tells apart runs of the same second in different state directories.
pub fn run_id(now: Timestamp, random: u16) -> Result<RunId, InvalidName> {
    format!("{}-{random:04x}", now.strftime("%Y%m%dT%H%M%SZ")).parse()
}

/// When a run started, from its identifier, to the second; `None` for digits that are no date.
pub fn started_at(run: &RunId) -> Option<Timestamp> {
    let text = run.as_str().split('-').next()?;
    Some(DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The identifier of the next run of the state directory `state`, which need not be there yet: later than every other of it, also within
/// the same second and after the clock was set back. A host takes the run with the last identifier for the last one.
pub fn next_run(state: &Path, now: Timestamp, random: u16) -> Result<RunId, RunError> {
    let wanted = run_id(now, random)?;
    match Runs::new(state.join("runs")).list()?.into_iter().next() {
        Some(newest) if newest >= wanted => Ok(following(&newest).unwrap_or(wanted)),
        _ => Ok(wanted),
    }
}

/// The identifier right behind that of `run`.
fn following(run: &RunId) -> Option<RunId> {
    let (time, number) = run.as_str().split_once('-')?;
    match u16::from_str_radix(number, 16).ok()?.checked_add(1) {
        Some(number) => format!("{time}-{number:04x}").parse().ok(),
        None => run_id(started_at(run)? + jiff::SignedDuration::from_secs(1), 0).ok(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: &str = "2026-11-25T02:04:05.4Z";

    fn next(others: &[&str], random: u16) -> String {
        let folder = tempfile::tempdir().unwrap();
        for other in others {
            fs_err::create_dir_all(folder.path().join("runs").join(other)).unwrap();
        }
        next_run(folder.path(), NOW.parse().unwrap(), random).unwrap().to_string()
    }

    #[test]
    fn identifiers_hold_the_time() {
        let run = run_id("2026-11-25T03:04:05.678+01:00".parse().unwrap(), 0xb).unwrap();
        assert_eq!(run.as_str(), "20261125T020405Z-000b");
        assert_eq!(started_at(&run), Some("2026-11-25T02:04:05Z".parse().unwrap()));
        assert_eq!(started_at(&"99999999T999999Z-ffff".parse().unwrap()), None);
    }

    #[test]
    fn a_run_is_later_than_those_before_it() {
        assert_eq!(next(&[], 0xb), "20261125T020405Z-000b");
        assert_eq!(next(&["20261125T020404Z-ffff"], 0xb), "20261125T020405Z-000b");
        assert_eq!(next(&["20261125T020405Z-0001", "20261125T020405Z-000a"], 0xb), "20261125T020405Z-000b");
        assert_eq!(next(&["20261125T020405Z-00aa", "20261125T020404Z-bbbb"], 0xb), "20261125T020405Z-00ab", "the same second");
        assert_eq!(next(&["20261125T020405Z-ffff"], 0xb), "20261125T020406Z-0000");
        assert_eq!(next(&["20271125T020405Z-00aa"], 0xb), "20271125T020405Z-00ab", "the clock was set back");
    }
}
