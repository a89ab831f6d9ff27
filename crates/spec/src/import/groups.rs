//! Hosts and groups of an Ansible inventory, whichever way they were written.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Origin, Sources};
use crate::yaml::Node;

/// A variable's value and where it is.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    /// The value.
    pub(super) node: Node,
    /// Where.
    pub(super) origin: Origin,
}

/// Variables by name.
pub(super) type Variables = BTreeMap<String, Variable>;

/// An inventory.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Hosts in the order in which they are first named.
    pub(super) hosts: Vec<HostEntry>,
    /// Groups by name; `all` is not among the parents of any.
    pub(super) groups: BTreeMap<String, Group>,
}

/// A host.
#[derive(Debug)]
pub(super) struct HostEntry {
    /// Its name in the inventory.
    pub(super) name: String,
    /// Where it is first named.
    pub(super) origin: Origin,
    /// Variables that the inventory gives it.
    pub(super) variables: Variables,
}

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    /// Where it begins.
    pub(super) origin: Origin,
    /// Groups in it, with the place of each mention.
    pub(super) children: Vec<(String, Origin)>,
    /// Hosts directly in it.
    pub(super) hosts: BTreeSet<String>,
    /// Variables that the inventory gives it.
    pub(super) variables: Variables,
}

impl Tree {
    /// The host called `name`, made when it is new.
    pub(super) fn host(&mut self, name: &str, origin: Origin) -> &mut HostEntry {
        let position = self.hosts.iter().position(|host| host.name == name).unwrap_or_else(|| {
            self.hosts.push(HostEntry { name: name.to_owned(), origin, variables: Variables::new() });
            self.hosts.len() - 1
        });
        &mut self.hosts[position]
    }

    /// The group called `name`, made when it is new.
    pub(super) fn group(&mut self, name: &str, origin: Origin) -> &mut Group {
        let new = || Group { origin, children: Vec::new(), hosts: BTreeSet::new(), variables: Variables::new() };
        self.groups.entry(name.to_owned()).or_insert_with(new)
    }

    /// Reports groups that contain themselves, and takes them out of each other, so that what follows ends.
    pub(super) fn break_circles(&mut self, sources: &mut Sources) {
        let names: Vec<String> = self.groups.keys().cloned().collect();
        for name in names {
            let children = self.groups.get(&name).map(|group| group.children.clone()).unwrap_or_default();
            for (child, origin) in children {
                if child != name && !self.descendants(&child).contains(&name) {
                    continue;
                }
                let message = format!("group `{name}` contains itself, through `{child}`");
                sources.error(origin, message, "remove one of the two from the other's children");
                if let Some(group) = self.groups.get_mut(&name) {
                    group.children.retain(|(other, _)| *other != child);
                }
            }
        }
    }

    /// All groups in `name`, however deep.
    fn descendants(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(next) = open.pop() {
            for (child, _) in self.groups.get(&next).map_or(&[][..], |group| &group.children) {
                if found.insert(child.clone()) {
                    open.push(child.clone());
                }
            }
        }
        found
    }

    /// The groups of a host, however deep, with `all`; the outermost first, those of one depth by name.
    pub(super) fn groups_of(&self, host: &str) -> Vec<&str> {
        let contains = |name: &str| {
            let has = |name: &str| self.groups.get(name).is_some_and(|group| group.hosts.contains(host));
            has(name) || self.descendants(name).iter().any(|child| has(child))
        };
        let mut groups: Vec<&str> = self.groups.keys().map(String::as_str).filter(|name| *name != "all" && contains(name)).collect();
        groups.sort_by_key(|name| (self.depth(name), *name));
        groups.insert(0, "all");
        groups
    }

    /// The longest way to a group from the outside.
    fn depth(&self, name: &str) -> usize {
        let parents = self.groups.iter().filter(|(_, group)| group.children.iter().any(|(child, _)| child == name));
        parents.filter(|(parent, _)| *parent != "all").map(|(parent, _)| 1 + self.depth(parent)).max().unwrap_or_default()
    }
}
