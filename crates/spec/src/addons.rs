//! Understands `spec.addons`.

use std::collections::BTreeMap;

use barque_addon::{Addon, Fault, FaultKind, Library, Member, OrderFault, in_order};
use barque_model::{AddonName, AddonOrigin, Cluster, ClusterAddon, Version};
use serde_json::{Value, json};

use crate::field::Field;
use crate::file_addons::{AddonEntry, Freeform};
use crate::report::{Located, Place, Report};
use crate::yaml::{Content, Node};

/// The add-on that every cluster has.
const DNS: &str = "dns";

/// What the meaning of add-ons is found in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'run> {
    /// All add-ons that there are.
    pub(crate) library: &'run Library,
    /// The whole file, for the places of settings.
    pub(crate) root: &'run Node,
}

/// Where the add-ons of a file stand.
#[derive(Debug)]
pub(crate) struct Places<'run> {
    root: &'run Node,
    /// Entry and place by name.
    entries: BTreeMap<AddonName, (usize, Place)>,
}

impl Places<'_> {
    /// Ports of an add-on against those of the cluster, which are known once everything is.
    pub(crate) fn check_ports(&self, cluster: &Cluster, report: &mut Report) {
        let Some((setting, message, hint)) = cluster.ingress_fault() else { return };
        let entry = self.entries.iter().find(|(name, _)| name.as_str() == "ingress").map(|(_, entry)| *entry);
        let Some((index, place)) = entry else { return };
        let path = [Member::Field(setting.to_owned())];
        let written = setting_node(self.root, index, &path).filter(|node| node.key.is_some()).map(|node| node.place);
        report.error(written.unwrap_or(place), format!("add-on `ingress`: {message}"), hint);
    }
}

/// The add-ons that are on, in the order in which they are applied; `dns` is the first.
pub(crate) fn resolve<'run>(
    list: Option<Located<Vec<Field<AddonEntry>>>>,
    kubernetes: Option<Version>,
    sources: &Sources<'run>,
    report: &mut Report,
) -> (Vec<ClusterAddon>, Places<'run>) {
    let mut found = Found { sources, kubernetes, on: Vec::new(), places: BTreeMap::new() };
    if let Some(list) = list {
        for (index, entry) in list.value.into_iter().enumerate() {
            if let Some(entry) = entry.located(list.place) {
                found.entry(index, entry, report);
            }
        }
    }
    if let Some(dns) = sources.library.get(DNS)
        && !found.on.iter().any(|addon| addon.name == dns.name)
    {
        let settings = dns.settings.resolve(&json!({})).0;
        found.on.insert(0, ClusterAddon { name: dns.name.clone(), origin: AddonOrigin::Barque, settings });
    }
    let entries = found.places.clone();
    (found.ordered(report), Places { root: sources.root, entries })
}

/// The node of a setting of the entry `index`, or the innermost one on the way to it.
fn setting_node<'node>(root: &'node Node, index: usize, path: &[Member]) -> Option<&'node Node> {
    let list = root.get("spec")?.get("addons")?;
    let Content::List(entries) = &list.content else { return None };
    let mut node = entries.get(index)?.get("settings")?;
    for member in path {
        let next = match (member, &node.content) {
            (Member::Field(name), _) => node.get(name),
            (Member::Entry(entry), Content::List(items)) => items.get(*entry),
            (Member::Entry(_), _) => None,
        };
        let Some(next) = next else { break };
        node = next;
    }
    Some(node)
}

struct Found<'run> {
    sources: &'run Sources<'run>,
    kubernetes: Option<Version>,
    on: Vec<ClusterAddon>,
    /// Where each name stands.
    places: BTreeMap<AddonName, (usize, Place)>,
}

