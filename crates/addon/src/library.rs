//! All add-ons that there are.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use barque_model::{AddonName, ClusterAddon};

use crate::addon::Objects;
use crate::{Addon, AddonError, Files};

/// The folders of `addons/`.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/addons.tar.gz"));

/// The add-on whose objects barque renders by itself.
const DNS: &str = "dns";

static BARQUES: LazyLock<Vec<Addon>> = LazyLock::new(|| {
    let read = |(folder, files): (&String, &Files)| if folder == DNS { built_in(files) } else { Addon::described(files) };
    let folders = barque_embed::unpack(PACKED).expect("the build script packed it");
    folders.iter().map(|folder| read(folder).expect("addons/ is embedded and a test reads all of it")).collect()
});

fn built_in(files: &Files) -> Result<Addon, AddonError> {
    // A stand-in keeps the folder's shape: the objects are in `render`, which needs the cluster's release for them.
    let with_objects = files.iter().map(|(path, text)| (path.clone(), text.clone())).chain([("objects/none".to_owned(), String::new())]);
    Ok(Addon { objects: Objects::BuiltIn, ..Addon::described(&with_objects.collect())? })
}

/// barque's add-ons and a user's own.
#[derive(Debug, Clone, Default)]
pub struct Library {
    own: BTreeMap<(String, String), Result<Addon, (String, String)>>,
}

impl Library {
    /// barque's add-ons alone.
    pub const fn embedded() -> Self {
        Self { own: BTreeMap::new() }
    }

    /// Adds a user's own: its name and `from` as the cluster file has them, and the add-on or the reason, with a hint, why it cannot be used.
    pub fn add(&mut self, name: &str, from: &str, addon: Result<Addon, (String, String)>) {
        self.own.insert((name.to_owned(), from.to_owned()), addon);
    }

    /// barque's own add-ons, by name.
    pub fn barques(&self) -> &'static [Addon] {
        &BARQUES
    }

    /// One of barque's.
    pub fn get(&self, name: &str) -> Option<&'static Addon> {
        BARQUES.iter().find(|addon| addon.name.as_str() == name)
    }

    /// A user's own, by name and by what the cluster file names; `None` when it was not read.
    pub fn own(&self, name: &AddonName, from: &str) -> Option<&Result<Addon, (String, String)>> {
        self.own.get(&(name.to_string(), from.to_owned()))
    }

    /// The add-on that a cluster has; `None` for one of the user's own that was not read.
    pub fn find(&self, addon: &ClusterAddon) -> Option<&Addon> {
        match addon.origin.from() {
            Some(from) => self.own(&addon.name, from).and_then(|found| found.as_ref().ok()),
            None => self.get(addon.name.as_str()),
        }
    }

    /// The name most like `text`.
    pub fn nearest(&self, text: &str) -> Option<&'static str> {
        let names = BARQUES.iter().map(|addon| addon.name.as_str());
        let distances = names.map(|name| (strsim::damerau_levenshtein(text, name), name));
        distances.filter(|(distance, _)| *distance <= 3).min().map(|(_, name)| name)
    }
}
