//! Where this host's files lie and what its resources share.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use barque_model::Digest;

/// The folder of everything that is barque's own on a host.
pub const STATE_DIRECTORY: &str = "/var/lib/barque";
/// The content store, as links name it.
pub const STORE_DIRECTORY: &str = "/var/lib/barque/store";

/// A host's root and the locks that its resources share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HostContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    boot_id: String,
    units_changed: AtomicBool,
    reload: tokio::sync::Mutex<()>,
    packages: tokio::sync::Mutex<()>,
    users: tokio::sync::Mutex<()>,
    hosts: std::sync::Mutex<()>,
    needed_packages: std::sync::Mutex<BTreeSet<String>>,
    counter: AtomicU64,
}

impl HostContext {
    /// A context whose absolute paths lie under `root`: `/` on a real host, a temporary folder in tests.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let boot_id = fs_err::read_to_string(root.join("proc/sys/kernel/random/boot_id"));
        Self(Arc::new(Inner {
            boot_id: boot_id.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned()),
            root,
            units_changed: AtomicBool::new(false),
            reload: tokio::sync::Mutex::default(),
            packages: tokio::sync::Mutex::default(),
            users: tokio::sync::Mutex::default(),
            hosts: std::sync::Mutex::default(),
            needed_packages: std::sync::Mutex::default(),
            counter: AtomicU64::new(0),
        }))
    }

    /// The place of an absolute path under the root.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.0.root.join(absolute.trim_start_matches('/'))
    }

    /// Whether this is the machine itself and not a folder of a test.
    pub(crate) fn is_real_root(&self) -> bool {
        self.0.root == Path::new("/")
    }

    /// `/proc/sys/kernel/random/boot_id`, or `unknown`.
    pub fn boot_id(&self) -> &str {
        &self.0.boot_id
    }

    /// A folder below [`STATE_DIRECTORY`].
    pub fn state(&self, name: &str) -> PathBuf {
        self.path(STATE_DIRECTORY).join(name)
    }

    /// The content store.
    pub fn store(&self) -> PathBuf {
        self.path(STORE_DIRECTORY)
    }

    /// The place of some content in the store.
    pub fn blob(&self, digest: Digest) -> PathBuf {
        self.store().join(digest.to_string())
    }

    /// The record of a blob's arrival.
    pub(crate) fn blob_record(&self, digest: Digest) -> PathBuf {
        self.store().join("index").join(format!("{digest}.json"))
    }

    /// A name next to `path` that nothing else in this process uses.
    pub(crate) fn temporary_name(&self, path: &Path) -> PathBuf {
        let number = self.0.counter.fetch_add(1, Ordering::Relaxed);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        path.with_file_name(format!(".{name}.barque-{}-{number}", std::process::id()))
    }

    /// Notes that a unit file or a link to one was written, so that systemd must read them again before the next start.
    pub(crate) fn mark_units_changed(&self) {
        self.0.units_changed.store(true, Ordering::Release);
    }

    /// Takes the note of [`Self::mark_units_changed`] away and says whether it was there.
    pub(crate) fn take_units_changed(&self) -> bool {
        self.0.units_changed.swap(false, Ordering::AcqRel)
    }

    /// Held while systemd reads its units again: one reload serves all who wait for it.
    pub(crate) fn reload_lock(&self) -> &tokio::sync::Mutex<()> {
        &self.0.reload
    }

    /// Held while dpkg runs.
    pub(crate) fn package_lock(&self) -> &tokio::sync::Mutex<()> {
        &self.0.packages
    }

    /// Held while users are added: useradd gives up when `/etc/passwd` is locked.
    pub(crate) fn user_lock(&self) -> &tokio::sync::Mutex<()> {
        &self.0.users
    }

    /// Held while `/etc/hosts` is read and replaced.
    pub(crate) fn hosts_lock(&self) -> &std::sync::Mutex<()> {
        &self.0.hosts
    }

    /// Packages that were to be removed and that dpkg keeps, because others need them.
    pub(crate) fn needed_packages(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.0.needed_packages.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
