//! What leaves the operator's machine for more and more hosts, counted by the kernel.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use fs_err as fs;

use super::report::{digits, megabytes};
use super::{Cluster, Interrupt, Lab, Place, step, text};

/// Numbers of hosts: one master, the others nodes.
const HOSTS: [u64; 3] = [2, 7, 20];

/// One deployment.
#[derive(Debug, Clone, Copy)]
struct Spread {
    hosts: u64,
    wall: Duration,
    /// Bytes from this machine into the hosts' network, everything included.
    left: u64,
    /// Contents that barque says it sent.
    sent: u64,
    /// Contents that hosts had from each other, as they would count when sent.
    fetched: u64,
}

/// Measures on one lab after the other and answers the table as Markdown.
pub(crate) fn measure(place: &Place, interrupt: &Interrupt) -> Result<String> {
    let spreads: Vec<Spread> = HOSTS.into_iter().map(|hosts| one(place, hosts, interrupt)).collect::<Result<_>>()?;
    Ok(table(&spreads))
}

fn one(place: &Place, hosts: u64, interrupt: &Interrupt) -> Result<Spread> {
    let folder = place.fresh(&format!("spread-{hosts}"))?;
    let mut topology = "[[hosts]]\nname = \"m1\"\n".to_owned();
    for number in 1..hosts {
        writeln!(topology, "[[hosts]]\nname = \"n{number}\"")?;
    }
    let file = folder.join("topology.toml");
    fs::write(&file, topology)?;
    step(&format!("boot {hosts} hosts; up"));
    let lab = Lab::up_with(&["--topology", text(&file)?], interrupt)?;
    let cluster = Cluster::bare(&lab, &folder)?;
    let before = lab.bytes_sent()?;
    let up = cluster.up("up", interrupt)?;
    let left = lab.bytes_sent()?.saturating_sub(before);
    let (sent, fetched) = (up.receipt.sent.values().sum(), up.receipt.fetched.values().sum());
    step(&format!("{hosts} hosts: {:.0} MB in {:.0} s", megabytes(left), up.wall.as_secs_f64()));
    Ok(Spread { hosts, wall: up.wall, left, sent, fetched })
}

fn table(spreads: &[Spread]) -> String {
    let mut table = String::from(
        "| hosts | `up` | left this machine | … of it contents | from host to host | left / sent to each by itself |\n|---:|---:|---:|---:|---:|---:|\n",
    );
    for spread in spreads {
        let [left, sent, fetched] = [spread.left, spread.sent, spread.fetched].map(megabytes);
        let (wall, ratio) = (spread.wall.as_secs_f64(), left / (left + fetched));
        let _ = writeln!(
            table,
            "| {} | {wall:.*} s | {left:.0} MB | {sent:.0} MB | {fetched:.0} MB | {ratio:.2} |",
            spread.hosts,
            digits(wall),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_what_would_have_been_sent() {
        let spread = Spread { hosts: 20, wall: Duration::from_secs(90), left: 400_000_000, sent: 350_000_000, fetched: 1_600_000_000 };
        let table = table(&[spread]);
        assert!(table.ends_with("| 20 | 90.0 s | 400 MB | 350 MB | 1600 MB | 0.20 |\n"), "{table}");
    }
}
