//! What must be on each host: a pure function of the cluster, the release, the certificates and the artifacts' digests.

use std::collections::BTreeMap;

use barque_event::Stage;
use barque_model::{Cluster, Component, Digest, Host, HostFile, Owner, Release, SecretBytes};
use barque_render::ImageNeed;

use crate::inputs::{inputs_of, wanted_binaries};
use crate::own_units;
use crate::{
    Archive, Binary, Blob, Directory, File, HostsLine, Image, OnChange, Package, PackageForm, Resource, ResourceId, Sysctl, Unit, User,
};

/// Artifacts by name and version, as a bundle holds them for one architecture and distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArtifactIndex {
    /// Programs: `(name, version)` to content.
    pub binaries: BTreeMap<(String, String), Blob>,
    /// Images: reference to content.
    pub images: BTreeMap<String, Blob>,
    /// Packages: name to archives of it and of all that it needs.
    pub packages: BTreeMap<String, Vec<Archive>>,
    /// How these are installed.
    pub package_form: PackageForm,
}

/// An artifact that the bundle does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{name}` {version} is not in the bundle")]
pub struct MissingArtifact {
    /// `program`, `image` or `package`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The version wanted, empty for packages.
    pub version: String,
}

/// All that must be on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostDesired {
    /// The resources, each once.
    pub resources: Vec<DesiredResource>,
}

/// A resource, its content when it is a file, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredResource {
    /// The resource.
    pub resource: Resource,
    /// Content of a [`File`], with the run marker in place.
    pub content: Option<SecretBytes>,
    /// The stage it is shown under.
    pub stage: Stage,
    /// Resources of the same host that must be right before it.
    pub after: Vec<ResourceId>,
    /// For a unit: the resources whose change it must take up.
    pub inputs: Vec<ResourceId>,
    /// For a unit: its component.
    pub component: Option<Component>,
}

impl DesiredResource {
    pub(crate) fn new(resource: Resource, stage: Stage) -> Self {
        Self { resource, content: None, stage, after: Vec::new(), inputs: Vec::new(), component: None }
    }
}

/// What `desired` needs besides the cluster.
#[derive(Debug, Clone, Copy)]
pub struct DesiredInputs<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Component versions.
    pub release: &'a Release,
    /// Certificates, keys and kubeconfigs of this host, from `pki`.
    pub secrets: &'a [HostFile],
    /// The artifacts for this host's architecture and distribution.
    pub artifacts: &'a ArtifactIndex,
    /// The network interface that has the host's address.
    pub interface: &'a str,
    /// Images of add-ons that the bundle has.
    pub addon_images: &'a [ImageNeed],
}

/// barque's own program among the artifacts. Hosts need none from a bundle: the agent of each is it.
pub const OWN_PROGRAM: &str = "barque";

/// Its version, which is also that of this crate.
pub const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where haproxy runs, see its `chroot`.
const HAPROXY_ROOT: &str = "/var/lib/haproxy";

/// Stage under which a component's own resources are shown.
pub const fn stage_of(component: Component) -> Stage {
    match component {
        Component::Etcd => Stage::Etcd,
        Component::Haproxy | Component::Keepalived => Stage::LoadBalancer,
        Component::KubeApiserver | Component::KubeControllerManager | Component::KubeScheduler => Stage::Masters,
        Component::Containerd | Component::Kubelet | Component::KubeProxy | Component::Flanneld => Stage::Nodes,
    }
}

