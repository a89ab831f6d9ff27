//! What the numbers depend on: the machine, without its names.

use anyhow::{Context as _, Result};
use fs_err as fs;

/// One line: cores, memory, kernel, control groups, and how busy it was before the benchmark.
pub(crate) fn describe() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let memory = memory(&fs::read_to_string("/proc/meminfo")?).context("`/proc/meminfo` does not tell the memory")?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let groups = if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").is_file() { "v2" } else { "v1" };
    Ok(format!(
        "{cores} cores ({}), {memory} GiB of memory, Linux {}, cgroup {groups}; load average before: {}",
        std::env::consts::ARCH,
        number(&release),
        load.split_whitespace().next().unwrap_or("unknown")
    ))
}

/// Memory in GiB, rounded to the nearest.
fn memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((kibibytes + (1 << 19)) >> 20)
}

/// The number of a kernel's release; what follows it may name who built it and for what.
fn number(release: &str) -> &str {
    let end = release.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(release.len());
    release[..end].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_rounded() {
        assert_eq!(memory("MemTotal:       24684556 kB\nMemFree: 1 kB\n"), Some(24));
        assert_eq!(memory("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn only_the_kernels_number_is_told() {
        assert_eq!(number("6.18.3-somebody-1\n"), "6.18.3");
        assert_eq!(number("6.18.0+\n"), "6.18.0");
        assert_eq!(number("6.1\n"), "6.1");
    }
}
