//! What a crash costs: a deployment that is killed after half the time that it takes, and gone on with.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fs_err as fs;

use super::cluster::{Cluster, Up};
use super::report::digits;
use super::{Interrupt, Lab, Place, step};
use crate::dist;

/// How often the killed run is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Measures on two labs, one after the other, and answers the table as Markdown.
pub(crate) fn measure(place: &Place, interrupt: &Interrupt) -> Result<String> {
    let undisturbed = {
        let folder = place.fresh("undisturbed")?;
        step("boot seven hosts; up, undisturbed");
        let lab = Lab::up(interrupt)?;
        Cluster::new(&lab, &folder)?.up("up", interrupt)?
    };
    step(&format!("{:.1} s; new hosts", undisturbed.wall.as_secs_f64()));
    let folder = place.fresh("killed")?;
    let lab = Lab::up(interrupt)?;
    let cluster = Cluster::new(&lab, &folder)?;
    let killed = kill_after(&cluster, undisturbed.wall / 2, interrupt)?;
    step(&format!("killed after {:.1} s; up again", killed.as_secs_f64()));
    let resumed = cluster.up_with("resumed", &["--break-lock"], interrupt)?;
    Ok(table(&undisturbed, killed, &resumed))
}

/// Starts `up` and kills it after `limit`; answers how long it had run.
fn kill_after(cluster: &Cluster, limit: Duration, interrupt: &Interrupt) -> Result<Duration> {
    let log = fs::File::create(cluster.log("killed"))?;
    let errors = log.file().try_clone()?;
    let mut command = cluster.command()?;
    command.stdin(Stdio::null()).stdout(log.into_parts().0).stderr(errors);
    let begun = Instant::now();
    let mut child = command.spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("`barque up` ended with {status} before it was killed; see `{}`", cluster.log("killed").display());
        }
        let interrupted = interrupt.check();
        if begun.elapsed() >= limit || interrupted.is_err() {
            child.kill()?;
            child.wait()?;
            interrupted?;
            return Ok(begun.elapsed());
        }
        std::thread::sleep(INTERVAL);
    }
}

fn table(undisturbed: &Up, killed: Duration, resumed: &Up) -> String {
    let seconds = |duration: Duration| {
        let value = duration.as_secs_f64();
        format!("{value:.*} s", digits(value))
    };
    let both = killed + resumed.wall;
    let sent = |up: &Up| up.receipt.sent.values().sum::<u64>();
    format!(
        "| going on after kill -9 | value |\n|---|---:|\n\
         | `up`, undisturbed | {} |\n\
         | `up`, killed after half that time | {} |\n\
         | `up` again, to the same end | {} |\n\
         | … until its plan was known | {} |\n\
         | both together / undisturbed | {:.2} |\n\
         | `up` again / undisturbed | {:.2} |\n\
         | steps that changed something: `up` again / undisturbed | {} / {} |\n\
         | bytes to send: `up` again / undisturbed | {} / {} |\n",
        seconds(undisturbed.wall),
        seconds(killed),
        seconds(resumed.wall),
        seconds(Duration::from_millis(resumed.receipt.planned_millis)),
        both.as_secs_f64() / undisturbed.wall.as_secs_f64(),
        resumed.wall.as_secs_f64() / undisturbed.wall.as_secs_f64(),
        resumed.receipt.changed,
        undisturbed.receipt.changed,
        dist::megabytes(sent(resumed)),
        dist::megabytes(sent(undisturbed)),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::receipt::Receipt;
    use super::*;

    #[test]
    fn both_parts_are_compared_with_the_whole() {
        let up = |seconds, changed, bytes| Up {
            wall: Duration::from_secs(seconds),
            peak: 1,
            receipt: Receipt {
                changed,
                planned_millis: 1500,
                sent: BTreeMap::from([("m1".into(), bytes)]),
                fetched: BTreeMap::new(),
                critical_path: Vec::new(),
            },
        };
        let text = table(&up(40, 480, 900_000_000), Duration::from_secs(8), &up(36, 240, 500_000_000));
        for line in [
            "| `up`, killed after half that time | 8.00 s |",
            "| both together / undisturbed | 1.10 |",
            "| steps that changed something: `up` again / undisturbed | 240 / 480 |",
            "| bytes to send: `up` again / undisturbed | 500.0 MB / 900.0 MB |",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
        }
    }
}
