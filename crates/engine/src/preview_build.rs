//! Works out a preview from a plan and what was seen. Pure.

use std::collections::{BTreeMap, HashMap};

use barque_model::{Cluster, Digest, Host, HostName, NodeState, SecretBytes, Taint};
use barque_plan::{
    Action, Binary, Change, Difference, File, Held, HostObserved, Image, LedgerEntry, Observed, Package, Plan, Prior, Resource, ResourceId,
    difference,
};
use serde_json::Value;

use crate::diff::{ContentChange, Sides, content_change, new_content, object_change};
use crate::order::unit_change;
use crate::present::{Texts, TextsWanted};
use crate::preview::{
    FilePreview, HeldPreview, HostPreview, NodePreview, ObjectPreview, PackagePreview, RemovalPreview, SettingPreview, VersionChange,
};

/// What a preview follows from, but for the contents that are read from hosts once it is known which ones matter.
#[derive(Clone, Copy)]
pub(crate) struct Material<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) plan: &'a Plan,
    /// Resources as they must be.
    pub(crate) wanted: &'a BTreeMap<HostName, Vec<Resource>>,
    /// Content of files as it must be.
    pub(crate) contents: &'a HashMap<(HostName, ResourceId), SecretBytes>,
    pub(crate) observed: &'a BTreeMap<HostName, HostObserved>,
    pub(crate) ledger: &'a BTreeMap<HostName, Vec<LedgerEntry>>,
    pub(crate) held: &'a [Held],
    pub(crate) to_send: &'a BTreeMap<HostName, u64>,
    pub(crate) nodes: &'a [NodeState],
}

