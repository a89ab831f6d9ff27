//! Receives blobs into the content store.
//!
//! A blob is decompressed, hashed and written as it arrives, under a temporary name, and renamed once size and digest are right.
//! It is not synced then: `barque_host`'s store says why, and the session syncs it at its end.

use std::io::{self, BufRead, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use barque_event::Failure;
use barque_host::{BlobState, HostContext, HostError, blob_state, disk_space, is_own_program, record_blob};
use barque_model::Digest;
use barque_plan::Blob;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use sha2::Digest as _;
use tokio::sync::mpsc;

/// Prefix of names under which blobs arrive.
const INCOMING: &str = ".incoming-";
/// Kept free for everything else on the file system when a blob is accepted.
const RESERVE: u64 = 64 << 20;
/// Decompressed, hashed and written at a time: fits in the processor's second-level cache.
const BLOCK: usize = 256 << 10;

static ARRIVALS: AtomicU64 = AtomicU64::new(0);

/// What the connection's reader passes to a blob's receiver.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Compressed bytes.
    Data(Vec<u8>),
    /// All were sent.
    End,
}

/// How a blob travels.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// As a zstd stream of so many bytes.
    Compressed(u64),
    /// As it is.
    Plain,
}

/// Why a blob was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the sender stopped after {0} bytes")]
    Cut(u64),
    #[error("{expected} bytes were announced and {received} sent")]
    Announced { expected: u64, received: u64 },
    #[error("its size is not {0} bytes")]
    Size(u64),
    #[error("its digest is {0}")]
    Digest(Digest),
}

impl ReceiveError {
    /// Whether what came is not the blob.
    pub(crate) const fn is_of_content(&self) -> bool {
        matches!(self, Self::Announced { .. } | Self::Size(_) | Self::Digest(_))
    }

    /// Whether the sender went away before the end.
    pub(crate) const fn is_cut(&self) -> bool {
        matches!(self, Self::Cut(_))
    }
}

/// The blobs of `blobs` that are not intact in the store and are not this very program. Blocks.
pub(crate) fn missing(context: &HostContext, blobs: &[Blob]) -> Result<Vec<Blob>, HostError> {
    let mut missing = Vec::new();
    for blob in blobs {
        if blob_state(context, blob.digest)? != BlobState::Intact && !is_own_program(*blob) {
            missing.push(*blob);
        }
    }
    Ok(missing)
}

/// What people are told of it.
pub(crate) fn failure(context: &HostContext, blob: Blob, error: ReceiveError) -> Failure {
    match error {
        ReceiveError::Host(error) => error.into(),
        ReceiveError::Io(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            no_space(context, blob).into()
        }
        error => Failure::new(format!("the content {} did not arrive well: {error}", blob.digest.short()))
            .with_hint("run `barque up` again: it sends what is missing"),
    }
}

fn no_space(context: &HostContext, blob: Blob) -> HostError {
    let path = context.blob(blob.digest).display().to_string();
    let space = disk_space(context, barque_host::STORE_DIRECTORY);
    HostError::NoSpace { path, mount: space.mount, free: space.free_bytes }
}

/// Takes a blob from `chunks`. Blocks. Nothing is left when it fails.
pub(crate) fn take(context: &HostContext, blob: Blob, form: Form, chunks: mpsc::Receiver<Chunk>) -> Result<(), ReceiveError> {
    let store = context.store();
    let free = disk_space(context, barque_host::STORE_DIRECTORY).free_bytes;
    if free < blob.size.saturating_add(RESERVE) {
        return Err(no_space(context, blob).into());
    }
    let arrival = Arrival::new(&store, blob.digest);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o700).open(&arrival.0)?;
    let mut source = ChunkReader { chunks, current: Vec::new(), position: 0, received: 0, ended: false, cut: false };
    let (copied, expected) = match form {
        Form::Compressed(size) => (decompress(&mut source, &mut file, blob.size), size),
        Form::Plain => (copy(&mut source, &mut file, blob.size), blob.size),
    };
    if copied.is_ok() {
        source.drain();
    }
    if source.cut {
        return Err(ReceiveError::Cut(source.received));
    }
    let digest = copied?;
    if source.received != expected {
        return Err(ReceiveError::Announced { expected, received: source.received });
    }
    if digest != blob.digest {
        return Err(ReceiveError::Digest(digest));
    }
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    drop(file);
    fs::rename(&arrival.0, context.blob(blob.digest))?;
    record_blob(context, blob)?;
    Ok(())
}

fn decompress(source: &mut ChunkReader, file: &mut fs::File, size: u64) -> Result<Digest, ReceiveError> {
    copy(&mut zstd::stream::read::Decoder::with_buffer(source)?, file, size)
}

fn copy(source: &mut impl Read, file: &mut fs::File, size: u64) -> Result<Digest, ReceiveError> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; BLOCK];
    let mut total = 0;
    loop {
        let count = source.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        total += count as u64;
        // Checked on the way: a stream that expands without end must not fill the disk.
        if total > size {
            return Err(ReceiveError::Size(size));
        }
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count])?;
    }
    if total == size { Ok(Digest::from_bytes(hasher.finalize().into())) } else { Err(ReceiveError::Size(size)) }
}

/// The name under which a blob arrives; removed unless it was renamed.
struct Arrival(PathBuf);

impl Arrival {
    fn new(store: &Path, digest: Digest) -> Self {
        let number = ARRIVALS.fetch_add(1, Ordering::Relaxed);
        Self(store.join(format!("{INCOMING}{}-{}-{number}", digest.short(), std::process::id())))
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let _renamed_or_never_made = fs::remove_file(&self.0);
    }
}

/// Chunks as a stream of bytes.
struct ChunkReader {
    chunks: mpsc::Receiver<Chunk>,
    current: Vec<u8>,
    position: usize,
    received: u64,
    ended: bool,
    /// The sender went away before the end.
    cut: bool,
}

impl ChunkReader {
    /// Reads the rest of the stream, so that its length can be compared.
    fn drain(&mut self) {
        while let Ok(count) = self.fill_buf().map(<[u8]>::len) {
            if count == 0 {
                break;
            }
            self.consume(count);
        }
    }
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.position == self.current.len() && !self.ended {
            match self.chunks.blocking_recv() {
                Some(Chunk::Data(data)) => {
                    self.received += data.len() as u64;
                    self.current = data;
                    self.position = 0;
                }
                Some(Chunk::End) => self.ended = true,
                None => {
                    self.cut = true;
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(&self.current[self.position..])
    }

    fn consume(&mut self, amount: usize) {
        self.position = (self.position + amount).min(self.current.len());
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// Removes what agents that are gone were receiving. The caller holds the host's run lock, so no other agent receives anything.
pub(crate) fn clean(context: &HostContext) {
    let Ok(entries) = fs::read_dir(context.store()) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(INCOMING) {
            let _gone_already = fs::remove_file(entry.path());
        }
    }
}
