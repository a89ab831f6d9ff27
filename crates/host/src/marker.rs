//! The run identifier inside written files.

use std::io::{self, Read};

use barque_model::{Digest, RUN_MARKER, RunId, find_run};
use sha2::Digest as _;

/// Read at once; longer than all that is searched.
const BUFFER: usize = 128 << 10;

/// Digests of a file as it lies there, and as it was rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentDigest {
    /// Of the bytes.
    pub(crate) raw: Digest,
    /// Of the bytes with the run's identifier replaced by [`RUN_MARKER`].
    pub(crate) rendered: Digest,
}

/// Rendered content with the first [`RUN_MARKER`] replaced by `run`.
pub(crate) fn with_run(content: &[u8], run: &RunId) -> Vec<u8> {
    let marker = RUN_MARKER.as_bytes();
    match content.windows(marker.len()).position(|window| window == marker) {
        None => content.to_vec(),
        Some(start) => [&content[..start], run.as_str().as_bytes(), &content[start + marker.len()..]].concat(),
    }
}

/// Reads `source` to its end in bounded memory.
pub(crate) fn content_digest(mut source: impl Read) -> io::Result<ContentDigest> {
    let mut buffer = vec![0; BUFFER];
    let head = read_full(&mut source, &mut buffer)?;
    let mut raw = sha2::Sha256::new();
    raw.update(&buffer[..head]);
    let mut rendered = find_run(&buffer[..head]).map(|place| {
        let mut hasher = sha2::Sha256::new();
        hasher.update(&buffer[..place.start]);
        hasher.update(RUN_MARKER);
        hasher.update(&buffer[place.end..head]);
        hasher
    });
    loop {
        let count = read_full(&mut source, &mut buffer)?;
        if count == 0 {
            break;
        }
        raw.update(&buffer[..count]);
        if let Some(hasher) = &mut rendered {
            hasher.update(&buffer[..count]);
        }
    }
    let raw = Digest::from_bytes(raw.finalize().into());
    Ok(ContentDigest { raw, rendered: rendered.map_or(raw, |hasher| Digest::from_bytes(hasher.finalize().into())) })
}

fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run() -> RunId {
        "20261125T020304Z-1a2b".parse().unwrap()
    }

    #[test]
    fn the_identifier_does_not_count() {
        let rendered = format!("# Managed by barque, run {RUN_MARKER}. Do not edit.\nA=1\n");
        let written = with_run(rendered.as_bytes(), &run());
        assert!(written.windows(21).any(|window| window == run().as_str().as_bytes()));
        let digest = content_digest(&written[..]).unwrap();
        assert_eq!(digest.rendered, Digest::of(rendered.as_bytes()));
        assert_eq!(digest.raw, Digest::of(&written));
    }

    #[test]
    fn other_content_counts() {
        for text in ["", "run fast", "run 20261125T020304Z-1A2b", &format!("{}run 20261125T020304Z-1a2b", "x".repeat(600))] {
            let digest = content_digest(text.as_bytes()).unwrap();
            assert_eq!(digest.rendered, Digest::of(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn long_files_are_read_to_their_end() {
        let mut content = vec![7; 3 * BUFFER + 5];
        content[..25].copy_from_slice(b"run 20261125T020304Z-1a2b");
        let digest = content_digest(&content[..]).unwrap();
        let rendered = [b"run ", RUN_MARKER.as_bytes(), &content[25..]].concat();
        assert_eq!((digest.raw, digest.rendered), (Digest::of(&content), Digest::of(&rendered)));
    }
}