/// Works out what must be on `host`.
pub fn desired(inputs: &DesiredInputs<'_>, host: &Host) -> Result<HostDesired, MissingArtifact> {
    let mut builder = Builder { resources: Vec::new(), index: BTreeMap::new() };
    base(&mut builder, inputs, host);
    let components: Vec<Component> = Component::ALL.into_iter().filter(|component| host.runs(*component)).collect();
    let mut files: Vec<(Stage, HostFile)> = Vec::new();
    for component in &components {
        for file in barque_render::component_files(inputs.cluster, inputs.release, host, *component, &render_facts(inputs)) {
            files.push((stage_of(*component), file));
        }
    }
    for secret in inputs.secrets {
        let stage = components.iter().find(|component| inputs_of(**component, &secret.path)).map_or(Stage::Hosts, |found| stage_of(*found));
        files.push((stage, secret.clone()));
    }
    files.extend(barque_render::host_files(inputs.cluster, host).into_iter().map(|file| (Stage::Hosts, file)));
    for (stage, file) in files {
        builder.file(file, stage);
    }
    programs(&mut builder, inputs, host)?;
    packages(&mut builder, inputs, host)?;
    for component in &components {
        unit(&mut builder, *component, host);
    }
    images(&mut builder, inputs, host)?;
    own_units::gateway(&mut builder, inputs, host)?;
    own_units::watchdog(&mut builder);
    builder.registries();
    builder.order();
    Ok(HostDesired { resources: builder.resources })
}

fn render_facts(inputs: &DesiredInputs<'_>) -> barque_render::RenderFacts {
    barque_render::RenderFacts {
        interface: Some(inputs.interface.to_owned()),
        whole_units: inputs.artifacts.package_form == PackageForm::Portable,
    }
}

fn base(builder: &mut Builder, inputs: &DesiredInputs<'_>, host: &Host) {
    if host.runs(Component::Etcd) {
        builder.add(DesiredResource::new(Resource::User(User { name: "etcd".into(), home: "/var/lib/etcd".into() }), Stage::Etcd));
    }
    if host.runs(Component::Haproxy) && inputs.artifacts.package_form == PackageForm::Portable {
        // What the distribution's package brings elsewhere: who haproxy is, and the empty folder that it locks itself into.
        builder.add(DesiredResource::new(Resource::User(User { name: "haproxy".into(), home: HAPROXY_ROOT.into() }), Stage::LoadBalancer));
        let directory = Directory { path: HAPROXY_ROOT.into(), mode: 0o755, owner: Owner::root() };
        builder.add(DesiredResource::new(Resource::Directory(directory), Stage::LoadBalancer));
    }
    for (path, mode, owner) in barque_render::directories(inputs.cluster, host) {
        builder.add(DesiredResource::new(Resource::Directory(Directory { path, mode, owner }), Stage::Hosts));
    }
    let line = HostsLine { address: host.address.to_string(), names: vec![host.name.to_string()] };
    builder.add(DesiredResource::new(Resource::HostsLine(line), Stage::Hosts));
    for (key, value, required) in barque_render::sysctls(inputs.cluster, host) {
        builder.add(DesiredResource::new(Resource::Sysctl(Sysctl { key, value, required }), Stage::Hosts));
    }
}

fn programs(builder: &mut Builder, inputs: &DesiredInputs<'_>, host: &Host) -> Result<(), MissingArtifact> {
    for need in barque_render::binaries(inputs.release, host) {
        let key = (need.artifact.clone(), need.version.clone());
        let blob = inputs.artifacts.binaries.get(&key).copied();
        let blob = blob.ok_or(MissingArtifact { kind: "program", name: key.0, version: key.1 })?;
        let stage = Component::ALL
            .into_iter()
            .find(|component| host.runs(*component) && wanted_binaries(*component, &need.path))
            .map_or(Stage::Hosts, stage_of);
        builder.add(DesiredResource::new(Resource::Binary(Binary { path: need.path, version: need.version, blob }), stage));
    }
    Ok(())
}

fn packages(builder: &mut Builder, inputs: &DesiredInputs<'_>, host: &Host) -> Result<(), MissingArtifact> {
    // What only supports other programs is installed in one go: each call of the package manager costs a second or two.
    let form = inputs.artifacts.package_form;
    let mut supporting = Package { name: String::new(), archives: Vec::new(), form };
    for name in barque_render::packages(inputs.cluster, host) {
        let archives = inputs.artifacts.packages.get(name).cloned();
        let archives = archives.ok_or_else(|| MissingArtifact { kind: "package", name: name.to_owned(), version: String::new() })?;
        if Component::ALL.iter().any(|component| component.program() == name) {
            builder.add(DesiredResource::new(Resource::Package(Package { name: name.to_owned(), archives, form }), Stage::LoadBalancer));
            continue;
        }
        supporting.name = if supporting.name.is_empty() { name.to_owned() } else { format!("{} {name}", supporting.name) };
        supporting.archives.extend(archives);
    }
    if !supporting.archives.is_empty() {
        supporting.archives.sort_by(|one, other| one.name.cmp(&other.name));
        supporting.archives.dedup();
        builder.add(DesiredResource::new(Resource::Package(supporting), Stage::Nodes));
    }
    Ok(())
}

