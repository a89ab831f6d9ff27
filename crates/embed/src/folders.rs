//! Reading what was packed.

use std::collections::BTreeMap;
use std::io::{self, Read as _};

/// Name of a folder -> path of a file in it, with `/` -> its text.
pub type Folders = BTreeMap<String, BTreeMap<String, String>>;

/// Reads what [`crate::from_build_script`] packed. An error means that the bytes are others.
pub fn unpack(packed: &[u8]) -> io::Result<Folders> {
    let mut folders = Folders::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(packed)).entries()? {
        let mut entry = entry?;
        let path = String::from_utf8(entry.path_bytes().into_owned()).map_err(io::Error::other)?;
        let (folder, file) = path.split_once('/').ok_or_else(|| io::Error::other(format!("`{path}` is in no folder")))?;
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        folders.entry(folder.to_owned()).or_default().insert(file.to_owned(), text);
    }
    Ok(folders)
}
