//! Hosts that do not answer, disks that are full, links that are cut: the rest is done, and the next run catches up.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Running, Scenario, Scope, eventually, together};
use barque_model::{Digest, RUN_MARKER};

/// n1 has room for a few small files in /etc/kubernetes, and memory of its own in place of the disk for blobs.
const TOPOLOGY: &str = r#"
[[hosts]]
name = "lb1"
[[hosts]]
name = "lb2"
[[hosts]]
name = "m1"
[[hosts]]
name = "m2"
[[hosts]]
name = "m3"
[[hosts]]
name = "n1"
tmpfs = [{ path = "/etc/kubernetes", size = "16K" }, { path = "/var/lib/barque", size = "1500M" }]
[[hosts]]
name = "n2"
"#;

/// Far above what a run takes.
const LIMIT: Duration = Duration::from_mins(15);

#[test]
fn the_rest_is_done_and_they_catch_up() -> Result<()> {
    let scenario = Scenario::new("away", TOPOLOGY)?;
    scenario.write(&ClusterFile::seven(&scenario.lab)?)?;
    scenario.lab.pause("n2")?;
    full_disks(&scenario)?;
    a_cut_link(&scenario)?;
    scenario.step("one node frozen: the rest is done");
    scenario.up(&[])?.code(4)?.says(&["n2"])?;
    nodes_are_ready(&scenario, &["m1", "m2", "m3", "n1"])?;
    scenario.lab.resume("n2")?;
    scenario.step("it answers again: it is caught up");
    scenario.up(&[])?.ok()?;
    nodes_are_ready(&scenario, &["m1", "m2", "m3", "n1", "n2"])?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    a_dead_member(&scenario)
}

fn nodes_are_ready(scenario: &Scenario, names: &[&str]) -> Result<()> {
    let kubectl = scenario.kubectl()?;
    let condition = "jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type==\"Ready\")].status} {end}";
    let text = kubectl.get(&["get", "nodes", "-o", condition])?;
    let wanted: Vec<String> = names.iter().map(|name| format!("{name}=True")).collect();
    ensure!(text.split_whitespace().eq(wanted.iter().map(String::as_str)), "nodes: {text}");
    Ok(())
}

/// The folder of this machine that n1 has in memory at /var/lib/barque.
fn memory(scenario: &Scenario) -> Result<PathBuf> {
    let root = &scenario.lab.host("n1")?.root;
    Ok(root.parent().context("a host's root has a folder above")?.join("memory/var-lib-barque"))
}

/// A file's write and a program's arrival meet full file systems of n1 in the middle of a run.
fn full_disks(scenario: &Scenario) -> Result<()> {
    scenario.step("two full file systems");
    let memory = memory(scenario)?;
    let mut running = scenario.begin(&["up", "--output", "json"])?;
    // Small files are written first; the room for blobs goes when they have met their full file system.
    running.says(&["\"n1\"", "no space left", "`/etc/kubernetes`"])?;
    fill(&memory, &mut running)?;
    let finished = running.end(LIMIT)?.code(1)?;
    for mount in ["`/etc/kubernetes`", "`/var/lib/barque`"] {
        let names = |line: &&str| [mount, "\"stepFailed\"", "\"n1\"", "no space left"].iter().all(|text| line.contains(text));
        ensure!(finished.stdout.lines().any(|line| names(&line)), "no failure names n1 and {mount}:\n{}", failures(&finished.stdout));
    }
    ensure!(finished.stdout.contains("\"hostPending\""), "n2 is not said to be pending");
    nothing_is_cut_short(scenario)?;
    fs_err::remove_file(memory.join("filler"))?;
    scenario.lab.get("n1", "mount -o remount,size=64M /etc/kubernetes").map(drop)
}

fn failures(output: &str) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| line.contains("\"stepFailed\"")).collect();
    lines.join("\n")
}

/// Bytes that stay free: enough for journals, too little for any blob.
const REST: u64 = 24 << 20;

/// Takes the room that is left as soon as the first bytes of a blob have come, which is after the check of free space.
fn fill(memory: &Path, running: &mut Running) -> Result<()> {
    while used(&memory.join("store"))? < 1 << 20 {
        ensure!(!running.has_ended()?, "the run ended before n1 received anything:\n{}", running.lines().join("\n"));
        std::thread::sleep(Duration::from_millis(2));
    }
    let filler = fs_err::File::create(memory.join("filler"))?;
    loop {
        let room = rustix::fs::statvfs(memory)?;
        let room = (room.f_bavail * room.f_frsize).saturating_sub(REST);
        if room < 4096 {
            return Ok(());
        }
        let length = filler.metadata()?.len();
        // What has been taken meanwhile is not there any more: the next round asks for less.
        let _ = rustix::fs::fallocate(filler.file(), rustix::fs::FallocateFlags::empty(), length, room);
    }
}

