//! A cluster of the examples, what must be on its hosts, and questions about plans.

use std::collections::{BTreeMap, BTreeSet};

use barque_model::{Cluster, Digest, HostName, NodeState, ObjectDifference, RunId, Version};
use barque_pki::Vault;
use barque_plan::{
    Action, Archive, ArtifactIndex, Blob, ClusterFacts, ClusterObject, DesiredInputs, HostDesired, HostObserved, LedgerEntry, OWN_PROGRAM,
    OWN_VERSION, Observed, PackageForm, Plan, PlanInputs, Prior, Resource, Step, UnitState, build, desired, node_labels,
};

pub(crate) const SEVEN: &str = include_str!("../../../../examples/ha.yaml");
pub(crate) const SEPARATE_ETCD: &str = include_str!("../../../../examples/separate-etcd.yaml");

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) desired: BTreeMap<HostName, HostDesired>,
    pub(crate) objects: Vec<ClusterObject>,
    pub(crate) vault: Vault,
}

pub(crate) fn run() -> RunId {
    "20261125T020304Z-1a2b".parse().unwrap()
}

pub(crate) fn named(text: &str) -> HostName {
    text.parse().unwrap()
}

fn blob(text: &str) -> Blob {
    Blob { digest: Digest::of(text.as_bytes()), size: text.len() as u64 }
}

impl World {
    pub(crate) fn new(text: &str, vault: Option<Vault>) -> Self {
        let versions = [Version::new(1, 37, 2)];
        Self::of(barque_spec::parse(text, "ha.yaml", &barque_spec::Known { kubernetes: &versions }).unwrap().cluster, vault)
    }

    pub(crate) fn of(cluster: Cluster, vault: Option<Vault>) -> Self {
        Self::with(cluster, vault, PackageForm::Native)
    }

    /// The same cluster on hosts whose distribution barque has no packages for.
    pub(crate) fn portable(&self) -> Self {
        Self::with(self.cluster.clone(), Some(self.vault.clone()), PackageForm::Portable)
    }

    fn with(cluster: Cluster, vault: Option<Vault>, package_form: PackageForm) -> Self {
        let release = barque_catalog::release(&cluster.kubernetes).unwrap();
        let (vault, _) = barque_pki::issue(&cluster, vault, "2026-11-25T00:00:00Z".parse().unwrap()).unwrap();
        let mut artifacts = ArtifactIndex { package_form, ..ArtifactIndex::default() };
        for host in &cluster.hosts {
            for need in barque_render::binaries(&release, host) {
                let content = blob(&format!("{} {}", need.artifact, need.version));
                artifacts.binaries.insert((need.artifact, need.version), content);
            }
            for package in barque_render::packages(&cluster, host) {
                let archive = Archive { name: package.to_owned(), version: "1".into(), blob: blob(package) };
                artifacts.packages.insert(package.to_owned(), vec![archive]);
            }
        }
        artifacts.binaries.insert((OWN_PROGRAM.to_owned(), OWN_VERSION.to_owned()), blob(OWN_PROGRAM));
        for need in barque_render::images(&release) {
            artifacts.images.insert(need.reference.clone(), blob(&need.reference));
        }
        let mut worlds = BTreeMap::new();
        for host in &cluster.hosts {
            let secrets = barque_pki::files_for(&cluster, host, &vault).unwrap();
            let inputs = DesiredInputs {
                cluster: &cluster,
                release: &release,
                secrets: &secrets,
                artifacts: &artifacts,
                interface: "eth0",
                addon_images: &[],
            };
            worlds.insert(host.name.clone(), desired(&inputs, host).unwrap());
        }
        let objects = vec![ClusterObject { name: "ClusterRole x".into(), json: "{}".into() }];
        Self { cluster, desired: worlds, objects, vault }
    }

    /// The same cluster with lines of the cluster file more.
    pub(crate) fn changed(&self, text: &str) -> Self {
        Self::new(text, Some(self.vault.clone()))
    }

    pub(crate) fn inputs<'a>(
        &'a self,
        observed: &'a BTreeMap<HostName, HostObserved>,
        ledger: &'a BTreeMap<HostName, Vec<LedgerEntry>>,
        facts: &'a ClusterFacts,
    ) -> PlanInputs<'a> {
        PlanInputs {
            cluster: &self.cluster,
            desired: &self.desired,
            observed,
            ledger,
            overwrite_drift: false,
            facts,
            bootstrap: &self.objects,
            dns: &[],
            addons: &[],
            unwanted: &[],
            authority: "PEM",
        }
    }

    pub(crate) fn plan(&self, observed: &BTreeMap<HostName, HostObserved>, facts: &ClusterFacts) -> Plan {
        build(&self.inputs(observed, &BTreeMap::new(), facts))
    }

    /// The plan of a first deployment.
    pub(crate) fn first(&self) -> Plan {
        self.plan(&self.fresh(), &ClusterFacts::default())
    }

    /// What agents see after everything was applied.
    pub(crate) fn applied(&self) -> BTreeMap<HostName, HostObserved> {
        let host = |wanted: &HostDesired| {
            let resources = wanted.resources.iter().map(|wanted| (wanted.resource.id(), as_applied(&wanted.resource))).collect();
            HostObserved { resources, missing_blobs: BTreeSet::new() }
        };
        self.desired.iter().map(|(name, wanted)| (name.clone(), host(wanted))).collect()
    }

    /// What agents see of fresh hosts.
    pub(crate) fn fresh(&self) -> BTreeMap<HostName, HostObserved> {
        let host = |wanted: &HostDesired| {
            let missing_blobs = wanted.resources.iter().flat_map(|wanted| wanted.resource.blobs()).map(|blob| blob.digest).collect();
            HostObserved { resources: BTreeMap::new(), missing_blobs }
        };
        self.desired.iter().map(|(name, wanted)| (name.clone(), host(wanted))).collect()
    }

    /// What the API says after everything was applied.
    pub(crate) fn facts(&self) -> ClusterFacts {
        let nodes = self.cluster.hosts.iter().filter(|host| host.is_node()).map(|host| NodeState {
            name: host.name.to_string(),
            ready: true,
            message: String::new(),
            version: "v1.37.2".into(),
            addresses: vec![host.address.to_string()],
            labels: node_labels(host),
            taints: host.taints.clone(),
        });
        ClusterFacts {
            nodes: nodes.collect(),
            objects: self.objects.iter().map(|object| (object.name.clone(), ObjectDifference::Same)).collect(),
            conflicts: BTreeMap::new(),
        }
    }
}

