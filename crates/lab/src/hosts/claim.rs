//! The right to use a lab's name: names of interfaces are shared by the whole machine, folders of state are not.

use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::error::{Doing as _, LabError};
use super::name::LabName;
use super::state::State;

/// Emptied by every boot of the machine, as are the interfaces.
const FOLDER: &str = "/run/barque-lab";

/// An exclusive hold on a name. The file remains after the lab, empty: removing a locked file would split the lock.
pub(crate) struct Claim {
    file: fs::File,
    owner: Option<PathBuf>,
}

impl Claim {
    /// Waits for the name and takes it for the lab whose state is in `directory`.
    pub(crate) fn take(name: &LabName, directory: &Path) -> Result<Self, LabError> {
        let claim = Self::open(name.as_str()).doing(|| format!("claim the lab name `{name}`"))?;
        if let Some(owner) = &claim.owner
            && owner != directory
            && State::exists(owner)
        {
            return Err(LabError::NameTaken { name: name.to_string(), directory: owner.clone() });
        }
        Ok(claim)
    }

    /// Waits until no other lab of this machine chooses its subnet.
    pub(crate) fn take_network() -> Result<Self, LabError> {
        Self::open("_network").doing(|| "take the lock of the labs' networks".to_owned())
    }

    fn open(name: &str) -> std::io::Result<Self> {
        let folder = Path::new(FOLDER);
        if !folder.is_dir() {
            std::fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
        }
        let mut file = fs::OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(folder.join(name))?;
        file.file().lock()?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let owner = (!text.is_empty()).then(|| PathBuf::from(std::ffi::OsString::from_vec(text)));
        Ok(Self { file, owner })
    }

    /// Whether a lab of this name has been here since the machine's boot and was not ended.
    pub(crate) fn was_in_use(&self) -> bool {
        self.owner.is_some()
    }

    /// Writes down whose the name is.
    pub(crate) fn record(&mut self, directory: &Path) -> Result<(), LabError> {
        self.write(directory.as_os_str().as_bytes()).doing(|| "record the lab's claim".to_owned())?;
        self.owner = Some(directory.to_owned());
        Ok(())
    }

    /// Gives the name back.
    pub(crate) fn release(&mut self) -> Result<(), LabError> {
        self.owner = None;
        self.write(b"").doing(|| "release the lab's name".to_owned())
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(bytes)
    }
}
