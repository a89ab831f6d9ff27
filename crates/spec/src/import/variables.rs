//! Which value of a variable counts for a host (Ansible: "Understanding variable precedence", places 3 to 10).

use std::collections::BTreeMap;

use super::Scope;
use super::groups::{Tree, Variable, Variables};
use super::meaning::{Meaning, meaning};
use super::sources::Sources;
use super::value;
use crate::yaml::Content;

/// An inventory with the files of variables beside it.
pub(super) struct Layers<'tree> {
    /// The inventory.
    pub(super) tree: &'tree Tree,
    /// The files, in the order in which they count.
    pub(super) files: &'tree [(Scope, Variables)],
}

impl<'tree> Layers<'tree> {
    /// Every variable of `host`, with the value that counts.
    pub(super) fn of(&self, host: &str) -> BTreeMap<&'tree str, &'tree Variable> {
        let groups = self.tree.groups_of(host);
        let mut effective = BTreeMap::new();
        let mut add = |variables: &'tree Variables| effective.extend(variables.iter().map(|(name, variable)| (name.as_str(), variable)));
        for group in &groups {
            self.tree.groups.get(*group).into_iter().for_each(|group| add(&group.variables));
        }
        for group in &groups {
            let files = self.files.iter().filter(|(scope, _)| matches!(scope, Scope::Group(name) if name == group));
            files.for_each(|(_, variables)| add(variables));
        }
        self.tree.hosts.iter().filter(|entry| entry.name == host).for_each(|entry| add(&entry.variables));
        let files = self.files.iter().filter(|(scope, _)| matches!(scope, Scope::Host(name) if name == host));
        files.for_each(|(_, variables)| add(variables));
        effective
    }

    /// Says which variables are not read, and why where there is more to say.
    pub(super) fn report_unread(&self, sources: &mut Sources) {
        let in_tree = self.tree.groups.values().map(|group| &group.variables).chain(self.tree.hosts.iter().map(|host| &host.variables));
        for (name, variable) in in_tree.chain(self.files.iter().map(|(_, variables)| variables)).flatten() {
            let text = value::text(&variable.node);
            let is_empty = text.is_none() && matches!(variable.node.content, Content::Scalar(_));
            match (meaning(name), text) {
                (Meaning::Read, _) => {}
                (Meaning::Only { value, .. }, Some(text)) if text == value => {}
                (Meaning::Only { .. } | Meaning::Instead(_), _) if is_empty => {}
                (Meaning::Only { reason, .. } | Meaning::Instead(reason), Some(text)) => {
                    sources.note(variable.origin, format!("`{name}: {text}` is not taken over: {reason}"));
                }
                (Meaning::Only { reason, .. } | Meaning::Instead(reason), None) | (Meaning::Secret(reason), _) => {
                    sources.note(variable.origin, format!("`{name}` is not taken over: {reason}"));
                }
                (Meaning::Unknown, _) => sources.unread(variable.origin, name),
            }
        }
    }
}
