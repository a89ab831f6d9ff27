//! Planning for hosts that are recorded: no host is there, and what agents would see of it is made from what must be on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result};
use barque_model::{Cluster, Digest, HostFile, HostName, ObjectDifference, Release, RunId};
use barque_plan::{
    Archive, ArtifactIndex, Blob, ClusterFacts, ClusterObject, DesiredInputs, HostDesired, HostObserved, LedgerEntry, Observed, Plan,
    PlanInputs, Prior, Resource, UnitState,
};

use super::plan::Planned;

/// Times that each part is done; the median counts.
const ROUNDS: usize = 7;
/// Hosts that are not plain nodes: two balancers, three masters with etcd.
const SERVING: [(&str, &str); 5] =
    [("lb1", "loadBalancer"), ("lb2", "loadBalancer"), ("m1", "etcd, master"), ("m2", "etcd, master"), ("m3", "etcd, master")];

struct World {
    cluster: Cluster,
    release: Release,
    secrets: BTreeMap<HostName, Vec<HostFile>>,
    artifacts: ArtifactIndex,
    bootstrap: Vec<ClusterObject>,
    dns: Vec<ClusterObject>,
}

/// Plans for `count` hosts.
pub(crate) fn measure(count: u16) -> Result<Planned> {
    let world = World::new(count)?;
    let desired = world.desired()?;
    let (fresh, applied, ledger) = (fresh(&desired), applied(&desired), ledger(&desired)?);
    let (nothing, empty) = (ClusterFacts::default(), BTreeMap::new());
    let all = ClusterFacts {
        objects: world.objects().map(|object| (object.name.clone(), ObjectDifference::Same)).collect(),
        ..ClusterFacts::default()
    };
    let inputs_bytes = memory("VmRSS:")?;
    let (desired_millis, _) = median(|| world.desired())?;
    let (fresh_millis, plan) = median(|| Ok(world.plan(&desired, &fresh, &empty, &nothing)))?;
    let (unchanged_millis, _) = median(|| Ok(world.plan(&desired, &applied, &ledger, &all)))?;
    Ok(Planned {
        resources: desired.values().map(|wanted| wanted.resources.len()).sum(),
        steps: plan.steps.len(),
        bytes: serde_json::to_vec(&plan)?.len(),
        desired_millis,
        fresh_millis,
        unchanged_millis,
        inputs_bytes,
        peak_bytes: memory("VmHWM:")?,
    })
}

impl World {
    fn new(count: u16) -> Result<Self> {
        let version = *barque_catalog::supported().first().context("the catalog is empty")?;
        let text = cluster_file(count, &version.to_string());
        let known = barque_spec::Known { kubernetes: &[version] };
        let cluster = barque_spec::parse(&text, "cluster.yaml", &known).map_err(|errors| anyhow::anyhow!("{errors}"))?.cluster;
        let release = barque_catalog::release(&version)?;
        let (vault, _) = barque_pki::issue(&cluster, None, jiff::Timestamp::now())?;
        let files = cluster.hosts.iter().map(|host| Ok((host.name.clone(), barque_pki::files_for(&cluster, host, &vault)?)));
        let secrets = files.collect::<Result<_>>()?;
        let artifacts = artifacts(&cluster, &release);
        let objects = barque_render::objects(&cluster, &release);
        let named = |objects: Vec<serde_json::Value>| {
            let name = |object: &serde_json::Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
            objects.into_iter().map(|object| ClusterObject { name: name(&object), json: object.to_string() }).collect()
        };
        let (bootstrap, dns) = (named(objects.bootstrap), named(objects.dns));
        Ok(Self { cluster, release, secrets, artifacts, bootstrap, dns })
    }

    fn objects(&self) -> impl Iterator<Item = &ClusterObject> {
        self.bootstrap.iter().chain(&self.dns)
    }

    fn desired(&self) -> Result<BTreeMap<HostName, HostDesired>> {
        let hosts = self.cluster.hosts.iter().map(|host| {
            let inputs = DesiredInputs {
                addon_images: &[],
                cluster: &self.cluster,
                release: &self.release,
                secrets: &self.secrets[&host.name],
                artifacts: &self.artifacts,
                interface: "eth0",
            };
            Ok((host.name.clone(), barque_plan::desired(&inputs, host)?))
        });
        hosts.collect()
    }

    fn plan(
        &self,
        desired: &BTreeMap<HostName, HostDesired>,
        observed: &BTreeMap<HostName, HostObserved>,
        ledger: &BTreeMap<HostName, Vec<LedgerEntry>>,
        facts: &ClusterFacts,
    ) -> Plan {
        barque_plan::build(&PlanInputs {
            cluster: &self.cluster,
            desired,
            observed,
            ledger,
            overwrite_drift: false,
            facts,
            bootstrap: &self.bootstrap,
            dns: &self.dns,
            addons: &[],
            unwanted: &[],
            authority: "PEM",
        })
    }
}

fn cluster_file(count: u16, version: &str) -> String {
    let mut text = format!(
        "apiVersion: barque.dev/v1\nkind: Cluster\nmetadata:\n  name: recorded\nspec:\n  kubernetes:\n    version: {version}\n  hosts:\n"
    );
    let nodes = (1..).map(|number| (format!("n{number}"), "node"));
    let hosts = SERVING.iter().map(|(name, roles)| ((*name).to_owned(), *roles)).chain(nodes);
    for ((name, roles), number) in hosts.zip(0..count) {
        let address = format!("10.1.{}.{}", number / 250, number % 250 + 1);
        let _ = write!(text, "    - name: {name}\n      address: {address}\n      roles: [{roles}]\n");
    }
    // A block of pod addresses for each of up to 4096 nodes.
    text.push_str("  loadBalancer:\n    vip: 10.1.0.254\n  network:\n    podCidr: 10.128.0.0/12\n");
    text
}