pub(crate) fn unit_state(active: bool) -> UnitState {
    let words = if active { ("active", "running") } else { ("inactive", "dead") };
    UnitState {
        // The unit's file is there by the time that the unit is looked at.
        loaded: true,
        enabled: active,
        active: words.0.into(),
        sub: words.1.into(),
        fingerprint: active.then(|| Digest::of(b"former")),
        restarts: 0,
        active_since: 1,
    }
}

pub(crate) fn as_applied(resource: &Resource) -> Observed {
    match resource {
        Resource::Directory(directory) => Observed::Directory { mode: directory.mode, owner: directory.owner.clone() },
        Resource::File(file) => Observed::File { digest: file.digest, mode: file.mode, owner: file.owner.clone() },
        Resource::Binary(binary) => Observed::Binary { target: Some(binary.blob.digest), intact: true },
        Resource::Unit(unit) => Observed::Unit(UnitState { fingerprint: Some(unit.fingerprint), ..unit_state(true) }),
        Resource::User(_) => Observed::User,
        Resource::Sysctl(sysctl) => Observed::Sysctl { value: sysctl.value.clone(), writable: true },
        Resource::Package(package) => Observed::Package {
            installed: package.archives.iter().map(|archive| (archive.name.clone(), archive.version.clone())).collect(),
        },
        Resource::Image(image) => Observed::Image { digest: Some(image.blob.digest) },
        Resource::HostsLine(_) => Observed::HostsLine,
    }
}

/// The state of before barque came.
pub(crate) fn as_found(resource: &Resource) -> Prior {
    match resource {
        Resource::Unit(_) => Prior::Unit { state: unit_state(false) },
        Resource::Sysctl(_) => Prior::Sysctl { value: "0".into() },
        Resource::HostsLine(_) => Prior::File { digest: Digest::of(b"hosts"), mode: 0o644, owner: barque_model::Owner::root() },
        _ => Prior::Absent,
    }
}

/// The state that the resource itself describes, as a journal keeps it.
pub(crate) fn as_prior(resource: &Resource) -> Prior {
    match as_applied(resource) {
        Observed::Directory { mode, owner } => Prior::Directory { mode, owner },
        Observed::File { digest, mode, owner } => Prior::File { digest, mode, owner },
        Observed::Binary { target, .. } => Prior::Link { target: format!("/var/lib/barque/store/{}", target.unwrap()) },
        Observed::Unit(state) => Prior::Unit { state },
        Observed::User => Prior::User,
        Observed::Sysctl { value, .. } => Prior::Sysctl { value },
        Observed::Package { installed } => Prior::Package { installed },
        Observed::Image { digest } => Prior::Image { digest },
        Observed::HostsLine => as_found(resource),
        Observed::Absent | Observed::Other { .. } => unreachable!("applied resources are there"),
    }
}

/// Which steps wait for which, directly or through others.
pub(crate) struct Order<'a> {
    pub(crate) plan: &'a Plan,
    before: Vec<BTreeSet<usize>>,
}

impl<'a> Order<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let mut before: Vec<BTreeSet<usize>> = Vec::new();
        for (index, step) in plan.steps.iter().enumerate() {
            assert_eq!(step.id.0 as usize, index);
            let mut mine = BTreeSet::new();
            for needed in &step.after {
                let needed = needed.0 as usize;
                assert!(needed < index, "`{}` comes before what it needs", step.title);
                mine.insert(needed);
                mine.extend(&before[needed]);
            }
            before.push(mine);
        }
        Self { plan, before }
    }

    pub(crate) fn waits(&self, later: usize, earlier: usize) -> bool {
        self.before[later].contains(&earlier)
    }

    /// The step of a host (empty for none) with a title.
    pub(crate) fn find(&self, host: &str, title: &str) -> Option<usize> {
        self.plan.steps.iter().position(|step| host_of(step) == host && step.title == title)
    }

    pub(crate) fn get(&self, host: &str, title: &str) -> usize {
        self.find(host, title).unwrap_or_else(|| {
            let titles: Vec<&str> = self.plan.steps.iter().filter(|step| host_of(step) == host).map(|step| step.title.as_str()).collect();
            panic!("no step `{title}` on `{host}` among {titles:#?}")
        })
    }

    /// Fails unless each step of the host waits for the one before.
    pub(crate) fn in_order(&self, host: &str, titles: &[&str]) {
        for pair in titles.windows(2) {
            assert!(self.waits(self.get(host, pair[1]), self.get(host, pair[0])), "{host}: `{}` does not wait for `{}`", pair[1], pair[0]);
        }
    }
}

pub(crate) fn host_of(step: &Step) -> &str {
    step.host.as_ref().map_or("", HostName::as_str)
}

/// What a step restores, `HOST ID`.
pub(crate) fn restored(step: &Step) -> Option<String> {
    match &step.action {
        Action::Restore { resource, .. } => Some(format!("{} {}", host_of(step), resource.id())),
        _ => None,
    }
}
