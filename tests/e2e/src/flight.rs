//! A deployment during which things are killed, until it is done all the same.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::{Finished, Kind, Mark, Moment, Point, Running, Scenario, Tails, Target, kill_on, title_of};

/// Far above what a run takes, gates that wait in vain included.
const LIMIT: Duration = Duration::from_mins(15);
/// Between two looks at journals and events.
const INTERVAL: Duration = Duration::from_millis(3);

/// What one kill did.
#[derive(Debug)]
pub struct Report {
    /// The point.
    pub point: Point,
    /// Where it struck.
    pub struck: String,
    /// What the run that was struck, or the next one, did.
    pub then: String,
}

/// A deployment that has come to its end.
#[derive(Debug, Default)]
pub struct Flight {
    /// The kills.
    pub reports: Vec<Report>,
    /// Points that were never reached, because the deployment was done before.
    pub unreached: Vec<Point>,
    /// Hosts that lost their power.
    pub lost_power: BTreeSet<String>,
    /// Runs of `up` that it took.
    pub runs: usize,
}

/// Where a kill strikes.
struct Chance {
    host: Option<String>,
    what: String,
}

/// Runs `up` again and again until it is done, and kills at `points` meanwhile.
pub fn fly(scenario: &Scenario, points: Vec<Point>) -> Result<Flight> {
    let mut flight = Flight::default();
    let mut tails = Tails::new(&scenario.lab);
    let mut leaders = leaders(scenario)?;
    let most = points.len() + 3;
    let mut waiting: VecDeque<Point> = points.into();
    loop {
        flight.runs += 1;
        ensure!(flight.runs <= most, "the deployment is not done after {most} runs");
        let mut running = scenario.begin(&["up", "--break-lock", "--output", "json"])?;
        let mut struck = false;
        let mut seen = 0;
        loop {
            let ended = running.has_ended()?;
            let chances = chances(&mut tails, &running, &mut seen)?;
            if let Some(point) = waiting.front().copied().filter(|point| !ended && tails.changed() >= point.after)
                && let Some(chance) = chances.into_iter().find(|(moment, chance)| suits(point, *moment, chance)).map(|(_, chance)| chance)
                && strike(scenario, point, &chance, &mut running, &mut leaders, &mut flight)?
            {
                scenario.step(&format!("{point}: {}", chance.what));
                flight.reports.push(Report { point, struck: chance.what, then: String::new() });
                waiting.pop_front();
                struck = true;
            }
            if ended {
                break;
            }
            std::thread::sleep(INTERVAL);
        }
        let finished = running.end(LIMIT)?;
        let Some(code) = finished.code else { continue };
        let then = summary(&finished);
        for report in flight.reports.iter_mut().filter(|report| report.then.is_empty()) {
            scenario.step(&format!("after point {}: {then}", report.point.number));
            report.then.clone_from(&then);
        }
        match code {
            0 => break,
            1 | 4 if struck => {}
            _ => bail!(
                "an undisturbed run after a kill failed: `{}` ended with {code}\n{}\n{}",
                finished.command,
                tail(&finished.stdout),
                finished.stderr
            ),
        }
    }
    flight.unreached = waiting.into();
    Ok(flight)
}

fn leaders(scenario: &Scenario) -> Result<BTreeMap<String, u32>> {
    scenario.lab.hosts().iter().map(|host| Ok((host.name.clone(), scenario.lab.leader(&host.name)?))).collect()
}

/// What has happened since the last look.
fn chances(tails: &mut Tails, running: &Running, seen: &mut usize) -> Result<Vec<(Moment, Chance)>> {
    let journalled = tails.poll()?.into_iter().map(|(host, mark, line)| {
        let moment = if mark == Mark::Intent { Moment::Intent } else { Moment::Outcome };
        let line: String = line.chars().take(160).collect();
        (moment, Chance { what: format!("{host} wrote {line}"), host: Some(host) })
    });
    let mut found: Vec<(Moment, Chance)> = journalled.collect();
    let lines = running.lines();
    for (host, title) in lines[*seen..].iter().filter_map(|line| title_of(line)) {
        let what = format!("`{title}` began on {}", host.as_deref().unwrap_or("the cluster"));
        found.push((Moment::Step, Chance { host, what }));
    }
    *seen = lines.len();
    Ok(found)
}

fn suits(point: Point, moment: Moment, chance: &Chance) -> bool {
    point.moment == moment && (point.target == Target::Barque || chance.host.is_some())
}

/// Kills; `false` when there was nothing to kill any more.
fn strike(
    scenario: &Scenario,
    point: Point,
    chance: &Chance,
    running: &mut Running,
    leaders: &mut BTreeMap<String, u32>,
    flight: &mut Flight,
) -> Result<bool> {
    let host = chance.host.as_deref().unwrap_or_default();
    let leader = leaders.get(host).copied();
    Ok(match (point.target, leader) {
        (Target::Barque, _) => {
            running.kill()?;
            true
        }
        (Target::Agent, Some(leader)) => kill_on(leader, Kind::Agent)? > 0,
        (Target::Session, Some(leader)) => kill_on(leader, Kind::Session)? > 0,
        (Target::Power, Some(_)) => {
            scenario.lab.kill(host)?;
            scenario.lab.boot(host)?;
            leaders.insert(host.to_owned(), scenario.lab.leader(host)?);
            flight.lost_power.insert(host.to_owned());
            true
        }
        (_, None) => false,
    })
}

/// How a run ended, from its last event.
fn summary(finished: &Finished) -> String {
    let last = finished.stdout.lines().rev().find(|line| line.contains("\"runFinished\"")).unwrap_or_default();
    let event: serde_json::Value = serde_json::from_str(last).unwrap_or_default();
    let number = |name: &str| event["kind"][name].as_u64().map_or_else(|| "?".to_owned(), |number| number.to_string());
    let outcome = event["kind"]["outcome"].as_str().unwrap_or("no end");
    let failures = finished.stdout.lines().filter(|line| line.contains("\"stepFailed\"")).filter_map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        let failure = &event["kind"]["failure"];
        Some(format!("; {} {}: {}", failure["host"].as_str()?, failure["step"].as_str()?, failure["message"].as_str()?))
    });
    let failures: String = failures.collect();
    format!(
        "`up` ended with {:?} ({outcome}): {} changed, {} unchanged, {} failed, {:.1} s{failures}",
        finished.code.unwrap_or(-1),
        number("changed"),
        number("unchanged"),
        number("failed"),
        finished.took.as_secs_f64()
    )
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
