//! What a host brings back, item by item.

use std::collections::BTreeMap;

use barque_event::Stage;
use barque_model::{Component, Host, HostName, Role};

use crate::desired::stage_of;
use crate::graph::Key;
use crate::inputs::{inputs_of, wanted_binaries};
use crate::removal::component_of;
use crate::{Archive, PackageForm, Prior, Resource, ResourceId, UndoItem, UnitState};

/// etcd's folder, which is its user's home too.
pub(super) const ETCD_FOLDER: &str = "/var/lib/etcd";
/// etcd's data.
pub(super) const ETCD_MEMBER: &str = "/var/lib/etcd/member";

/// What becomes of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It did not run, and is stopped.
    Ends,
    /// It ran, and takes up its former settings.
    Restarts,
    /// It ran and was taken away by the runs taken back: it starts.
    Returns,
}

/// An item and its name in the graph.
pub(super) struct Part<'a> {
    pub(super) item: &'a UndoItem,
    pub(super) id: ResourceId,
    pub(super) key: Key,
}

impl Part<'_> {
    /// Whether going back means to stop or to remove.
    pub(super) fn goes(&self) -> bool {
        match (&self.item.resource, &self.item.prior) {
            (_, Prior::Absent) => true,
            (_, Prior::Unit { state }) => !state.is_active(),
            (Resource::Package(package), Prior::Package { installed }) => {
                package.archives.iter().any(|archive| !installed.iter().any(|(name, _)| *name == archive.name))
            }
            _ => false,
        }
    }

    /// Path of a file, folder or program.
    pub(super) fn path(&self) -> Option<&str> {
        match &self.item.resource {
            Resource::File(file) => Some(&file.path),
            Resource::Directory(directory) => Some(&directory.path),
            Resource::Binary(binary) => Some(&binary.path),
            _ => None,
        }
    }

    /// Whether it lies in `folder`, at any depth.
    pub(super) fn is_within(&self, folder: &str) -> bool {
        self.path().and_then(|path| path.strip_prefix(folder)).is_some_and(|rest| rest.starts_with('/'))
    }

    pub(super) const fn is_directory(&self) -> bool {
        matches!(self.item.resource, Resource::Directory(_))
    }

    /// Whether it goes after packages: users and folders.
    pub(super) fn goes_last(&self) -> bool {
        self.goes() && matches!(self.item.resource, Resource::User(_) | Resource::Directory(_) | Resource::Package(_))
    }

    pub(super) const fn is_package(&self) -> bool {
        matches!(self.item.resource, Resource::Package(_))
    }

    /// The unit's name, if it is one.
    pub(super) fn unit(&self) -> Option<&str> {
        match &self.item.resource {
            Resource::Unit(unit) => Some(&unit.name),
            _ => None,
        }
    }

    /// The component whose unit it is.
    pub(super) fn component(&self) -> Option<Component> {
        self.unit().and_then(component_of)
    }

    /// Whether `component` runs on it: its program, files and packages.
    pub(super) fn serves(&self, component: Component) -> bool {
        match &self.item.resource {
            Resource::File(file) => inputs_of(component, &file.path) || (runs_pods(component) && file.path.starts_with("/etc/cni/")),
            Resource::Binary(binary) => {
                let name = binary.path.rsplit('/').next().unwrap_or("");
                wanted_binaries(component, &binary.path)
                    // containerd calls the plugins when it makes and ends pods; `ctr` ends what kubelet has left.
                    || (component == Component::Containerd && (name == "ctr" || binary.path.starts_with("/opt/cni/")))
            }
            Resource::Package(package) => {
                package.name == component.program()
                    || (package.name.contains("tables")
                        && matches!(component, Component::Kubelet | Component::KubeProxy | Component::Flanneld | Component::Containerd))
            }
            _ => false,
        }
    }

    /// Whether `component` takes it up when it starts.
    pub(super) fn is_input_of(&self, component: Component) -> bool {
        match &self.item.resource {
            Resource::File(_) | Resource::Package(_) => self.serves(component),
            Resource::Binary(binary) => wanted_binaries(component, &binary.path),
            _ => false,
        }
    }

    /// A user who owns it, now or before.
    pub(super) fn is_owned_by(&self, user: &str) -> bool {
        let now = match &self.item.resource {
            Resource::File(file) => Some(&file.owner),
            Resource::Directory(directory) => Some(&directory.owner),
            _ => None,
        };
        let before = match &self.item.prior {
            Prior::File { owner, .. } | Prior::Directory { owner, .. } => Some(owner),
            _ => None,
        };
        [now, before].into_iter().flatten().any(|owner| owner.user == user || owner.group == user)
    }

    /// The stage it is shown under.
    pub(super) fn stage(&self, host: &HostItems<'_>) -> Stage {
        let runs = |component: &Component| host.host.is_none_or(|found| found.runs(*component));
        let found = match &self.item.resource {
            Resource::Unit(_) => self.component(),
            Resource::Image(_) => Some(Component::Containerd),
            Resource::User(user) => (user.name == "etcd").then_some(Component::Etcd),
            _ => {
                let serves = |component: &Component| self.serves(*component);
                let all = || Component::ALL.into_iter().filter(serves);
                all().find(runs).or_else(|| all().next())
            }
        };
        found.map_or(Stage::Hosts, stage_of)
    }

    /// A phrase for people.
    pub(super) fn title(&self, host: &HostItems<'_>) -> String {
        let name = self.id.0.split_once(' ').map_or(self.id.0.as_str(), |(_, name)| name);
        let verb = if self.goes() { "remove" } else { "restore" };
        match &self.item.resource {
            Resource::Unit(_) => match host.fate(self) {
                Some(Fate::Ends) | None => format!("stop {name}"),
                Some(Fate::Restarts) => format!("restart {name} with its former settings"),
                Some(Fate::Returns) => format!("start {name}"),
            },
            Resource::Directory(_) | Resource::File(_) | Resource::Binary(_) => format!("{verb} {name}"),
            Resource::HostsLine(_) => "restore /etc/hosts".to_owned(),
            Resource::Sysctl(_) => format!("restore {}", self.id),
            Resource::User(_) | Resource::Package(_) | Resource::Image(_) => format!("{verb} {}", self.id),
        }
    }
}