impl Material<'_> {
    fn seen(&self, host: &HostName, id: &ResourceId) -> &Observed {
        self.observed.get(host).and_then(|seen| seen.resources.get(id)).unwrap_or(&Observed::Absent)
    }

    /// What barque applied last.
    fn applied(&self, host: &HostName, id: &ResourceId) -> Option<&Resource> {
        self.ledger.get(host)?.iter().find(|entry| entry.id() == *id).map(|entry| &entry.resource)
    }

    fn wanted(&self, host: &HostName, id: &ResourceId) -> Option<&Resource> {
        self.wanted.get(host)?.iter().find(|wanted| wanted.id() == *id)
    }

    /// Whether the content of a file must not be shown: neither as it is nor as it was or will be.
    fn is_secret(&self, host: &HostName, file: &File) -> bool {
        let id = ResourceId(format!("file {}", file.path));
        let sensitive = |resource: Option<&Resource>| matches!(resource, Some(Resource::File(file)) if file.sensitive);
        file.sensitive || sensitive(self.applied(host, &id)) || sensitive(self.wanted(host, &id))
    }

    /// The contents that a preview needs of hosts.
    pub(crate) fn texts_wanted(&self) -> TextsWanted {
        let mut texts = TextsWanted::default();
        for step in &self.plan.steps {
            let Some(host) = &step.host else { continue };
            match &step.action {
                Action::Apply { resource: Resource::File(file), .. } if self.content_differs(host, file) && !self.is_secret(host, file) => {
                    texts.files.insert((host.clone(), file.path.clone()));
                }
                Action::Restore { resource: Resource::File(file), prior: Prior::File { digest, .. }, .. }
                    if !self.is_secret(host, file) =>
                {
                    texts.files.insert((host.clone(), file.path.clone()));
                    texts.former.insert((host.clone(), *digest));
                }
                _ => {}
            }
        }
        for held in self.held {
            if let Some(Resource::File(file)) = self.wanted(&held.host, &held.resource)
                && !self.is_secret(&held.host, file)
            {
                texts.files.insert((held.host.clone(), file.path.clone()));
            }
        }
        texts
    }

    fn content_differs(&self, host: &HostName, file: &File) -> bool {
        let id = ResourceId(format!("file {}", file.path));
        matches!(self.seen(host, &id), Observed::File { digest, .. } if *digest != file.digest)
    }

    /// Hosts with changes, in file order.
    pub(crate) fn hosts(&self, texts: &Texts) -> Vec<HostPreview> {
        let mut hosts: BTreeMap<&HostName, HostPreview> = BTreeMap::new();
        for step in &self.plan.steps {
            let Some(host) = &step.host else { continue };
            let preview = hosts.entry(host).or_insert_with(|| HostPreview::new(host.clone()));
            match &step.action {
                Action::Apply { resource, difference, .. } => self.apply(preview, texts, resource, difference),
                Action::Restore { resource, prior, .. } => self.restore(preview, texts, resource, prior),
                _ => {}
            }
            preview.units.extend(unit_change(&step.action));
        }
        let in_order = self.cluster.hosts.iter().filter_map(|host: &Host| {
            let mut preview = hosts.remove(&host.name)?;
            preview.bytes_to_send = self.to_send.get(&host.name).copied().unwrap_or(0);
            (!preview.is_empty()).then_some(preview)
        });
        in_order.collect()
    }

    fn apply(&self, preview: &mut HostPreview, texts: &Texts, resource: &Resource, difference: &Difference) {
        let host = preview.host.clone();
        let reasons = difference.reasons.clone();
        match resource {
            Resource::File(file) => preview.files.push(self.file(&host, texts, file, difference)),
            Resource::Binary(binary) => preview.binaries.push(self.binary(&host, binary, reasons)),
            Resource::Image(image) => preview.images.push(self.image(&host, image, reasons)),
            Resource::Package(package) => preview.packages.push(package_preview(package)),
            Resource::Unit(_) => {}
            Resource::Sysctl(sysctl) => {
                preview.settings.push(SettingPreview { resource: resource.id(), becomes: format!("= {}", sysctl.value), reasons });
            }
            Resource::HostsLine(line) => {
                preview.settings.push(SettingPreview { resource: resource.id(), becomes: format!("at {}", line.address), reasons });
            }
            Resource::Directory(_) | Resource::User(_) => {
                preview.settings.push(SettingPreview { resource: resource.id(), becomes: String::new(), reasons });
            }
        }
    }

    fn file(&self, host: &HostName, texts: &Texts, file: &File, difference: &Difference) -> FilePreview {
        let id = ResourceId(format!("file {}", file.path));
        let is_new = difference.change == Change::Create;
        let changes = is_new || self.content_differs(host, file) || matches!(self.seen(host, &id), Observed::Other { .. });
        let attributes = difference.reasons.iter().filter(|reason| !["absent", "content"].contains(&reason.as_str())).cloned().collect();
        let content = changes.then(|| {
            if self.is_secret(host, file) {
                return ContentChange::Secret;
            }
            let Some(wanted) = self.contents.get(&(host.clone(), id.clone())) else { return unread(host) };
            if !self.content_differs(host, file) {
                return new_content(wanted.expose());
            }
            let Some(there) = texts.files.get(&(host.clone(), file.path.clone())) else { return unread(host) };
            content_change(there.expose(), wanted.expose(), Sides { before: "on the host", after: "as wanted" })
        });
        FilePreview { path: file.path.clone(), is_new, attributes, content }
    }

    fn binary(&self, host: &HostName, binary: &Binary, reasons: Vec<String>) -> VersionChange {
        let id = ResourceId(format!("binary {}", binary.path));
        let from = match self.seen(host, &id) {
            Observed::Binary { target: Some(target), .. } => {
                let known = match self.applied(host, &id) {
                    Some(Resource::Binary(applied)) if applied.blob.digest == *target => Some(applied.version.clone()),
                    _ => None,
                };
                Some(known.unwrap_or_else(|| target.short()))
            }
            _ => None,
        };
        VersionChange { name: binary.path.clone(), from, to: binary.version.clone(), reasons }
    }

    fn image(&self, host: &HostName, image: &Image, reasons: Vec<String>) -> VersionChange {
        let from = match self.seen(host, &ResourceId(format!("image {}", image.reference))) {
            Observed::Image { digest } => Some(digest.as_ref().map_or_else(|| "one of unknown origin".to_owned(), Digest::short)),
            _ => None,
        };
        VersionChange { name: image.reference.clone(), from, to: image.blob.digest.short(), reasons }
    }

    fn restore(&self, preview: &mut HostPreview, texts: &Texts, resource: &Resource, prior: &Prior) {
        if matches!(resource, Resource::Unit(_)) {
            return;
        }
        let host = preview.host.clone();
        let content = match (resource, prior) {
            (Resource::File(file), Prior::File { .. }) if self.is_secret(&host, file) => Some(ContentChange::Secret),
            (Resource::File(file), Prior::File { digest, .. }) => {
                let former = texts.former.get(&(host.clone(), *digest));
                let there = texts.files.get(&(host.clone(), file.path.clone()));
                Some(match (there, former) {
                    (Some(there), Some(former)) => {
                        content_change(there.expose(), former.expose(), Sides { before: "on the host", after: "as before barque" })
                    }
                    (None, Some(former)) => new_content(former.expose()),
                    _ => unread(&host),
                })
            }
            _ => None,
        };
        preview.removals.push(RemovalPreview { resource: resource.id(), puts_back: !prior.is_absent(), content });
    }

    /// What is left as somebody made it.
    pub(crate) fn held(&self, texts: &Texts) -> Vec<HeldPreview> {
        let previews = self.held.iter().map(|held| {
            let wanted = self.wanted(&held.host, &held.resource);
            let seen = self.seen(&held.host, &held.resource);
            let found = wanted.and_then(|wanted| difference(wanted, seen));
            let reasons = found.map_or_else(|| vec!["not wanted any more".to_owned()], |found| found.reasons);
            HeldPreview {
                host: held.host.clone(),
                resource: held.resource.clone(),
                run: held.run.clone(),
                reasons: reasons.into_iter().filter(|reason| reason != "content").collect(),
                content: wanted.and_then(|wanted| self.held_content(&held.host, wanted, texts)),
            }
        });
        previews.collect()
    }

    fn held_content(&self, host: &HostName, wanted: &Resource, texts: &Texts) -> Option<ContentChange> {
        let Resource::File(file) = wanted else { return None };
        if self.is_secret(host, file) {
            return Some(ContentChange::Secret);
        }
        let rendered = self.contents.get(&(host.clone(), wanted.id()))?;
        let Some(there) = texts.files.get(&(host.clone(), file.path.clone())) else { return Some(unread(host)) };

        Some(content_change(rendered.expose(), there.expose(), Sides { before: "as barque would write it", after: "on the host" }))
    }

    /// The JSON of all objects that would be applied.
    pub(crate) fn object_texts(&self) -> Vec<String> {
        self.applied_objects().map(|(_, json)| json.clone()).collect()
    }

    fn applied_objects(&self) -> impl Iterator<Item = (&String, &String)> {
        self.plan.steps.iter().flat_map(|step| match &step.action {
            Action::Objects { objects, names } => names.iter().zip(objects).collect(),
            _ => Vec::new(),
        })
    }

    /// The objects that would be applied. `live` has those that are there, by the JSON of the wanted ones.
    pub(crate) fn objects(&self, live: &BTreeMap<String, Value>) -> Vec<ObjectPreview> {
        self.applied_objects()
            .map(|(name, json)| ObjectPreview { name: name.clone(), content: object_change(json, live.get(json)) })
            .collect()
    }

    /// The objects that would be deleted.
    pub(crate) fn removed_objects(&self) -> Vec<String> {
        let names = self.plan.steps.iter().flat_map(|step| match &step.action {
            Action::RemoveObjects { names, .. } => names.clone(),
            _ => Vec::new(),
        });
        names.collect()
    }

    /// The nodes whose labels or taints would be set.
    pub(crate) fn nodes(&self) -> Vec<NodePreview> {
        let previews = self.plan.steps.iter().filter_map(|step| {
            let Action::Node { node, labels, taints } = &step.action else { return None };
            let state = self.nodes.iter().find(|state| state.name == node.as_str());
            let label = |(key, value): (&String, &String)| match state.and_then(|state| state.labels.get(key)) {
                Some(former) => format!("{key}={value} (was {former})"),
                None => format!("{key}={value}"),
            };
            Some(NodePreview {
                node: node.clone(),
                labels: labels.iter().map(label).collect(),
                taints: taints.iter().map(taint_text).collect(),
            })
        });
        previews.collect()
    }
}

/// `key=value:effect`, or `key:effect` without a value.
pub(crate) fn taint_text(taint: &Taint) -> String {
    let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
    format!("{}{value}:{}", taint.key, taint.effect)
}

fn unread(host: &HostName) -> ContentChange {
    ContentChange::Hidden { reason: format!("its content on {host} could not be read") }
}

fn package_preview(package: &Package) -> PackagePreview {
    let archives = package.archives.iter().map(|archive| format!("{} {}", archive.name, archive.version)).collect();
    PackagePreview { name: package.name.clone(), archives }
}

#[cfg(test)]
mod tests;