fn blob(text: &str) -> Blob {
    Blob { digest: Digest::of(text.as_bytes()), size: text.len() as u64 }
}

fn artifacts(cluster: &Cluster, release: &Release) -> ArtifactIndex {
    let mut artifacts = ArtifactIndex::default();
    for host in &cluster.hosts {
        for need in barque_render::binaries(release, host) {
            let content = blob(&format!("{} {}", need.artifact, need.version));
            artifacts.binaries.insert((need.artifact, need.version), content);
        }
        for package in barque_render::packages(cluster, host) {
            let archive = Archive { name: package.to_owned(), version: "1".into(), blob: blob(package) };
            artifacts.packages.insert(package.to_owned(), vec![archive]);
        }
    }
    for need in barque_render::images(release) {
        let content = blob(&need.reference);
        artifacts.images.insert(need.reference, content);
    }
    artifacts
}

/// What agents see of hosts on which nothing is.
fn fresh(desired: &BTreeMap<HostName, HostDesired>) -> BTreeMap<HostName, HostObserved> {
    let host = |wanted: &HostDesired| {
        let blobs = wanted.resources.iter().flat_map(|wanted| wanted.resource.blobs());
        HostObserved { resources: BTreeMap::new(), missing_blobs: blobs.map(|blob| blob.digest).collect() }
    };
    desired.iter().map(|(name, wanted)| (name.clone(), host(wanted))).collect()
}

/// What agents see when everything is as it should be.
fn applied(desired: &BTreeMap<HostName, HostDesired>) -> BTreeMap<HostName, HostObserved> {
    let host = |wanted: &HostDesired| {
        let resources = wanted.resources.iter().map(|wanted| (wanted.resource.id(), as_applied(&wanted.resource))).collect();
        HostObserved { resources, missing_blobs: BTreeSet::new() }
    };
    desired.iter().map(|(name, wanted)| (name.clone(), host(wanted))).collect()
}

fn ledger(desired: &BTreeMap<HostName, HostDesired>) -> Result<BTreeMap<HostName, Vec<LedgerEntry>>> {
    let run: RunId = "20261125T020304Z-1a2b".parse()?;
    let entry =
        |resource: &Resource| LedgerEntry { resource: resource.clone(), run: run.clone(), original: Prior::Absent, uncertain: false };
    let host = |wanted: &HostDesired| wanted.resources.iter().map(|wanted| entry(&wanted.resource)).collect();
    Ok(desired.iter().map(|(name, wanted)| (name.clone(), host(wanted))).collect())
}

fn as_applied(resource: &Resource) -> Observed {
    match resource {
        Resource::Directory(directory) => Observed::Directory { mode: directory.mode, owner: directory.owner.clone() },
        Resource::File(file) => Observed::File { digest: file.digest, mode: file.mode, owner: file.owner.clone() },
        Resource::Binary(binary) => Observed::Binary { target: Some(binary.blob.digest), intact: true },
        Resource::Unit(unit) => Observed::Unit(UnitState {
            loaded: true,
            enabled: true,
            active: "active".into(),
            sub: "running".into(),
            fingerprint: Some(unit.fingerprint),
            restarts: 0,
            active_since: 1,
        }),
        Resource::User(_) => Observed::User,
        Resource::Sysctl(sysctl) => Observed::Sysctl { value: sysctl.value.clone(), writable: true },
        Resource::Package(package) => {
            let archives = package.archives.iter().map(|archive| (archive.name.clone(), archive.version.clone()));
            Observed::Package { installed: archives.collect() }
        }
        Resource::Image(image) => Observed::Image { digest: Some(image.blob.digest) },
        Resource::HostsLine(_) => Observed::HostsLine,
    }
}

/// The median of some rounds in milliseconds, and the last round's answer.
fn median<Answer>(work: impl Fn() -> Result<Answer>) -> Result<(f64, Answer)> {
    let mut times = Vec::new();
    loop {
        let begun = Instant::now();
        let answer = black_box(work()?);
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        if times.len() == ROUNDS {
            times.sort_by(f64::total_cmp);
            return Ok((times[ROUNDS / 2], answer));
        }
    }
}

/// Bytes behind a field of `/proc/self/status`; the kernel counts in units of 1024 bytes there.
fn memory(field: &str) -> Result<u64> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("the kernel tells this process's memory")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn many_hosts_have_a_plan_and_none_when_all_is_done() {
        let world = World::new(12).unwrap();
        let desired = world.desired().unwrap();
        assert_eq!(desired.len(), 12);
        let plan = world.plan(&desired, &fresh(&desired), &BTreeMap::new(), &ClusterFacts::default());
        assert!(plan.changes() > 300, "{}", plan.changes());
        let all = ClusterFacts {
            objects: world.objects().map(|object| (object.name.clone(), ObjectDifference::Same)).collect(),
            ..ClusterFacts::default()
        };
        let plan = world.plan(&desired, &applied(&desired), &ledger(&desired).unwrap(), &all);
        let applies = plan.steps.iter().filter(|step| matches!(step.action, barque_plan::Action::Apply { .. })).count();
        assert_eq!(applies, 0);
    }
}
