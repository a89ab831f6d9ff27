//! Things are killed all through a deployment, and it ends in the state of an undisturbed one.
//!
//! By default at four points, one of each kind; `cargo xtask soak` sets `BARQUE_SOAK_POINTS` to more.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, EndState, Flight, Scenario, changes, eventually, fly, once_only, points};

const POINTS: usize = 4;
/// Kills in one deployment.
const EACH: usize = 5;

#[test]
fn killed_and_resumed() -> Result<()> {
    let count = match std::env::var("BARQUE_SOAK_POINTS") {
        Ok(text) => text.parse().with_context(|| format!("BARQUE_SOAK_POINTS is no number: {text}"))?,
        Err(_) => POINTS,
    };
    let mut scenario = Scenario::new("kill", "")?;
    scenario.write(&ClusterFile::seven(&scenario.lab)?)?;
    scenario.step("an undisturbed deployment");
    scenario.up(&[])?.ok()?;
    let undisturbed = EndState::take(&scenario, &scenario.kubectl()?)?;
    let all = changes(&scenario.lab)?;
    ensure!(once_only(&all, &[].into()).is_empty(), "the undisturbed run applied something twice");
    let total = all.iter().filter(|change| change.result.as_deref() == Some("changed")).count();
    ensure!(total > 300, "the undisturbed run changed {total} things only");
    let mut lines = Vec::new();
    let mut faults = Vec::new();
    let mut left = Vec::new();
    let dealt = points(count, total, EACH);
    let deployments = dealt.len();
    for (number, some) in dealt.into_iter().enumerate() {
        scenario.step(&format!("deployment {} of {deployments}: new hosts", number + 1));
        scenario.renew_hosts()?;
        let flight = fly(&scenario, some)?;
        faults.extend(compared(&scenario, &undisturbed, &flight)?.into_iter().map(|fault| format!("deployment {}: {fault}", number + 1)));
        lines.extend(flight.reports.iter().map(|report| format!("{}; {}; {}", report.point, report.struck, report.then)));
        left.extend(flight.unreached);
    }
    scenario.step(&format!("{} points:\n{}", lines.len(), lines.join("\n")));
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    ensure!(left.is_empty(), "points that were not reached, because the deployment was done before: {left:?}");
    ensure!(lines.len() == count, "{} of {count} points were shown", lines.len());
    Ok(())
}

/// What differs from an undisturbed deployment, or was done twice.
fn compared(scenario: &Scenario, undisturbed: &EndState, flight: &Flight) -> Result<Vec<String>> {
    let mut faults = once_only(&changes(&scenario.lab)?, &flight.lost_power);
    let last = scenario.up(&[])?;
    if last.code != Some(0) || !last.stdout.contains("nothing to change") {
        faults.push(format!("one more `up` is not without changes: {:?}\n{}\n{}", last.code, last.stdout, last.stderr));
    }
    let kubectl = scenario.kubectl()?;
    // A host that lost its power may still be getting its pods and taints in order.
    let settled = eventually("the end state of an undisturbed deployment", Duration::from_mins(2), || {
        let different = undisturbed.differences(&EndState::take(scenario, &kubectl)?);
        ensure!(different.is_empty(), "{}", different.join("\n"));
        Ok(())
    });
    if let Err(error) = settled {
        faults.push(format!("{error:#}"));
    }
    Ok(faults)
}
