//! What is wrong is named with its place and remedy, with the documented exit code, and no host is changed.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

use anyhow::{Result, ensure};
use barque_e2e::{ClusterFile, Scenario, run};

const TOPOLOGY: &str = r#"
[[hosts]]
name = "a1"
[[hosts]]
name = "a2"
[[hosts]]
name = "old"
os_release = { id = "centos", version_id = "7" }
[[hosts]]
name = "full"
tmpfs = [{ path = "/var/lib/barque", size = "64M" }]
"#;

const HOSTS: [(&str, &str); 2] = [("a1", "etcd, master, node"), ("a2", "node")];

/// All that a deployment would change, hashed on the host.
fn fingerprint(scenario: &Scenario, host: &str) -> Result<String> {
    let find = "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/log -o -path /var/lib/barque -o -path /var/tmp \\) -prune -o \\( -type f -o -type l \\) -printf '%p %m %u %s %T@\\n' | grep -v -e /var/lib/systemd -e /etc/machine-id | sort | sha256sum; systemctl list-unit-files | sha256sum";
    scenario.lab.get(host, find)
}

#[test]
fn named_with_place_and_remedy() -> Result<()> {
    let scenario = Scenario::new("bad", TOPOLOGY)?;
    let before: Vec<String> = HOSTS.iter().map(|(host, _)| fingerprint(&scenario, host)).collect::<Result<_>>()?;
    cluster_file(&scenario)?;
    let good = ClusterFile::new(&scenario.lab, &HOSTS)?;
    scenario.write(&good)?;
    connections(&scenario, &good)?;
    artifacts(&scenario)?;
    hosts(&scenario)?;
    for ((host, _), before) in HOSTS.iter().zip(before) {
        ensure!(fingerprint(&scenario, host)? == before, "{host} was changed");
        // The agent itself, its empty folders and the empty lock file are there; nothing that it would have received or written for a run is.
        let own =
            "find /var/lib/barque -type f -not -path '/var/lib/barque/agent/*' -not \\( -path /var/lib/barque/lock -empty \\) 2>/dev/null";
        let leftovers = scenario.lab.get(host, own)?;
        ensure!(leftovers.is_empty(), "{host}: barque left {leftovers}");
    }
    Ok(())
}

fn cluster_file(scenario: &Scenario) -> Result<()> {
    scenario.step("the cluster file");
    let good = ClusterFile::new(&scenario.lab, &HOSTS)?.text();
    let address = scenario.lab.host("a1")?.address.to_string();
    let second = scenario.lab.host("a2")?.address.to_string();
    let cases: [(&str, String, &[&str]); 6] = [
        ("wrong YAML", format!("{good}  broken: [1, 2\n"), &["cluster.yaml:"]),
        ("unknown version", good.replace("1.37.2", "1.2.3"), &["1.2.3", "1.37.2", "cluster.yaml:7"]),
        ("CIDR not on its boundary", format!("{good}  network:\n    serviceCidr: 10.10.1.0/22\n"), &["10.10.0.0/22", "cluster.yaml:"]),
        ("duplicate address", good.replace(&second, &address), &[&address, "cluster.yaml:"]),
        ("two hosts with one name", good.replace("name: a2", "name: a1"), &["a1", "cluster.yaml:"]),
        ("unknown field", good.replace("  kubelet:", "  kublet:"), &["kublet", "kubelet", "cluster.yaml:"]),
    ];
    for (what, text, texts) in cases {
        fs_err::write(scenario.cluster_file(), text)?;
        for verb in ["validate", "up"] {
            let finished = scenario.barque(&[verb])?.code(2).and_then(|finished| finished.says(texts));
            finished.map_err(|error| error.context(what))?;
        }
    }
    Ok(())
}

