//! A cluster with every add-on from one file, with every way out dropped and counted; and a bundle of which any byte is wrong.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Scenario, run};

/// `op` is the operator's machine: it is a host of no cluster, so that its ways out can be counted like the others'.
const TOPOLOGY: &str = "[[hosts]]\nname = \"op\"\n[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n";
const LAYOUT: [(&str, &str); 2] = [("m1", "etcd, master, node"), ("n1", "node")];
const HOSTS: [&str; 3] = ["op", "m1", "n1"];

/// Whatever is for none of the lab's, the cluster's or the link's own addresses is dropped and counted.
const NO_WAY_OUT: &str = "
table inet ways_out {
    counter tries { }
    chain here {
        meta oifname lo accept
        ip daddr { LAB, 10.244.0.0/16, 10.96.0.0/16, 224.0.0.0/4, 255.255.255.255, 127.0.0.0/8 } accept
        ip6 daddr { fe80::/10, ff00::/8, ::1 } accept
        counter name tries drop
    }
    chain output { type filter hook output priority -300; policy accept; jump here; }
    chain forward { type filter hook forward priority -300; policy accept; jump here; }
}
";

#[test]
fn a_cluster_without_any_way_out() -> Result<()> {
    let scenario = Scenario::new("alone", TOPOLOGY)?;
    let addons = barque_addons(&scenario)?;
    let mut spec = "addons:\n".to_owned();
    for addon in &addons {
        let _ = writeln!(spec, "  - name: {addon}");
    }
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?.spec(&spec))?;
    scenario.step(&format!("one file with everything for {}", addons.join(", ")));
    let (folder, file) = (scenario.folder.path().join("bundle"), scenario.folder.path().join("all.barque"));
    scenario.barque(&["bundle", "create", "--to", &text(&folder)])?.ok()?;
    scenario.barque(&["bundle", "create", "--to", &text(&file)])?.ok()?;
    let again = scenario.folder.path().join("again.barque");
    scenario.barque(&["bundle", "create", "--to", &text(&again)])?.ok()?;
    ensure!(run("cmp", [&file, &again])?.code == Some(0), "made twice, and not the same");
    fs_err::remove_file(&again)?;

    every_file_counts(&scenario, &folder)?;
    nothing_is_touched(&scenario, &folder)?;
    up_without_a_way_out(&scenario, &file, &addons)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Their images come with no bundle: they cannot be built.
const PULLED: [&str; 3] = ["dashboard", "grafana", "opensearch"];

/// Every add-on of barque's whose images all come with a bundle, and which needs nothing of its user.
fn barque_addons(scenario: &Scenario) -> Result<Vec<String>> {
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?)?;
    let listed: serde_json::Value = serde_json::from_str(&scenario.barque(&["addons", "list", "--output", "json"])?.ok()?.stdout)?;
    let names = listed.as_array().context("a list of add-ons")?.iter().filter_map(|addon| addon["name"].as_str());
    // The registry wants a store, a certificate and passwords, which only its user has: `with_registry`.
    let left_out = |name: &&str| ["dns", "registry"].contains(name) || PULLED.contains(name);
    Ok(names.filter(|name| !left_out(name)).map(str::to_owned).collect())
}

/// Each file in turn is taken away, and then changed by one byte: `verify` names it.
fn every_file_counts(scenario: &Scenario, bundle: &Path) -> Result<()> {
    let mut files: Vec<PathBuf> = fs_err::read_dir(bundle.join("blobs"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.push(bundle.join("manifest.json"));
    scenario.step(&format!("each of {} files taken away, and changed by one byte", files.len()));
    let verify = || scenario.barque(&["bundle", "verify", &text(bundle)]);
    verify()?.ok()?;
    for file in &files {
        let name = file.file_name().context("a file has a name")?.to_string_lossy().into_owned();
        // Of a blob the message has the digest, which is its name.
        let called = name.trim_end_matches(".zst");
        let aside = scenario.folder.path().join("aside");
        fs_err::rename(file, &aside)?;
        let finished = verify()?;
        ensure!(finished.code != Some(0), "{name} is missing, and nothing is said");
        finished.says(&[called])?;
        fs_err::rename(&aside, file)?;

        let whole = fs_err::read(file)?;
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs_err::write(file, &changed)?;
        let finished = verify()?;
        ensure!(finished.code != Some(0), "{name} has a wrong byte, and nothing is said");
        finished.says(&[called])?;
        fs_err::write(file, &whole)?;
    }
    verify()?.ok().map(drop)
}

/// `up` with such a bundle stops before a host has anything of it.
fn nothing_is_touched(scenario: &Scenario, bundle: &Path) -> Result<()> {
    scenario.step("up with a bundle that lacks a file touches no host");
    let first = fs_err::read_dir(bundle.join("blobs"))?.next().context("a bundle has files")??.path();
    let aside = scenario.folder.path().join("aside");
    fs_err::rename(&first, &aside)?;
    let finished = scenario.up(&["--bundle", &text(bundle)])?;
    ensure!(finished.code != Some(0), "up has used a bundle that lacks a file");
    fs_err::rename(&aside, &first)?;
    for host in ["m1", "n1"] {
        let found = scenario.lab.get(host, "ls -d /var/lib/barque /etc/kubernetes /usr/local/bin/kubelet 2>/dev/null || true")?;
        ensure!(found.is_empty(), "{host} was touched: {found}");
    }
    Ok(())
}

fn up_without_a_way_out(scenario: &Scenario, bundle: &Path, addons: &[String]) -> Result<()> {
    scenario.step("up by the operator's machine, which has the program, the cluster file, a key and the bundle");
    let folder = scenario.folder.path();
    let operator = &scenario.lab.host("op")?.root;
    let home = operator.join("root/operator");
    fs_err::create_dir_all(&home)?;
    let program = scenario.command(&[]).get_program().to_owned();
    for (from, to) in [
        (PathBuf::from(program), "barque"),
        (scenario.cluster_file(), "cluster.yaml"),
        (scenario.lab.key().to_owned(), "key"),
        (scenario.lab.known_hosts().to_owned(), "known_hosts"),
        (bundle.to_owned(), "all.barque"),
    ] {
        fs_err::copy(from, home.join(to))?;
    }
    let cluster = fs_err::read_to_string(home.join("cluster.yaml"))?.replace(&text(scenario.lab.key()), "/root/operator/key");
    fs_err::write(home.join("cluster.yaml"), cluster)?;
    let address = scenario.lab.host("op")?.address.to_string();
    let network = address.rsplit_once('.').context("an IPv4 address")?.0;
    for host in HOSTS {
        scenario.lab.load_packet_filter(host, &NO_WAY_OUT.replace("LAB", &format!("{network}.0/24")), folder)?;
    }
    let barque = |arguments: &str| {
        scenario
            .lab
            .get("op", &format!("cd /root/operator && chmod 600 key && ./barque {arguments} --known-hosts known_hosts --bundle all.barque"))
    };
    barque("up")?;
    let status = scenario.lab.get("op", "cd /root/operator && ./barque addons status --known-hosts known_hosts")?;
    for addon in addons {
        ensure!(status.contains(addon.as_str()), "{addon} is not among those that are well:\n{status}");
    }
    scenario.step("nobody has tried to get out");
    for host in HOSTS {
        let rules = scenario.lab.packet_table(host, "inet", "ways_out")?;
        let counted = rules.split("counter tries {").nth(1).and_then(|rest| rest.split('}').next()).unwrap_or_default().trim();
        ensure!(counted == "packets 0 bytes 0", "{host} has tried to get out: {counted}");
    }
    Ok(())
}