fn images(builder: &mut Builder, inputs: &DesiredInputs<'_>, host: &Host) -> Result<(), MissingArtifact> {
    if !host.is_node() {
        return Ok(());
    }
    let own = barque_render::needed_images(inputs.cluster, inputs.release).into_iter().map(|need| (need, Stage::Nodes));
    let of_addons = inputs.addon_images.iter().filter(|need| need.is_of(&host.name)).map(|need| (need.clone(), Stage::Addons));
    for (need, stage) in own.chain(of_addons) {
        let blob = inputs.artifacts.images.get(&need.reference).copied();
        let blob = blob.ok_or_else(|| MissingArtifact { kind: "image", name: need.reference.clone(), version: need.version.clone() })?;
        let mut image = DesiredResource::new(Resource::Image(Image { reference: need.reference, blob }), stage);
        image.after.push(ResourceId(format!("unit {}", Component::Containerd.unit())));
        image.after.push(ResourceId("binary /usr/local/bin/ctr".into()));
        builder.add(image);
    }
    Ok(())
}

fn unit(builder: &mut Builder, component: Component, host: &Host) {
    let inputs: Vec<ResourceId> =
        builder.resources.iter().filter(|desired| is_input(component, desired)).map(|desired| desired.resource.id()).collect();
    let fingerprint = fingerprint(builder.resources.iter().filter(|desired| is_input(component, desired)));
    let resource = Resource::Unit(Unit {
        name: component.unit(),
        fingerprint,
        on_change: if component == Component::Haproxy { OnChange::Reload } else { OnChange::Restart },
        start_timeout_seconds: 180,
        // flanneld ends until its node has a pod CIDR, kube-proxy until its node is there.
        restart_limit: if matches!(component, Component::Flanneld | Component::KubeProxy) { 100 } else { 4 },
    });
    let mut desired = DesiredResource::new(resource, stage_of(component));
    desired.after.clone_from(&inputs);
    desired.inputs = inputs;
    desired.component = Some(component);
    let needs: &[Component] = match component {
        Component::Keepalived => &[Component::Haproxy],
        Component::Kubelet => &[Component::Containerd],
        Component::KubeControllerManager | Component::KubeScheduler => &[Component::KubeApiserver],
        _ => &[],
    };
    for needed in needs.iter().filter(|needed| host.runs(**needed)) {
        desired.after.push(ResourceId(format!("unit {}", needed.unit())));
    }
    // Files that a program reads only when a pod starts, and what every unit needs of its host.
    let others: Vec<ResourceId> = builder
        .resources
        .iter()
        .filter(|other| match &other.resource {
            Resource::Sysctl(_) | Resource::HostsLine(_) => true,
            Resource::Binary(binary) => wanted_binaries(component, &binary.path),
            Resource::Package(package) => {
                matches!(component, Component::Kubelet | Component::KubeProxy | Component::Flanneld) && package.name.contains("tables")
            }
            Resource::File(file) => file.path.starts_with("/etc/cni/") && matches!(component, Component::Kubelet | Component::Containerd),
            Resource::Directory(_) | Resource::Unit(_) | Resource::User(_) | Resource::Image(_) => false,
        })
        .map(|other| other.resource.id())
        .collect();
    desired.after.extend(others);
    builder.add(desired);
}

fn is_input(component: Component, desired: &DesiredResource) -> bool {
    match &desired.resource {
        Resource::File(file) => inputs_of(component, &file.path),
        Resource::Binary(binary) => binary.path == format!("/usr/local/bin/{}", component.program()),
        Resource::Package(package) => package.name == component.program(),
        Resource::Directory(_)
        | Resource::Unit(_)
        | Resource::User(_)
        | Resource::Sysctl(_)
        | Resource::Image(_)
        | Resource::HostsLine(_) => false,
    }
}