fn connections(scenario: &Scenario, good: &ClusterFile) -> Result<()> {
    scenario.step("unknown host key");
    scenario.barque(&["up"])?.code(1)?.says(&["a1", "a2", "--accept-new-host-keys"])?;
    scenario.step("changed host key");
    let address = scenario.lab.host("a1")?.address;
    let key = &scenario.lab.host("a2")?.host_key;
    let changed = scenario.folder.path().join("changed_hosts");
    fs_err::write(&changed, format!("{address} {key}\n"))?;
    let finished = scenario.barque(&["up", "--accept-new-host-keys", "--known-hosts", &changed.display().to_string()])?;
    finished.code(1)?.says(&["host key of", "has changed", "ssh-keygen -R"])?;
    scenario.step("refused key");
    let other = scenario.folder.path().join("other_key");
    run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", &other.display().to_string()])?.ok()?;
    scenario.write(&good.clone().key(&other.display().to_string()))?;
    scenario.up(&[])?.code(1)?.says(&["refuses user `root`", "other_key"])?;
    scenario.write(good)?;
    scenario.step("unreachable host");
    // A node that does not answer would be left for later; without the only master there is nothing to begin with.
    scenario.lab.kill("a1")?;
    scenario.up(&[])?.code(5)?.says(&["no answer from a1", "quorum of 1"])?;
    scenario.lab.boot("a1")?;
    barque_e2e::eventually("a1 is back", std::time::Duration::from_secs(20), || {
        scenario.lab.get("a1", "systemctl is-active ssh || systemctl is-active ssh.socket").map(drop)
    })?;
    Ok(())
}

fn artifacts(scenario: &Scenario) -> Result<()> {
    scenario.step("missing artifact");
    let bundle = std::env::var("BARQUE_BUNDLE")?;
    let broken = scenario.folder.path().join("bundle");
    fs_err::create_dir_all(broken.join("blobs"))?;
    let manifest = fs_err::read_to_string(Path::new(&bundle).join("manifest.json"))?;
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    // The format without a checksum, so that what is left out is not seen as damage.
    manifest["format"] = 1.into();
    manifest.as_object_mut().unwrap().remove("checksum");
    for entry in fs_err::read_dir(Path::new(&bundle).join("blobs"))? {
        let entry = entry?;
        std::os::unix::fs::symlink(entry.path(), broken.join("blobs").join(entry.file_name()))?;
    }
    let complete = manifest.to_string();
    let kept: Vec<_> = manifest["artifacts"].as_array().unwrap().iter().filter(|artifact| artifact["name"] != "kubelet").cloned().collect();
    manifest["artifacts"] = kept.into();
    fs_err::write(broken.join("manifest.json"), manifest.to_string())?;
    let named = broken.display().to_string();
    scenario.up(&["--bundle", &named])?.code(1)?.says(&["kubelet", "1.37.2", "hint"])?;
    scenario.step("corrupted artifact");
    fs_err::write(broken.join("manifest.json"), &complete)?;
    let complete: serde_json::Value = serde_json::from_str(&complete)?;
    let etcd = complete["artifacts"].as_array().unwrap().iter().find(|artifact| artifact["name"] == "etcd").unwrap();
    let blob = broken.join("blobs").join(format!("{}.zst", etcd["digest"].as_str().unwrap()));
    let mut bytes = fs_err::read(&blob)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::remove_file(&blob)?;
    fs_err::write(&blob, bytes)?;
    scenario.up(&["--bundle", &named])?.code(1)?.says(&["corrupted", etcd["digest"].as_str().unwrap()])?;
    Ok(())
}

fn hosts(scenario: &Scenario) -> Result<()> {
    scenario.step("unsupported operating system, and a full disk, both reported at once");
    let file = ClusterFile::new(&scenario.lab, &[HOSTS[0], HOSTS[1], ("old", "node"), ("full", "node")])?;
    scenario.write(&file)?;
    scenario.up(&[])?.code(1)?.says(&["old", "centos 7", "is not supported", "full", "/var/lib/barque", "MB free"])?;
    Ok(())
}