impl Found<'_> {
    fn entry(&mut self, index: usize, entry: Located<AddonEntry>, report: &mut Report) {
        let Located { value: AddonEntry { name, enabled, settings, from }, place } = entry;
        let Some(written) = name.located(place) else { return };
        let name: AddonName = match written.value.parse() {
            Ok(name) => name,
            Err(error) => {
                report.error(written.place, format!("an add-on's name {error}"), "use a-z, 0-9 and `-`, 63 at most");
                return;
            }
        };
        if let Some((_, first)) = self.places.get(&name) {
            let message = format!("add-on `{name}` is named twice; the first is on line {}", first.line);
            report.error(written.place, message, "keep one entry for each add-on");
            return;
        }
        self.places.insert(name.clone(), (index, written.place));
        let is_on = enabled.at(place).is_none_or(|enabled| *enabled.value);
        let from = from.located(place);
        let addon = match &from {
            // The folder of one that is off may be gone.
            Some(_) if !is_on => Ok(None),
            Some(from) => self.own(&name, from, report),
            None => self.barques(&name, written.place, report),
        };
        let Ok(addon) = addon else { return };
        if !is_on {
            if name.as_str() == DNS {
                let at = enabled.place.unwrap_or(place);
                report.error(at, "add-on `dns` cannot be turned off", "remove this entry: pods find services by it");
            }
            return;
        }
        let written_settings = settings.located(place).map_or_else(|| json!({}), |Located { value: Freeform(value), .. }| value);
        let settings = match addon {
            Some(addon) => self.settings(index, addon, &written_settings, written.place, report),
            None => written_settings,
        };
        let origin = from.map_or(AddonOrigin::Barque, |from| AddonOrigin::Own(from.value));
        self.on.push(ClusterAddon { name, origin, settings });
    }

    fn barques(&self, name: &AddonName, place: Place, report: &mut Report) -> Result<Option<&Addon>, ()> {
        let library = self.sources.library;
        if let Some(addon) = library.get(name.as_str()) {
            return Ok(Some(addon));
        }
        let names: Vec<&str> = library.barques().iter().map(|addon| addon.name.as_str()).collect();
        let hint = match library.nearest(name.as_str()) {
            Some(near) => format!("did you mean `{near}`? for an add-on of your own, name its folder with `from`"),
            None => format!("there are: {}; for an add-on of your own, name its folder with `from`", names.join(", ")),
        };
        report.error(place, format!("there is no add-on `{name}`"), hint);
        Err(())
    }

    /// `None` for one that was not read, which is then not looked at.
    fn own(&self, name: &AddonName, from: &Located<String>, report: &mut Report) -> Result<Option<&Addon>, ()> {
        if self.sources.library.get(name.as_str()).is_some() {
            let message = format!("`{name}` is an add-on of barque's own");
            report.error(from.place, message, "give yours another name, or remove `from`");
            return Err(());
        }
        match self.sources.library.own(name, &from.value) {
            None => Ok(None),
            Some(Ok(addon)) => Ok(Some(addon)),
            Some(Err((message, hint))) => {
                report.error(from.place, format!("the add-on in `{}` cannot be used: {message}", from.value), hint.clone());
                Err(())
            }
        }
    }

    /// The settings with their defaults; what is wrong with them is reported at its place.
    fn settings(&self, index: usize, addon: &Addon, written: &Value, place: Place, report: &mut Report) -> Value {
        if let Some(kubernetes) = self.kubernetes.filter(|version| !addon.supports(*version)) {
            let (name, version, range) = (&addon.name, &addon.version, addon.kubernetes_words());
            let message = format!("add-on `{name}` {version} does not run on Kubernetes {kubernetes}");
            report.error(place, message, format!("it runs on Kubernetes {range}"));
        }
        // Of another type: that has been reported.
        if !written.is_object() {
            return json!({});
        }
        let (settings, faults) = addon.settings.resolve(written);
        for fault in faults {
            let at = self.place_of(index, &fault).unwrap_or(place);
            report.error(at, format!("add-on `{}`: {}", addon.name, fault.message), fault.hint);
        }
        for said in addon.said_of(&settings) {
            let at = self.place_of(index, &said.fault).unwrap_or(place);
            let message = format!("add-on `{}`: {}", addon.name, said.fault.message);
            if said.refused { report.error(at, message, said.fault.hint) } else { report.warn(at, message, said.fault.hint) }
        }
        settings
    }

    fn place_of(&self, index: usize, fault: &Fault) -> Option<Place> {
        let node = setting_node(self.sources.root, index, &fault.path)?;
        // A setting that does not exist is marked at its name, a wrong value at itself.
        Some(node.key.filter(|_| fault.kind == FaultKind::Unknown).unwrap_or(node.place))
    }

    fn ordered(self, report: &mut Report) -> Vec<ClusterAddon> {
        let needs =
            |addon: &ClusterAddon| self.sources.library.find(addon).map(|known| known.needs_with(&addon.settings)).unwrap_or_default();
        let all: Vec<(AddonName, Vec<AddonName>)> = self.on.iter().map(|addon| (addon.name.clone(), needs(addon))).collect();
        match in_order(&all) {
            Ok(order) => order.iter().filter_map(|name| self.on.iter().find(|addon| addon.name == *name).cloned()).collect(),
            Err(faults) => {
                for fault in faults {
                    let place = fault.addon().and_then(|name| self.places.get(name)).map_or(Place::START, |(_, place)| *place);
                    let off = matches!(&fault, OrderFault::Missing { needed, .. } if self.places.contains_key(needed));
                    let hint = if off { "remove its `enabled: false`, or turn this one off too".to_owned() } else { fault.hint() };
                    report.error(place, fault.to_string(), hint);
                }
                self.on
            }
        }
    }
}

/// Name and folder of each add-on of the user's own that `text` names and does not turn off, as written.
pub fn addon_sources(text: &str) -> Vec<(String, String)> {
    let mut report = Report::new("", text);
    let Some(root) = crate::yaml::parse(text, &mut report) else { return Vec::new() };
    let list = root.get("spec").and_then(|spec| spec.get("addons"));
    let Some(Content::List(entries)) = list.map(|list| &list.content) else { return Vec::new() };
    let scalar = |node: Option<&Node>| match node.map(|node| &node.content) {
        Some(Content::Scalar(scalar)) => Some(scalar.text.clone()),
        _ => None,
    };
    entries.iter().filter_map(|entry| Some((scalar(entry.get("name"))?, scalar(entry.get("from"))?))).collect()
}
