//! How fast writes reach a disk.

use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use barque_check::SyncLatency;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;

use crate::context::HostContext;
use crate::space::nearest;

/// About what etcd's log takes for each write under load.
const BLOCK: usize = 8 << 10;
const WRITES: u32 = 200;
/// Slow disks are known to be slow after this time.
const LONGEST: Duration = Duration::from_millis(800);

/// Measures below `path`, in a file without a name that is gone when it is closed (`O_TMPFILE`): no directory is touched. `None` where the
/// file system has no such files or cannot be written to.
pub(super) fn measure(context: &HostContext, path: &str) -> Option<SyncLatency> {
    let folder = nearest(context, path);
    let flags = i32::try_from(OFlags::TMPFILE.bits()).ok()?;
    let file = fs::OpenOptions::new().read(true).write(true).custom_flags(flags).mode(0o600).open(&folder).ok()?;
    let block = [0x5a; BLOCK];
    let mut times = Vec::new();
    let begun = Instant::now();
    for number in 0..WRITES {
        let write = Instant::now();
        file.file().write_all_at(&block, u64::from(number) * BLOCK as u64).ok()?;
        rustix::fs::fdatasync(&file).ok()?;
        times.push(write.elapsed());
        if begun.elapsed() > LONGEST {
            break;
        }
    }
    let writes = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let p99_micros = u64::try_from(percentile(&mut times)?.as_micros()).unwrap_or(u64::MAX);
    Some(SyncLatency { path: path.to_owned(), writes, p99_micros })
}

/// The smallest time that 99 of 100 do not exceed.
fn percentile(times: &mut [Duration]) -> Option<Duration> {
    times.sort_unstable();
    let rank = (times.len() * 99).div_ceil(100);
    times.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_of_a_hundred_may_be_slow() {
        let times = |slow: u64| (0..200).map(|number| Duration::from_micros(if number < slow { 9000 } else { 100 })).collect::<Vec<_>>();
        assert_eq!(percentile(&mut times(2)), Some(Duration::from_micros(100)));
        assert_eq!(percentile(&mut times(3)), Some(Duration::from_millis(9)));
        assert_eq!(percentile(&mut []), None);
    }

    #[test]
    fn nothing_appears_in_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let before = fs::metadata(root.path()).unwrap().modified().unwrap();
        let measured = measure(&HostContext::new(root.path()), "/var/lib/etcd");
        assert!(measured.is_none_or(|measured| measured.writes > 0));
        assert_eq!(fs::metadata(root.path()).unwrap().modified().unwrap(), before);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