const fn runs_pods(component: Component) -> bool {
    matches!(component, Component::Containerd | Component::Kubelet)
}

/// What one host brings back. Left out is what cannot come back, images that go with containerd's data, and what carries etcd's data that stay.
pub(super) struct HostItems<'a> {
    pub(super) name: &'a HostName,
    /// The host in the cluster file; `None` when the file does not name it any more.
    pub(super) host: Option<&'a Host>,
    pub(super) parts: Vec<Part<'a>>,
    /// The units of components.
    fates: BTreeMap<Component, Fate>,
    /// Whether etcd's data stay although etcd goes.
    pub(super) keeps_etcd_data: bool,
}

impl<'a> HostItems<'a> {
    pub(super) fn new(name: &'a HostName, host: Option<&'a Host>, items: &'a [UndoItem], delete_data: bool) -> Self {
        let mut found = Self { name, host, parts: Vec::new(), fates: BTreeMap::new(), keeps_etcd_data: false };
        for item in items {
            // What somebody else had put there, barque cannot make again.
            if matches!(item.prior, Prior::Other { .. }) {
                continue;
            }
            let id = item.resource.id();
            found.parts.push(Part { item, key: Key::resource(name, &id), id });
        }
        for component in Component::ALL {
            if let Some(fate) = found.parts.iter().find(|part| part.component() == Some(component)).and_then(|part| found.fate(part)) {
                found.fates.insert(component, fate);
            }
        }
        found.keeps_etcd_data = found.is_new(Component::Etcd) && !delete_data;
        let (goes_along, keeps_data) = (found.ends(Component::Containerd), found.keeps_etcd_data);
        found.parts.retain(|part| match &part.item.resource {
            // containerd's data go with it, and images are among them.
            Resource::Image(_) => !goes_along,
            // Without their owner the data would belong to whoever gets the number next.
            Resource::User(user) => !(keeps_data && user.name == "etcd"),
            Resource::Directory(directory) => !(keeps_data && directory.path == ETCD_FOLDER),
            _ => true,
        });
        found
    }

