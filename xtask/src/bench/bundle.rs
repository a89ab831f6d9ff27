//! What bundles cost: one made again when everything is at hand, and one verified, beside `sha256sum` of the same bytes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use fs_err as fs;

use super::measure::measure as measured;
use super::report::digits;
use super::{Interrupt, Place, barque, step, text};
use crate::run;

/// Times that each program runs; the quickest counts, since only other work makes one slower.
const TIMES: usize = 3;

/// Hosts of every role, and the add-ons of the demo.
const CLUSTER: &str = "apiVersion: barque.dev/v1
kind: Cluster
metadata: {name: bench}
spec:
  kubernetes: {version: 1.37.2}
  loadBalancer: {vip: 192.0.2.10}
  hosts:
    - {name: lb1, address: 192.0.2.1, roles: [loadBalancer]}
    - {name: lb2, address: 192.0.2.2, roles: [loadBalancer]}
    - {name: m1, address: 192.0.2.3, roles: [etcd, master, node]}
  addons:
    - name: metrics-server
    - name: ingress
    - name: monitoring
";

/// Measures and answers the table as Markdown.
pub(crate) fn measure(place: &Place, interrupt: &Interrupt) -> Result<String> {
    let folder = place.fresh("bundle")?;
    let file = folder.join("cluster.yaml");
    fs::write(&file, CLUSTER)?;
    step("make a bundle, so that everything is at hand");
    let create = |name: &str| -> Result<(PathBuf, Duration)> {
        let made = folder.join(name);
        let arguments = ["bundle", "create", "--file", text(&file)?, "--source", "go-modules", "--to", text(&made)?];
        let taken = measured(&mut barque(&arguments), &folder.join(format!("{name}.log")), interrupt)?;
        Ok((made, taken.wall))
    };
    let (first, _) = create("first")?;
    let mut quickest = Duration::MAX;
    let mut made = first.clone();
    for number in 1..=TIMES {
        step(&format!("made again, {number} of {TIMES}"));
        let (again, wall) = create(&format!("again-{number}"))?;
        let manifest = |folder: &Path| fs::read(folder.join("manifest.json"));
        ensure!(manifest(&again)? == manifest(&first)?, "two bundles of the same things differ");
        quickest = quickest.min(wall);
        made = again;
    }
    let bytes = size(&made)?;
    step("read once, so that both find it in memory; then verified, and hashed by sha256sum");
    let sums = || hash(&made);
    let (mut verify, mut reference) = (Duration::MAX, Duration::MAX);
    measured(&mut sums()?, &folder.join("sha256sum.log"), interrupt)?;
    for _ in 0..TIMES {
        verify = verify.min(measured(&mut barque(&["bundle", "verify", text(&made)?]), &folder.join("verify.log"), interrupt)?.wall);
        reference = reference.min(measured(&mut sums()?, &folder.join("sha256sum.log"), interrupt)?.wall);
    }
    Ok(table(bytes, quickest, verify, reference))
}

/// `sha256sum` of every file, in one process after the other as `xargs` does it.
fn hash(folder: &Path) -> Result<Command> {
    Ok(run::command("sh", &["-c", "find \"$1\" -type f -print0 | xargs -0 sha256sum", "sh", text(folder)?]))
}

/// Bytes of all files.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

fn table(bytes: u64, create: Duration, verify: Duration, reference: Duration) -> String {
    let megabytes = super::report::megabytes(bytes);
    let seconds = |duration: Duration| format!("{:.*} s", digits(duration.as_secs_f64()), duration.as_secs_f64());
    let pace = |duration: Duration| megabytes / duration.as_secs_f64();
    format!(
        "| a bundle for every role and the demo's add-ons | value | aim |\n|---|---:|---:|\n\
         | its size | {megabytes:.1} MB |  |\n\
         | made again, everything at hand | {} | < 10 s |\n\
         | `bundle verify` | {} |  |\n\
         | … bytes a second | {:.0} MB |  |\n\
         | `sha256sum` of the same files | {} |  |\n\
         | … bytes a second | {:.0} MB |  |\n\
         | `bundle verify` / `sha256sum`, time | {:.2} | <= 1 |\n",
        seconds(create),
        seconds(verify),
        pace(verify),
        seconds(reference),
        pace(reference),
        verify.as_secs_f64() / reference.as_secs_f64(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_and_their_ratio() {
        let text = table(500_000_000, Duration::from_millis(1500), Duration::from_millis(500), Duration::from_secs(1));
        for line in [
            "| made again, everything at hand | 1.50 s | < 10 s |",
            "| … bytes a second | 1000 MB |  |",
            "| … bytes a second | 500 MB |  |",
            "| `bundle verify` / `sha256sum`, time | 0.50 | <= 1 |",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
        }
    }
}
