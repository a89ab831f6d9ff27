//! What is handed out, read while it goes: of a blob no more than a few pieces are in memory.

use std::io::{self, Read, Seek as _, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use barque_bundle::{Bundle, BundleError};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::answer::Content;
use super::catalog::Source;

/// Size of the pieces in bytes.
const PIECE: usize = 128 * 1024;
/// So many are read ahead of the connection.
const AHEAD: usize = 2;

/// The content of an answer.
pub(super) enum Sent {
    /// It is there; `None` once it is gone.
    Text(Option<Bytes>),
    /// It comes from the bundle.
    Pieces { pieces: mpsc::Receiver<io::Result<Bytes>>, left: u64 },
}

/// Opens `content`. Blocks: what lies before it may have to be decompressed first.
pub(super) fn open(bundle: &Bundle, content: Content) -> Result<Sent, BundleError> {
    let source = match content {
        Content::Text(text) => return Ok(Sent::Text(Some(text).filter(|text| !text.is_empty()))),
        Content::Source(source) => source,
    };
    Ok(Sent::Pieces { pieces: pieces(bundle, &source)?, left: source.span.size })
}

/// The bytes of `source`, piece by piece. Blocks: what lies before it may have to be decompressed first.
pub(crate) fn pieces(bundle: &Bundle, source: &Source) -> Result<mpsc::Receiver<io::Result<Bytes>>, BundleError> {
    let mut reader = reader(bundle, source)?;
    let size = source.span.size;
    let (target, pieces) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut left = size;
        while left > 0 {
            let mut piece = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
            let read = reader.read_exact(&mut piece);
            left -= piece.len() as u64;
            let failed = read.is_err();
            // Nobody waits for it any more when the connection has ended.
            if target.blocking_send(read.map(|()| piece.into())).is_err() || failed {
                return;
            }
        }
    });
    Ok(pieces)
}

fn reader(bundle: &Bundle, source: &Source) -> Result<Box<dyn Read + Send>, BundleError> {
    if !source.is_compressed {
        return Ok(Box::new(bundle.open_content_at(&source.blob, source.span.start)?));
    }
    let mut file = bundle.open_blob(&source.blob)?.into_file();
    let sought = i64::try_from(source.span.start).map_err(io::Error::other).and_then(|start| file.seek(SeekFrom::Current(start)));
    let action = || format!("read `{}`", bundle.blob_path(&source.blob).display());
    sought.map_err(|source| BundleError::Io { action: action(), source })?;
    Ok(Box::new(file.take(source.span.size)))
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Pieces { left: 0, .. } => Poll::Ready(None),
            Self::Pieces { pieces, left } => {
                let piece = ready!(pieces.poll_recv(context)).unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
                *left = left.saturating_sub(piece.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Text(None) | Self::Pieces { left: 0, .. })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Text(text) => text.as_ref().map_or(0, |text| text.len() as u64),
            Self::Pieces { left, .. } => *left,
        })
    }
}