    pub(super) fn has(&self, role: Role) -> bool {
        self.host.is_some_and(|host| host.has(role))
    }

    /// What becomes of a unit.
    pub(super) fn fate(&self, part: &Part<'_>) -> Option<Fate> {
        let unit = part.unit()?;
        if part.goes() {
            return Some(Fate::Ends);
        }
        let program = unit.trim_end_matches(".service");
        // What goes back to the very thing that the runs taken back knew, they have taken away.
        let taken_away = self.parts.iter().any(|part| match (&part.item.resource, &part.item.prior) {
            (Resource::Binary(binary), Prior::Link { target }) => {
                binary.path.rsplit('/').next() == Some(program) && target.ends_with(&binary.blob.digest.to_string())
            }
            (Resource::Package(package), Prior::Package { installed }) => {
                let same = |archive: &Archive| installed.iter().any(|(name, version)| (name, version) == (&archive.name, &archive.version));
                // The version of a distribution's package is never changed.
                package.name == program && !part.goes() && (package.form == PackageForm::Native || package.archives.iter().all(same))
            }
            _ => false,
        });
        Some(if taken_away { Fate::Returns } else { Fate::Restarts })
    }

    /// The components with a unit among the items.
    pub(super) fn components(&self) -> impl Iterator<Item = (Component, Fate)> {
        self.fates.iter().map(|(component, fate)| (*component, *fate))
    }

    pub(super) fn touches(&self, component: Component) -> bool {
        self.fates.contains_key(&component)
    }

    pub(super) fn ends(&self, component: Component) -> bool {
        self.fates.get(&component) == Some(&Fate::Ends)
    }

    pub(super) fn restarts(&self, component: Component) -> bool {
        self.fates.get(&component) == Some(&Fate::Restarts)
    }

    pub(super) fn returns(&self, component: Component) -> bool {
        self.fates.get(&component) == Some(&Fate::Returns)
    }

    /// Whether the component runs afterwards, and was interrupted or started for it.
    pub(super) fn starts(&self, component: Component) -> bool {
        self.restarts(component) || self.returns(component)
    }

    /// Whether the component ends and had never run here: what it wrote since is not what somebody else left.
    pub(super) fn is_new(&self, component: Component) -> bool {
        let never = |state: &UnitState| !state.is_active() && !state.enabled && state.fingerprint.is_none();
        self.ends(component)
            && self.parts.iter().filter(|part| part.component() == Some(component)).all(|part| match &part.item.prior {
                Prior::Absent => true,
                Prior::Unit { state } => never(state),
                _ => false,
            })
    }

    /// Whether the component does not run here afterwards: its unit ends, or, where that was never started, its program or unit file goes.
    pub(super) fn loses(&self, component: Component) -> bool {
        let unit_file = format!("/etc/systemd/system/{}", component.unit());
        let own = |part: &&Part<'_>| match &part.item.resource {
            Resource::Binary(binary) => binary.path.rsplit('/').next() == Some(component.program()),
            Resource::File(file) => file.path == unit_file,
            Resource::Package(package) => package.name == component.program(),
            _ => false,
        };
        self.fates.get(&component).map_or_else(|| self.parts.iter().filter(own).any(Part::goes), |fate| *fate == Fate::Ends)
    }

    pub(super) fn unit_key(&self, component: Component) -> Key {
        Key::resource(self.name, &ResourceId(format!("unit {}", component.unit())))
    }
}
