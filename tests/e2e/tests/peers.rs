//! Hosts fetch from each other what many of them need: the operator's machine sends each content a few times only, and no run fails
//! because a host that gives is frozen.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Finished, Kind, Scenario, processes, together};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const LAYOUT: [(&str, &str); 8] = [
    ("m1", "etcd, master"),
    ("n1", "node"),
    ("n2", "node"),
    ("n3", "node"),
    ("n4", "node"),
    ("n5", "node"),
    ("n6", "node"),
    ("n7", "node"),
];
/// Hosts that a content is sent to by the operator.
const SEEDS: usize = 2;
/// Far above what a run takes.
const LIMIT: Duration = Duration::from_mins(10);
/// Counts what comes by SSH, which only the operator speaks, and what comes from other hosts.
const COUNTERS: &str = "table inet counted {
  counter operator {}
  counter hosts {}
  chain in {
    type filter hook input priority -300;
    tcp dport 22 counter name operator
    tcp sport 9347 counter name hosts
  }
}
";

#[test]
fn hosts_fetch_from_each_other() -> Result<()> {
    let topology = LAYOUT.map(|(name, _)| format!("[[hosts]]\nname = \"{name}\"\n")).concat();
    let scenario = Scenario::new("peer", &topology)?;
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?)?;
    let names = LAYOUT.map(|(name, _)| name);
    for name in names {
        scenario.lab.load_packet_filter(name, COUNTERS, scenario.folder.path())?;
    }
    scenario.step("eight new hosts");
    let report = Report::of(&scenario.up(&["--output", "json", "--limit-rate", "60"])?.ok()?)?;
    report.each_is_sent_to_few()?;
    counted(&scenario, &report)?;
    nobody_listens(&scenario)?;
    a_giver_is_frozen(&scenario)
}

/// What a run says of where contents came from.
struct Report {
    /// For each content: hosts that got it from the operator, and from hosts.
    origins: BTreeMap<String, (usize, usize)>,
    sent: BTreeMap<String, u64>,
    fetched: BTreeMap<String, u64>,
}

impl Report {
    fn of(finished: &Finished) -> Result<Self> {
        let mut origins: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let mut before: BTreeMap<String, u64> = BTreeMap::new();
        let mut now: BTreeMap<String, u64> = BTreeMap::new();
        let (events, answer) = finished.stdout.split_once("\n{\n").context("no report")?;
        let report = serde_json::from_str::<Value>(&format!("{{{answer}"))?["report"].take();
        for line in events.lines() {
            let event: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            let (Some(host), kind) = (event["host"].as_str(), &event["kind"]) else { continue };
            match (kind["type"].as_str(), kind["title"].as_str().and_then(|title| title.strip_prefix("send "))) {
                (Some("bytesSent"), _) => _ = now.insert(host.to_owned(), kind["fromHosts"].as_u64().unwrap_or(0)),
                (Some("stepFinished"), Some(name)) => {
                    let now = now.get(host).copied().unwrap_or(0);
                    let before = before.insert(host.to_owned(), now).unwrap_or(0);
                    let (sent, fetched) = origins.entry(name.to_owned()).or_default();
                    *(if now > before { fetched } else { sent }) += 1;
                }
                _ => {}
            }
        }
        let bytes = |field: &str| serde_json::from_value(report[field].clone()).with_context(|| format!("no {field}: {report}"));
        Ok(Self { origins, sent: bytes("sent")?, fetched: bytes("fetched")? })
    }

    fn each_is_sent_to_few(&self) -> Result<()> {
        let shared: Vec<_> = self.origins.iter().filter(|(_, (_, fetched))| *fetched > 0).collect();
        ensure!(shared.len() >= 5, "hardly anything went from host to host: {:?}", self.origins);
        for (name, (sent, fetched)) in shared {
            ensure!(*sent <= SEEDS && sent + fetched > SEEDS + 1, "{name}: {sent} by the operator, {fetched} by hosts");
        }
        let (sent, fetched) = (self.sent.values().sum::<u64>(), self.fetched.values().sum::<u64>());
        ensure!(sent < fetched, "{sent} bytes from the operator, {fetched} from hosts");
        Ok(())
    }
}

