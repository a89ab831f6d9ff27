//! The order within one host.

use barque_model::Component;

use super::item::{HostItems, Part};
use super::sweeps::SWEEPS;
use crate::graph::Key;
use crate::{FIREWALL_FOLDER, FIREWALL_UNIT, Resource};

/// Components that must have ended before `component` ends.
const fn ends_after(component: Component) -> &'static [Component] {
    match component {
        Component::Containerd => &[Component::Kubelet],
        Component::Haproxy => &[Component::Keepalived],
        Component::KubeApiserver => &[Component::KubeControllerManager, Component::KubeScheduler],
        Component::Etcd => &[Component::KubeApiserver],
        _ => &[],
    }
}

/// Components that must have started before `component` starts.
const fn starts_after(component: Component) -> &'static [Component] {
    match component {
        Component::Kubelet => &[Component::Containerd],
        Component::Keepalived => &[Component::Haproxy],
        Component::KubeControllerManager | Component::KubeScheduler => &[Component::KubeApiserver],
        Component::KubeApiserver => &[Component::Etcd],
        _ => &[],
    }
}

impl HostItems<'_> {
    /// What of this host comes before `part`.
    pub(super) fn before(&self, part: &Part<'_>) -> Vec<Key> {
        match &part.item.resource {
            Resource::Unit(_) => match part.component() {
                Some(component) if part.goes() => self.before_end(component),
                Some(component) => self.before_start(component),
                // The watchdog would start again what ends.
                None if part.goes() => Vec::new(),
                None => {
                    let units = self.components().map(|(component, _)| self.unit_key(component));
                    units.chain(self.keys(|other| is_file_of(other, part))).collect()
                }
            },
            Resource::File(_) | Resource::Binary(_) => {
                let mut keys = self.ended(|component| part.serves(component));
                keys.extend(self.keys(|unit| unit.unit().is_some() && unit.component().is_none() && unit.goes() && is_file_of(part, unit)));
                if part.goes() {
                    // `ctr` ends what kubelet has left.
                    keys.extend(matches!(part.item.resource, Resource::Binary(_)).then(|| Key::host_gate(self.name, "pods")));
                } else {
                    keys.extend(self.places(part));
                }
                keys
            }
            Resource::Directory(directory) if part.goes() => {
                let mut keys = self.keys(|other| other.is_within(&directory.path) || (other.is_package() && other.goes()));
                keys.extend(self.ended(|_| true));
                keys.extend(self.swept());
                keys
            }
            Resource::Directory(_) => self.places(part),
            Resource::User(user) if part.goes() => {
                let mut keys = self.keys(|other| other.is_owned_by(&user.name) || (other.is_package() && other.goes()));
                keys.extend(self.ended(|_| true));
                keys.extend(self.swept());
                keys
            }
            // Folders that a package brings go with it or after it, whoever made them first.
            Resource::Package(_) if part.goes() => {
                let mut keys = self.keys(|other| other.path().is_some() && !other.goes_last());
                keys.extend(self.ended(|_| true));
                keys.extend(self.swept());
                keys
            }
            Resource::Image(_) => {
                let mut keys = vec![self.unit_key(Component::Containerd)];
                keys.extend(self.keys(|other| matches!(&other.item.resource, Resource::Binary(binary) if binary.path.ends_with("/ctr"))));
                keys
            }
            Resource::User(_) | Resource::Package(_) | Resource::Sysctl(_) | Resource::HostsLine(_) => Vec::new(),
        }
    }

    fn before_end(&self, component: Component) -> Vec<Key> {
        let mut keys = self.keys(|part| part.unit().is_some() && part.component().is_none() && part.goes());
        keys.extend(ends_after(component).iter().filter(|other| self.ends(**other)).map(|other| self.unit_key(*other)));
        if component == Component::Containerd {
            keys.push(Key::host_gate(self.name, "pods"));
        }
        keys
    }

    fn before_start(&self, component: Component) -> Vec<Key> {
        let mut keys = self.keys(|part| part.is_input_of(component) && !(part.is_package() && part.goes()));
        keys.extend(starts_after(component).iter().filter(|other| self.starts(**other)).map(|other| self.unit_key(*other)));
        keys.extend(ends_after(component).iter().filter(|other| self.ends(**other)).map(|other| self.unit_key(*other)));
        if component == Component::Containerd {
            keys.push(Key::host_gate(self.name, "pods"));
        }
        if self.returns(component) {
            let comes = |part: &Part<'_>| !part.goes() && part.unit().is_none() && !matches!(part.item.resource, Resource::Image(_));
            keys.extend(self.keys(|part| comes(part) && !is_others(part, component)));
        }
        keys
    }

    /// Folder and owner that come back, for what comes back.
    fn places(&self, part: &Part<'_>) -> Vec<Key> {
        self.keys(|other| match &other.item.resource {
            Resource::Directory(directory) => !other.goes() && part.is_within(&directory.path),
            Resource::User(user) => !other.goes() && part.is_owned_by(&user.name),
            _ => false,
        })
    }

    /// Units that end, of the components that are wanted.
    fn ended(&self, wanted: impl Fn(Component) -> bool) -> Vec<Key> {
        self.components()
            .filter(|(component, _)| self.ends(*component) && wanted(*component))
            .map(|(component, _)| self.unit_key(component))
            .collect()
    }

    fn swept(&self) -> impl Iterator<Item = Key> {
        SWEEPS.iter().map(|name| Key::host_gate(self.name, name))
    }

    pub(super) fn keys(&self, wanted: impl Fn(&Part<'_>) -> bool) -> Vec<Key> {
        self.parts.iter().filter(|part| wanted(part)).map(|part| part.key.clone()).collect()
    }
}

/// Whether only other components take it up: it has its turn with them.
fn is_others(part: &Part<'_>, component: Component) -> bool {
    !part.serves(component) && Component::ALL.into_iter().any(|other| part.serves(other))
}

/// Whether `part` is a file of a unit that is no component's, such as the watchdog's timer.
fn is_file_of(part: &Part<'_>, unit: &Part<'_>) -> bool {
    let (Resource::File(file), Some(name)) = (&part.item.resource, unit.unit()) else { return false };
    file.path == format!("/etc/systemd/system/{name}")
        || (name == FIREWALL_UNIT && file.path.starts_with(FIREWALL_FOLDER))
        || (name == barque_render::WATCHDOG_TIMER && barque_render::WATCHDOG_FILES.contains(&file.path.as_str()))
}
