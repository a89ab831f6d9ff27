//! Time and memory of one program.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

use super::Interrupt;

/// How often the program is looked at; no measured time is wrong by more.
const INTERVAL: Duration = Duration::from_millis(5);
/// Lines of output that a failure shows.
const LINES: usize = 30;
/// Unit of times in `/proc/PID/stat`: a hundredth of a second on every Linux that barque runs on (proc(5), `sysconf(_SC_CLK_TCK)`).
const TICK: Duration = Duration::from_millis(10);

/// What a program took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// From start to end.
    pub(crate) wall: Duration,
    /// The most memory it had at one time (resident), in bytes.
    pub(crate) peak: u64,
    /// Processor time of all its threads, without that of programs it started.
    pub(crate) processor: Duration,
}

/// Runs it to its end with its output in the file `log`; fails unless it exits with 0.
pub(crate) fn measure(command: &mut Command, log: &Path, interrupt: &Interrupt) -> Result<Measured> {
    measure_ending(command, &[0], log, interrupt)
}

/// The same for a program that may end with one of `codes`.
pub(crate) fn measure_ending(command: &mut Command, codes: &[i32], log: &Path, interrupt: &Interrupt) -> Result<Measured> {
    let file = fs::File::create(log)?;
    let errors = file.file().try_clone()?;
    command.stdin(Stdio::null()).stdout(file.into_parts().0).stderr(errors);
    let begun = Instant::now();
    let mut child = command.spawn().context("cannot start the program to be measured")?;
    let process = format!("/proc/{}", child.id());
    let (mut peak, mut processor) = (0, Duration::ZERO);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if let Err(error) = interrupt.check() {
            child.kill()?;
            child.wait()?;
            return Err(error);
        }
        // Absent in the moment between its end and the next look.
        let look = |file: &str| fs::read_to_string(format!("{process}/{file}")).unwrap_or_default();
        peak = high_water(&look("status")).unwrap_or(0).max(peak);
        processor = processor_time(&look("stat")).unwrap_or(processor);
        std::thread::sleep(INTERVAL);
    };
    let wall = begun.elapsed();
    if !status.code().is_some_and(|code| codes.contains(&code)) {
        let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        bail!("it ended with {status}; the end of `{}`:\n{}", log.display(), lines[lines.len().saturating_sub(LINES)..].join("\n"));
    }
    Ok(Measured { wall, peak, processor })
}

/// Bytes behind `VmHWM` in `/proc/PID/status`; the kernel counts in units of 1024 bytes there.
fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

/// User and system time in `/proc/PID/stat`: fields 14 and 15, counted behind the program's name, which may have blanks.
fn processor_time(stat: &str) -> Option<Duration> {
    let (_, behind) = stat.rsplit_once(')')?;
    let ticks = behind.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().ok()).sum::<Option<u32>>()?;
    Some(TICK * ticks)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(high_water("Name:\tbarque\nVmPeak:\t  9 kB\nVmHWM:\t   1234 kB\nVmRSS:\t 3 kB\n"), Some(1_263_616));
        // A process that has ended has no memory to report.
        assert_eq!(high_water("Name:\tbarque\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn processor_time_is_of_user_and_system() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 120 30 5 6 20 0 1 0 100 1 1";
        assert_eq!(processor_time(stat), Some(Duration::from_millis(1500)));
        assert_eq!(processor_time(""), None);
    }

    #[test]
    fn time_is_taken_and_failures_show_the_output() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let interrupt = Interrupt::default();
        let script = |text: &str| crate::run::command("sh", &["-c", text]);
        let measured = measure(&mut script("sleep 0.1"), &log, &interrupt).unwrap();
        assert!(measured.wall >= Duration::from_millis(100) && measured.peak > 0, "{measured:?}");
        let error = measure(&mut script("echo because >&2; exit 3"), &log, &interrupt).unwrap_err().to_string();
        assert!(error.contains("because") && error.contains('3'), "{error}");
    }
}
