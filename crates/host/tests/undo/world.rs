//! A temporary root with generated things in it, and what is there as a listing.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::Path;

use barque_host::{HostContext, record_blob};
use barque_model::{Digest, Owner, RunId, SecretBytes};
use barque_plan::{Blob, Difference, Observed, Prior, Resource, difference};
use fs_err as fs;
use proptest::prelude::*;

/// Contents of the host's store.
pub(crate) const BLOBS: [&[u8]; 2] = [b"\x7fELF one", b"\x7fELF two"];

/// What lies at a path before barque comes.
#[derive(Debug, Clone)]
pub(crate) enum Before {
    Nothing,
    File { content: Vec<u8>, mode: u32, owner: u8 },
    Link { target: String },
    Directory { mode: u32, owner: u8, full: bool },
}

pub(crate) fn digest(number: usize) -> Digest {
    Digest::of(BLOBS[number])
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// An owner by number; without root's rights there is only one.
pub(crate) fn owner(number: u8) -> Owner {
    match number {
        1 if is_root() => Owner::of("app"),
        // Nobody's: a number without a name.
        2 if is_root() => Owner { user: "4711".into(), group: "app".into() },
        _ => Owner::root(),
    }
}

fn ids(number: u8) -> (u32, u32) {
    match number {
        1 if is_root() => (901, 902),
        2 if is_root() => (4711, 902),
        _ => (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
    }
}

/// A temporary root.
pub(crate) struct World {
    root: tempfile::TempDir,
    pub(crate) context: HostContext,
}

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (uid, gid) = ids(0);
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("etc/passwd", &format!("root:x:{uid}:{gid}::/root:/bin/sh\napp:x:901:902::/:/bin/false\n"));
        write("etc/group", &format!("root:x:{gid}:\napp:x:902:\n"));
        write("proc/sys/kernel/random/boot_id", "boot-1\n");
        write("proc/sys/net/ipv4/ip_forward", "0\n");
        for folder in ["etc/app", "usr/local/bin", "var/lib", "mnt/disk"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let context = HostContext::new(root.path());
        barque_host::prepare(&context).unwrap();
        for content in BLOBS {
            let blob = Blob { digest: Digest::of(content), size: content.len() as u64 };
            fs::write(context.blob(blob.digest), content).unwrap();
            record_blob(&context, blob).unwrap();
        }
        Self { root, context }
    }

    pub(crate) fn path(&self, path: &str) -> std::path::PathBuf {
        self.context.path(path)
    }

    pub(crate) fn put(&self, path: &str, before: &Before) {
        let place = self.path(path);
        let attributes = |mode: u32, owner: u8| {
            let (uid, gid) = ids(owner);
            lchown(&place, Some(uid), Some(gid)).unwrap();
            fs::set_permissions(&place, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        match before {
            Before::Nothing => {}
            Before::File { content, mode, owner } => {
                fs::write(&place, content).unwrap();
                attributes(*mode, *owner);
            }
            Before::Link { target } => symlink(target, &place).unwrap(),
            Before::Directory { mode, owner, full } => {
                fs::create_dir(&place).unwrap();
                if *full {
                    fs::write(place.join("somebody's"), "data").unwrap();
                }
                attributes(*mode, *owner);
            }
        }
    }

    /// Everything but barque's own folder: path to kind, mode, owner and content.
    pub(crate) fn listing(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        list(self.root.path(), self.root.path(), &mut found);
        found
    }

    pub(crate) async fn observe(&self, resource: &Resource) -> Observed {
        barque_host::observe(&self.context, resource).await.unwrap()
    }

    pub(crate) async fn difference(&self, resource: &Resource) -> Option<Difference> {
        difference(resource, &self.observe(resource).await)
    }

    pub(crate) async fn capture(&self, resource: &Resource) -> Prior {
        let observed = self.observe(resource).await;
        barque_host::capture_prior(&self.context, resource, &observed).unwrap()
    }

    /// Applies as an agent does: what is so already is left alone.
    pub(crate) async fn apply(&self, case: &Case) -> bool {
        let Some(found) = self.difference(&case.resource).await else { return false };
        let content = case.content.clone().map(SecretBytes::new);
        barque_host::apply(&self.context, &case.resource, content.as_ref(), &found, &run(1)).await.unwrap();
        true
    }

    pub(crate) async fn restore(&self, resource: &Resource, prior: &Prior) -> Vec<String> {
        barque_host::restore(&self.context, resource, prior, &run(2)).await.unwrap()
    }

    pub(crate) async fn remains(&self, resource: &Resource, prior: &Prior) -> Option<String> {
        barque_host::restored(&self.context, resource, prior).await.unwrap()
    }
}

pub(crate) fn run(number: u8) -> RunId {
    format!("20261125T020304Z-000{number}").parse().unwrap()
}

fn list(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let (path, metadata) = {
            let entry = entry.unwrap();
            (entry.path(), entry.metadata().unwrap())
        };
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if name == "var/lib/barque" {
            continue;
        }
        let content = if metadata.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else if metadata.is_dir() {
            list(root, &path, found);
            String::new()
        } else {
            let content = fs::read(&path).unwrap();
            // The kernel ends a parameter's value with a line feed, whoever wrote it.
            let end = if name.starts_with("proc/sys/") { content.trim_ascii_end().len() } else { content.len() };
            content[..end].escape_ascii().to_string()
        };
        let line = format!("{:?} {:o} {}:{} {content}", metadata.file_type(), metadata.mode(), metadata.uid(), metadata.gid());
        found.insert(name, line);
    }
}

/// A resource, its content, and what is in its place before.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) resource: Resource,
    pub(crate) content: Option<Vec<u8>>,
    pub(crate) path: &'static str,
    pub(crate) before: Before,
}

impl Case {
    pub(crate) fn world(&self) -> World {
        let world = World::new();
        world.put(self.path, &self.before);
        world
    }
}

pub(crate) fn mode() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![0o600, 0o644, 0o640, 0o755, 0o400, 0o4755, 0o2750, 0o1777])
}