/// Bytes in a folder's files.
fn used(folder: &Path) -> Result<u64> {
    if !folder.is_dir() {
        return Ok(0);
    }
    let mut bytes = 0;
    for entry in fs_err::read_dir(folder)? {
        // One that is renamed at this moment counts the next time.
        bytes += entry?.metadata().map_or(0, |metadata| if metadata.is_file() { metadata.len() } else { 0 });
    }
    Ok(bytes)
}

/// Every file that the plan names is absent on n1 or has exactly the content that the plan names, and every blob has its name's digest.
fn nothing_is_cut_short(scenario: &Scenario) -> Result<()> {
    let run = scenario.last_run()?;
    let plan = fs_err::read_to_string(scenario.state().join("runs").join(&run).join("plan.json"))?;
    let plan: serde_json::Value = serde_json::from_str(&plan)?;
    let root = PathBuf::from(format!("/proc/{}/root", scenario.lab.leader("n1")?));
    let mut present = 0;
    for step in find_steps(&plan).context("the run's plan has steps")? {
        let file = &step["action"]["resource"]["File"];
        let (Some(path), Some(digest)) = (file["path"].as_str(), file["digest"].as_str()) else { continue };
        if step["host"] != "n1" {
            continue;
        }
        let Ok(content) = fs_err::read_to_string(root.join(path.trim_start_matches('/'))) else { continue };
        let found = Digest::of(content.replace(&run, RUN_MARKER).as_bytes()).to_string();
        ensure!(found == digest, "n1: {path} has {} bytes that are not what was wanted", content.len());
        present += 1;
    }
    ensure!(present > 0, "no file of n1 was written at all");
    for entry in fs_err::read_dir(root.join("var/lib/barque/store"))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.parse::<Digest>().is_ok() {
            ensure!(Digest::of(&fs_err::read(&path)?).to_string() == name, "n1: the blob {name} is cut short");
        }
    }
    Ok(())
}

fn find_steps(value: &serde_json::Value) -> Option<&Vec<serde_json::Value>> {
    let fields = value.as_object()?;
    fields.get("steps").and_then(serde_json::Value::as_array).or_else(|| fields.values().find_map(find_steps))
}

/// The link to n1 is cut while it receives programs, and healed later: the run goes on or leaves n1 for the next one.
fn a_cut_link(scenario: &Scenario) -> Result<()> {
    scenario.step("a cut link during a run");
    let store = memory(scenario)?.join("store");
    let before = used(&store)?;
    let mut running = scenario.begin(&["up", "--output", "json"])?;
    while used(&store)? <= before {
        ensure!(!running.has_ended()?, "the run ended before n1 received more:\n{}", running.lines().join("\n"));
        std::thread::sleep(Duration::from_millis(2));
    }
    scenario.lab.verb("cut", &["n1", "operator"])?.ok()?;
    for _ in 0..200 {
        if running.has_ended()? {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let alone = running.has_ended()?;
    scenario.lab.verb("heal", &[])?.ok()?;
    let finished = running.end(LIMIT)?.code(4)?;
    let pending = finished.stdout.lines().filter(|line| line.contains("\"hostPending\"") && line.contains("n1")).count();
    scenario.step(if alone {
        "it ended without n1"
    } else if pending > 0 {
        "it ended after the link was back, without n1"
    } else {
        "it went on with n1"
    });
    ensure!(!alone || pending > 0, "the run ended without n1 and does not say so:\n{}", failures(&finished.stdout));
    Ok(())
}

/// With one of three members away, a change of the others is refused before anything is done.
fn a_dead_member(scenario: &Scenario) -> Result<()> {
    scenario.step("one etcd member is dead: a change of the others is refused");
    let answering = ["lb1", "lb2", "m1", "m2", "n1", "n2"];
    let changed = ClusterFile::seven(&scenario.lab)?.spec("extraArgs:\n  etcd:\n    snapshot-count: 20000");
    scenario.write(&changed)?;
    scenario.lab.kill("m3")?;
    let scope = Scope::managed().with_times();
    let look = || -> Result<_> {
        let files = scenario.lab.listings(&answering, &scope)?;
        let starts = together(&["m1", "m2"], |host| {
            scenario.lab.get(host, "systemctl show -p ActiveEnterTimestampMonotonic --value etcd kube-apiserver")
        })?;
        Ok((files, starts))
    };
    let before = look()?;
    scenario.up(&[])?.code(5)?.says(&["etcd", "2 of 3", "quorum"])?;
    ensure!(look()? == before, "a refused run changed something");
    scenario.lab.boot("m3")?;
    scenario.step("it is back: the change is made");
    eventually("m3's etcd runs", Duration::from_mins(1), || scenario.lab.get("m3", "systemctl is-active etcd").map(drop))?;
    scenario.up(&[])?.ok()?;
    for host in ["m1", "m2", "m3"] {
        let flags = scenario.lab.get(host, "tr '\\0' ' ' </proc/$(systemctl show -p MainPID --value etcd)/cmdline")?;
        ensure!(flags.contains("--snapshot-count=20000"), "{host}: {flags}");
    }
    nodes_are_ready(scenario, &["m1", "m2", "m3", "n1", "n2"])
}
