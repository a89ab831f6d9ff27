//! The form of a bundle in one file: a plain tar archive that has only what a bundle needs, so that same content gives same bytes and any
//! tar unpacks it. The blobs are compressed already.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use crate::BundleError;
use crate::place::MANIFEST;
use crate::store::io_error;

/// What tar counts in, in bytes.
const BLOCK: usize = 512;
/// An archive ends with two empty blocks.
const END: usize = 2 * BLOCK;
const ZEROS: [u8; END] = [0; END];

/// Where an entry's content lies in an archive, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub start: u64,
    /// Number of its bytes.
    pub size: u64,
}

/// A bundle's file and what is where in it.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    entries: BTreeMap<String, Span>,
}

impl Archive {
    /// Reads the headers of the file `path`, which must be exactly as [`write_entry`] and [`write_end`] write them: whatever else is in a tar
    /// archive (links, paths out of it, owners, times) is refused, and every byte that is no content is checked here.
    pub(crate) fn open(path: PathBuf) -> Result<Self, BundleError> {
        let reading = || io_error(format!("read bundle `{}`", path.display()));
        let file = fs::File::open(&path).map_err(reading())?;
        let length = file.metadata().map_err(reading())?.len();
        let mut scan = Scan { path: &path, file: BufReader::with_capacity(BLOCK, file), length, entries: BTreeMap::new() };
        let mut at = 0;
        while let Some(next) = scan.entry(at)? {
            at = next;
        }
        scan.end(at)?;
        let entries = scan.entries;
        Ok(Self { path, entries })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds, by name.
    pub(crate) fn entries(&self) -> &BTreeMap<String, Span> {
        &self.entries
    }

    /// Whether the file `path` begins as a bundle does.
    pub(crate) fn is_one(path: &Path) -> io::Result<bool> {
        let mut first = Vec::new();
        fs::File::open(path)?.take(BLOCK as u64).read_to_end(&mut first)?;
        Ok(first.starts_with(MANIFEST.as_bytes()))
    }
}

struct Scan<'a> {
    path: &'a Path,
    file: BufReader<fs::File>,
    length: u64,
    entries: BTreeMap<String, Span>,
}

impl Scan<'_> {
    /// Takes in the entry whose header is at byte `at`; answers where the next one is, and nothing at the end.
    fn entry(&mut self, at: u64) -> Result<Option<u64>, BundleError> {
        let mut raw = tar::Header::new_ustar();
        self.read(at, raw.as_mut_bytes(), "a header")?;
        if raw.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let name = String::from_utf8_lossy(&raw.path_bytes()).into_owned();
        if at == 0 && name != MANIFEST {
            return Err(BundleError::NotABundle { path: self.path.to_owned() });
        }
        let mut sum = raw.clone();
        sum.set_cksum();
        let size = match (raw.cksum(), raw.entry_size()) {
            (Ok(found), Ok(size)) if sum.cksum().is_ok_and(|right| right == found) => size,
            _ => return Err(self.damaged(at, format!("the header of `{name}`"))),
        };
        let refused = |why| BundleError::Refused { path: self.path.to_owned(), entry: name.clone(), why };
        if name.is_empty() || !Path::new(&name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(refused("its path leads out of the bundle"));
        }
        match raw.entry_type() {
            tar::EntryType::Regular => {}
            tar::EntryType::Symlink | tar::EntryType::Link => return Err(refused("it is a link")),
            _ => return Err(refused("it is no plain file")),
        }
        if header(&name, size).is_none_or(|own| own.as_bytes() != raw.as_bytes()) {
            return Err(refused("it was not written by `barque bundle pack`"));
        }
        let start = at + BLOCK as u64;
        let rest = self.length.saturating_sub(start);
        if size > rest {
            return Err(self.truncated(&format!("`{name}`"), size, rest));
        }
        let mut padding = vec![0; padding(size)];
        self.read(start + size, &mut padding, &format!("`{name}`"))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(self.damaged(start + size, format!("the padding after `{name}`")));
        }
        let next = start + size + padding.len() as u64;
        if self.entries.contains_key(&name) {
            return Err(refused("it is there twice"));
        }
        self.entries.insert(name, Span { start, size });
        Ok(Some(next))
    }

    /// Checks that the end mark is at `at`, and nothing after it.
    fn end(&mut self, at: u64) -> Result<(), BundleError> {
        let mut mark = ZEROS;
        self.read(at, &mut mark, "the end mark")?;
        if mark.iter().any(|byte| *byte != 0) || self.length != at + END as u64 {
            return Err(self.damaged(at, "the end mark".to_owned()));
        }
        Ok(())
    }

    fn read(&mut self, at: u64, target: &mut [u8], what: &str) -> Result<(), BundleError> {
        let wanted = target.len() as u64;
        let rest = self.length.saturating_sub(at);
        if wanted > rest {
            return Err(self.truncated(what, wanted, rest));
        }
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(target));
        read.map_err(io_error(format!("read bundle `{}`", self.path.display())))
    }

    fn truncated(&self, what: &str, expected: u64, found: u64) -> BundleError {
        BundleError::Truncated { path: self.path.to_owned(), what: what.to_owned(), expected, found }
    }

    fn damaged(&self, at: u64, what: String) -> BundleError {
        BundleError::Damaged { path: self.path.to_owned(), what, at }
    }
}

/// Writes an entry; `content` must have `size` bytes.
pub(crate) fn write_entry(target: &mut impl Write, name: &str, size: u64, content: &mut impl Read) -> io::Result<()> {
    let header = header(name, size).ok_or_else(|| io::Error::other(format!("`{name}` is too long a name")))?;
    target.write_all(header.as_bytes())?;
    let copied = io::copy(content, target)?;
    if copied != size {
        return Err(io::Error::other(format!("`{name}` has {copied} bytes in place of {size}")));
    }
    target.write_all(&ZEROS[..padding(size)])
}

/// Writes what ends the archive.
pub(crate) fn write_end(target: &mut impl Write) -> io::Result<()> {
    target.write_all(&ZEROS)
}

/// Number of bytes of an archive with entries of these sizes.
pub(crate) fn length(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.map(|size| (BLOCK + padding(size)) as u64 + size).sum::<u64>() + END as u64
}

/// Owner root, time zero, readable by all: nothing of the machine where it is made.
fn header(name: &str, size: u64) -> Option<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).ok()?;
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    Some(header)
}

/// Number of bytes from the end of a content to the next block.
fn padding(size: u64) -> usize {
    let block = BLOCK as u64;
    usize::try_from(size.wrapping_neg() % block).unwrap_or(0)
}
