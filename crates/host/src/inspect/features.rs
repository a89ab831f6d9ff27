//! Whether the kernel has a feature: built in, loaded, or as a module that can be loaded.

use std::io::Read as _;

use barque_check::{Feature, FeatureState};
use flate2::read::GzDecoder;
use fs_err as fs;

use super::read::{exists, text};
use crate::context::HostContext;

/// Decompressed, a kernel's configuration has about 200 KB.
const LARGEST: u64 = 4 << 20;

/// What is there of the features, by the names of their modules.
pub(super) fn features(context: &HostContext, names: &[String]) -> Vec<Feature> {
    if names.is_empty() {
        return Vec::new();
    }
    let kernel = Kernel::read(context);
    names.iter().map(|name| Feature { name: name.clone(), state: kernel.state(context, name) }).collect()
}

/// What tells of features.
struct Kernel {
    config: String,
    builtin: String,
    modules: String,
}

impl Kernel {
    fn read(context: &HostContext) -> Self {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut config = String::new();
        if let Ok(file) = fs::File::open(context.path("/proc/config.gz")) {
            let _partly_read = GzDecoder::new(file).take(LARGEST).read_to_string(&mut config);
        } else {
            config = text(context, &format!("/boot/config-{release}"));
        }
        let folder = format!("/lib/modules/{release}");
        Self {
            config,
            builtin: text(context, &format!("{folder}/modules.builtin")),
            modules: text(context, &format!("{folder}/modules.dep")),
        }
    }

    fn state(&self, context: &HostContext, name: &str) -> FeatureState {
        // A module that is loaded has a folder here, and so has a built-in one with parameters.
        if exists(context, &format!("/sys/module/{name}")) || shows(context, name) || has_module(&self.builtin, name) {
            return FeatureState::Present;
        }
        match option(name).and_then(|option| self.configured(option)) {
            Some('y') => FeatureState::Present,
            Some('n') => FeatureState::Missing,
            _ if has_module(&self.modules, name) => FeatureState::Loadable,
            // Built as a module, which this host does not have: a container cannot tell what its machine has.
            _ if self.modules.is_empty() => FeatureState::Unknown,
            _ => FeatureState::Missing,
        }
    }

    /// `y`, `m` or `n`; `None` when the configuration is not known.
    fn configured(&self, option: &str) -> Option<char> {
        if self.config.is_empty() {
            return None;
        }
        let value = self.config.lines().find_map(|line| line.strip_prefix(option)?.strip_prefix('='));
        Some(value.and_then(|value| value.chars().next()).unwrap_or('n'))
    }
}

/// The configuration's option for a module.
fn option(name: &str) -> Option<&'static str> {
    Some(match name {
        "overlay" => "CONFIG_OVERLAY_FS",
        "br_netfilter" => "CONFIG_BRIDGE_NETFILTER",
        "nf_conntrack" => "CONFIG_NF_CONNTRACK",
        "nf_tables" => "CONFIG_NF_TABLES",
        "vxlan" => "CONFIG_VXLAN",
        _ => return None,
    })
}

/// Whether the kernel shows the feature at work.
fn shows(context: &HostContext, name: &str) -> bool {
    match name {
        "overlay" => text(context, "/proc/filesystems").lines().any(|line| line.split_whitespace().last() == Some("overlay")),
        "br_netfilter" => exists(context, "/proc/sys/net/bridge"),
        "nf_conntrack" => exists(context, "/proc/sys/net/netfilter/nf_conntrack_max"),
        _ => false,
    }
}

/// Whether a list of modules (modules.builtin, modules.dep) has one; `-` and `_` are the same there.
fn has_module(list: &str, name: &str) -> bool {
    list.lines().any(|line| {
        let path = line.split(':').next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        file.split(".ko").next().is_some_and(|stem| file.contains(".ko") && stem.replace('-', "_") == name)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn state(config: &str, builtin: &str, modules: &str) -> FeatureState {
        let root = tempfile::tempdir().unwrap();
        let kernel = Kernel { config: config.into(), builtin: builtin.into(), modules: modules.into() };
        kernel.state(&HostContext::new(root.path()), "vxlan")
    }

    #[test]
    fn built_in_loadable_or_neither() {
        let module = "kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n";
        assert_eq!(state("CONFIG_VXLAN=y\n", "", ""), FeatureState::Present);
        assert_eq!(state("", "kernel/drivers/net/vxlan/vxlan.ko\n", ""), FeatureState::Present);
        assert_eq!(state("CONFIG_VXLAN=m\n", "", module), FeatureState::Loadable);
        assert_eq!(state("", "", module), FeatureState::Loadable);
        assert_eq!(state("# CONFIG_VXLAN is not set\n", "", ""), FeatureState::Missing);
        assert_eq!(state("", "", "kernel/fs/overlay.ko:\n"), FeatureState::Missing);
        assert_eq!(state("CONFIG_VXLAN=m\n", "", ""), FeatureState::Unknown);
        assert_eq!(state("", "", ""), FeatureState::Unknown);
    }

    #[test]
    fn a_loaded_module_has_a_folder() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("sys/module/vxlan")).unwrap();
        let names = ["vxlan".to_owned(), "overlay".to_owned()];
        let found = features(&HostContext::new(root.path()), &names);
        assert_eq!(found[0].state, FeatureState::Present);
    }
}
