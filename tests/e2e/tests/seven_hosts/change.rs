//! A second `up` changes nothing; a changed field changes what follows from it, one master at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually};

const UNITS: &str = "etcd haproxy keepalived kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy flanneld";

/// Unit to the moment it became active, on each host, as systemd itself says.
pub(crate) fn active_since(scenario: &Scenario) -> Result<BTreeMap<String, String>> {
    let mut moments = BTreeMap::new();
    for host in crate::ALL {
        let command = format!(
            "for unit in {UNITS}; do systemctl is-active -q $unit && echo $unit $(systemctl show -p ActiveEnterTimestampMonotonic --value $unit); done; true"
        );
        for line in scenario.lab.get(host, &command)?.lines() {
            let (unit, moment) = line.split_once(' ').context("a line of two words")?;
            moments.insert(format!("{host} {unit}"), moment.to_owned());
        }
    }
    Ok(moments)
}

/// Hashes of all that barque manages, computed on the hosts.
fn hashes(scenario: &Scenario) -> Result<BTreeMap<String, String>> {
    let find = "find /etc/kubernetes /etc/etcd /etc/haproxy /etc/keepalived /etc/containerd /etc/cni /etc/kube-flannel /etc/systemd/system /etc/hosts /usr/local/bin /opt/cni/bin /var/lib/kubelet/config.yaml -type f -o -type l 2>/dev/null | sort | xargs stat -c '%n %a %U %Y' | sha256sum";
    crate::ALL.iter().map(|host| Ok(((*host).to_owned(), scenario.lab.get(host, find)?))).collect()
}

pub(crate) fn second_up_changes_nothing(scenario: &Scenario) -> Result<()> {
    scenario.step("a second up");
    let (moments, files) = (active_since(scenario)?, hashes(scenario)?);
    ensure!(moments.len() == 2 * 2 + 3 * 8 + 2 * 4, "units that run: {moments:?}");
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    ensure!(active_since(scenario)? == moments, "a unit was restarted");
    ensure!(hashes(scenario)? == files, "a file was written");
    Ok(())
}

pub(crate) fn one_flag_rolls_through_the_masters(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("one more flag for the API server");
    let before = active_since(scenario)?;
    let changed = ClusterFile::seven(&scenario.lab)?.spec("extraArgs:\n  kubeApiserver:\n    event-ttl: 30m0s");
    scenario.write(&changed)?;
    scenario.up(&[])?.ok()?;
    let after = active_since(scenario)?;
    let restarted: Vec<&String> = before.iter().filter(|(unit, moment)| after.get(*unit) != Some(moment)).map(|(unit, _)| unit).collect();
    let apiserver: Vec<String> = crate::MASTERS.iter().map(|host| format!("{host} kube-apiserver")).collect();
    ensure!(restarted.iter().copied().eq(apiserver.iter()), "restarted: {restarted:?}");
    // One at a time: on a common clock, each becomes active before the next one is asked to stop.
    let mut turns = Vec::new();
    for host in crate::MASTERS {
        let text = scenario.lab.get(host, "systemctl show -p InactiveEnterTimestampMonotonic -p ActiveEnterTimestampMonotonic --value kube-apiserver; tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value kube-apiserver)/cmdline | grep -c event-ttl=30m0s")?;
        let numbers: Vec<u64> = text.lines().map(str::parse).collect::<Result<_, _>>().with_context(|| text.clone())?;
        ensure!(numbers.len() == 3 && numbers[2] == 1, "{host}: {text}");
        turns.push((numbers[0].min(numbers[1]), numbers[0].max(numbers[1])));
    }
    ensure!(turns[0].1 <= turns[1].0 && turns[1].1 <= turns[2].0, "two masters were down at once: {turns:?}");
    eventually("the API after the change", Duration::from_secs(10), || kubectl.run(&["get", "nodes"])?.ok())?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    Ok(())
}

/// The failure names host, step, command and journal; the other masters are untouched and serve; putting it right goes on from there.
pub(crate) fn a_wrong_flag_stops_at_the_first_master(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    scenario.step("a wrong flag for the API server");
    let good = fs_err::read_to_string(scenario.cluster_file())?;
    let before = active_since(scenario)?;
    fs_err::write(scenario.cluster_file(), good.replace("event-ttl: 30m0s", "event-ttl: soon"))?;
    let texts = ["host m1", "restart kube-apiserver.service", "journal of kube-apiserver.service", "event-ttl", "exit status", "hint"];
    scenario.up(&[])?.code(1)?.says(&texts)?;
    let after = active_since(scenario)?;
    let touched: Vec<&String> = before.iter().filter(|(unit, moment)| after.get(*unit) != Some(moment)).map(|(unit, _)| unit).collect();
    // The controller-manager and scheduler of m1 end by themselves when they lose their API server and with it their lease.
    ensure!(touched.iter().all(|unit| unit.starts_with("m1 kube-")), "touched: {touched:?}");
    ensure!(!after.contains_key("m1 kube-apiserver"), "m1 must have taken the wrong flag");
    for host in ["m2", "m3"] {
        let flags = scenario.lab.get(host, "cat /etc/kubernetes/kube-apiserver.env")?;
        ensure!(!flags.contains("event-ttl=soon"), "{host} has the wrong flag already");
    }
    eventually("the API by the other masters", Duration::from_secs(10), || kubectl.run(&["get", "nodes"])?.ok())?;
    fs_err::write(scenario.cluster_file(), good)?;
    scenario.up(&[])?.ok()?;
    // What lost its lease meanwhile may be between two starts of its own.
    eventually("nothing to change", Duration::from_secs(30), || scenario.up(&[])?.ok()?.says(&["nothing to change"]).map(drop))
}
