//! What add-ons there are, and what one of them is.

use barque_addon::{Addon, AddonImage, Check, Words, rights};
use barque_model::{AddonName, AddonOrigin, ClusterAddon};
use serde::Serialize;
use serde_json::Value;

use crate::{Context, EngineError};

/// An add-on in the list of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddonRow {
    /// Its name.
    pub name: AddonName,
    /// Its version.
    pub version: String,
    /// Whether it is on.
    pub enabled: bool,
    /// The folder or file of one of the user's own.
    pub from: Option<String>,
    /// Add-ons that it needs.
    pub needs: Vec<AddonName>,
    /// One line in both languages.
    pub description: Words,
}

/// A setting of an add-on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddonSetting {
    /// Its name.
    pub name: String,
    /// What it may be, for people.
    pub kind: String,
    /// Its default.
    pub default: Option<Value>,
    /// Its value in this cluster; none while the add-on is off.
    pub value: Option<Value>,
    /// What it means.
    pub description: String,
}

/// All of one add-on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddonDetail {
    /// The same as in the list.
    #[serde(flatten)]
    pub row: AddonRow,
    /// The namespace of its pods.
    pub namespace: String,
    /// Versions of Kubernetes that it runs on.
    pub kubernetes: String,
    /// Its settings.
    pub settings: Vec<AddonSetting>,
    /// Images of its pods.
    pub images: Vec<AddonImage>,
    /// What must hold once it is applied.
    pub checks: Vec<Check>,
    /// What it may do in the cluster, a line each.
    pub rights: Vec<String>,
    /// Its objects in this cluster, in the order in which they are applied, `Kind namespace/name`.
    pub objects: Vec<String>,
}

/// barque's add-ons by name, then the user's own that the cluster file names and that are on.
pub fn addon_rows(context: &Context) -> Vec<AddonRow> {
    let mut rows: Vec<AddonRow> = context.addons.barques().iter().map(|addon| row(context, addon, None)).collect();
    for chosen in &context.cluster.addons {
        if let (Some(from), Some(addon)) = (chosen.origin.from(), context.addons.find(chosen)) {
            rows.push(row(context, addon, Some(from.to_owned())));
        }
    }
    rows
}

/// All of the add-on called `name`, with its settings in this cluster, or its defaults while it is off.
pub fn addon_detail(context: &Context, name: &str) -> Result<AddonDetail, EngineError> {
    let chosen = context.cluster.addons.iter().find(|addon| addon.name.as_str() == name);
    let from = chosen.and_then(|chosen| chosen.origin.from().map(str::to_owned));
    let found = chosen.and_then(|chosen| context.addons.find(chosen)).or_else(|| context.addons.get(name));
    let Some(addon) = found else {
        let names = addon_rows(context).into_iter().map(|row| row.name.to_string()).collect();
        return Err(EngineError::NoAddon { name: name.to_owned(), nearest: context.addons.nearest(name), names });
    };
    let settings = chosen.map_or_else(|| addon.settings.resolve(&serde_json::json!({})).0, |chosen| chosen.settings.clone());
    let failed = |source| EngineError::Addon { name: addon.name.clone(), source };
    let objects = addon.render(&context.cluster, &settings).map_err(failed)?.objects;
    let objects = if addon.is_built_in() { barque_render::objects(&context.cluster, &context.release).dns } else { objects };
    let setting = |(name, kind, default, description): (&str, String, Option<&Value>, &str)| AddonSetting {
        name: name.to_owned(),
        kind,
        default: default.cloned(),
        value: chosen.map(|chosen| chosen.settings[name].clone()),
        description: description.to_owned(),
    };
    Ok(AddonDetail {
        row: row(context, addon, from),
        namespace: addon.namespace.clone(),
        kubernetes: addon.kubernetes_words(),
        settings: addon.settings.settings().into_iter().map(setting).collect(),
        images: addon.images.clone(),
        checks: addon.checks.clone(),
        rights: rights(&objects),
        objects: objects.iter().map(barque_addon::name_of).collect(),
    })
}

fn row(context: &Context, addon: &Addon, from: Option<String>) -> AddonRow {
    let is_it = |chosen: &&ClusterAddon| chosen.name == addon.name && (from.is_some() || chosen.origin == AddonOrigin::Barque);
    // CoreDNS goes with the release.
    let version = if addon.is_built_in() { context.release.coredns.to_string() } else { addon.version.clone() };
    AddonRow {
        name: addon.name.clone(),
        version,
        enabled: context.cluster.addons.iter().any(|chosen| is_it(&chosen)),
        from,
        needs: addon.needs.clone(),
        description: addon.description.clone(),
    }
}