/// Digest of all that a unit reads at start. Sorted by path, so that the order of rendering does not matter.
pub(crate) fn fingerprint<'a>(inputs: impl Iterator<Item = &'a DesiredResource>) -> Digest {
    let mut lines: Vec<String> = inputs
        .map(|desired| match &desired.resource {
            Resource::File(file) => format!("{} {}", file.path, file.digest),
            Resource::Binary(binary) => format!("{} {}", binary.path, binary.blob.digest),
            Resource::Package(package) => {
                let own = package.archives.iter().find(|archive| archive.name == package.name);
                format!("{} {}", package.name, own.map_or("", |archive| archive.version.as_str()))
            }
            other => other.id().0,
        })
        .collect();
    lines.sort();
    Digest::of(lines.join("\n").as_bytes())
}

pub(crate) struct Builder {
    pub(crate) resources: Vec<DesiredResource>,
    index: BTreeMap<ResourceId, usize>,
}

impl Builder {
    pub(crate) fn add(&mut self, desired: DesiredResource) {
        let id = desired.resource.id();
        if self.index.contains_key(&id) {
            return;
        }
        self.index.insert(id, self.resources.len());
        self.resources.push(desired);
    }

    fn file(&mut self, file: HostFile, stage: Stage) {
        let digest = file.digest();
        let resource = File { path: file.path, digest, mode: file.mode, owner: file.owner, sensitive: file.sensitive };
        let mut desired = DesiredResource::new(Resource::File(resource), stage);
        desired.content = Some(file.content);
        self.add(desired);
    }

    /// A `hosts.toml` comes after the certificates that it names.
    fn registries(&mut self) {
        let named: Vec<(String, ResourceId)> = self
            .resources
            .iter()
            .filter_map(|desired| match &desired.resource {
                Resource::File(file)
                    if file.path.starts_with(barque_render::CERTS_D) && barque_render::is_named_by_hosts_toml(&file.path) =>
                {
                    Some((file.path.clone(), desired.resource.id()))
                }
                _ => None,
            })
            .collect();
        for desired in &mut self.resources {
            let Resource::File(file) = &desired.resource else { continue };
            let Some(folder) = file.path.strip_suffix("hosts.toml") else { continue };
            desired.after.extend(named.iter().filter(|(path, _)| path.starts_with(folder)).map(|(_, id)| id.clone()));
        }
    }

    /// Adds what follows from paths and owners: a file comes after its directory, and both after their owner.
    fn order(&mut self) {
        let directories: Vec<(String, ResourceId)> = self
            .resources
            .iter()
            .filter_map(|desired| match &desired.resource {
                Resource::Directory(directory) => Some((directory.path.clone(), desired.resource.id())),
                _ => None,
            })
            .collect();
        let users: BTreeMap<String, ResourceId> = self
            .resources
            .iter()
            .filter_map(|desired| match &desired.resource {
                Resource::User(user) => Some((user.name.clone(), desired.resource.id())),
                _ => None,
            })
            .collect();
        for desired in &mut self.resources {
            let (path, owner): (&str, Option<&Owner>) = match &desired.resource {
                Resource::Directory(directory) => (&directory.path, Some(&directory.owner)),
                Resource::File(file) => (&file.path, Some(&file.owner)),
                Resource::Binary(binary) => (&binary.path, None),
                _ => continue,
            };
            let parent = directories
                .iter()
                .filter(|(directory, _)| path.strip_prefix(directory.as_str()).is_some_and(|rest| rest.starts_with('/')))
                .max_by_key(|(directory, _)| directory.len());
            let mut more: Vec<ResourceId> = parent.map(|(_, id)| id.clone()).into_iter().collect();
            more.extend(owner.and_then(|owner| users.get(&owner.user)).cloned());
            desired.after.extend(more);
        }
        for desired in &mut self.resources {
            desired.after.sort();
            desired.after.dedup();
        }
    }
}