/// The packets say what the report says.
fn counted(scenario: &Scenario, report: &Report) -> Result<()> {
    let (mut beside, mut least) = (Vec::new(), u64::MAX);
    for (name, _) in LAYOUT {
        let table = scenario.lab.packet_table(name, "inet", "counted")?;
        let of = |bytes: &BTreeMap<String, u64>| bytes.get(name).copied().unwrap_or(0);
        let (operator, hosts) = (counted_bytes(&table, "operator")?, counted_bytes(&table, "hosts")?);
        ensure!(hosts >= of(&report.fetched), "{name}: {hosts} bytes came from hosts, {} are reported", of(&report.fetched));
        let rest = operator.checked_sub(of(&report.sent)).with_context(|| format!("{name}: {operator} bytes came by SSH"))?;
        beside.push((name, rest));
        least = least.min(rest);
    }
    // Beside the contents there are the agent itself, the same for all, and requests.
    for (name, rest) in beside {
        ensure!(rest < least + least / 5 + (2 << 20), "{name}: {rest} bytes beside the contents, {least} elsewhere");
    }
    Ok(())
}

/// The bytes of a counter of a table as text.
fn counted_bytes(table: &str, name: &str) -> Result<u64> {
    let (_, counter) = table.split_once(&format!("counter {name} {{")).with_context(|| format!("no counter {name} in {table}"))?;
    let mut words = counter.split_whitespace().skip_while(|word| *word != "bytes");
    words.nth(1).and_then(|bytes| bytes.parse().ok()).with_context(|| format!("no bytes of {name} in {table}"))
}

/// After the run nothing of it listens.
fn nobody_listens(scenario: &Scenario) -> Result<()> {
    for (name, _) in LAYOUT {
        let sockets = scenario.lab.get(name, "ss -Hltn")?;
        ensure!(!sockets.contains(":9347 "), "{name} still listens:\n{sockets}");
    }
    Ok(())
}

/// The nodes lose their programs, and the first one that gives is frozen while others fetch from it.
fn a_giver_is_frozen(scenario: &Scenario) -> Result<()> {
    scenario.step("a host that gives is frozen");
    let nodes: Vec<&str> = LAYOUT.iter().map(|(name, _)| *name).filter(|name| name.starts_with('n')).collect();
    together(&nodes, |node| {
        scenario.lab.get(node, "rm -rf /var/lib/barque/store/* /usr/local/bin/kubelet /usr/local/bin/kube-proxy /usr/local/bin/containerd")
    })?;
    let mut running = scenario.begin(&["up", "--output", "json"])?;
    running.says(&["\"fromHosts\""])?;
    let giver = {
        let lines = running.lines();
        let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut done = events.filter(|event| {
            event["kind"]["type"] == "stepFinished" && event["kind"]["title"].as_str().is_some_and(|title| title.starts_with("send "))
        });
        done.find_map(|event| event["host"].as_str().map(str::to_owned)).context("nothing was sent")?
    };
    let agents = processes(&scenario.lab, &giver, Kind::Agent)?;
    signal(&agents, Signal::STOP)?;
    // Longer than those that fetch wait for a word from it.
    std::thread::sleep(Duration::from_secs(12));
    signal(&agents, Signal::CONT)?;
    let finished = running.end(LIMIT)?.ok()?;
    ensure!(finished.stdout.contains("\"fromHosts\""), "nothing came from hosts");
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    Ok(())
}

fn signal(agents: &[u32], signal: Signal) -> Result<()> {
    ensure!(!agents.is_empty(), "no agent runs");
    for agent in agents {
        let agent = i32::try_from(*agent).ok().and_then(Pid::from_raw).context("a process has a number")?;
        kill_process(agent, signal)?;
    }
    Ok(())
}
