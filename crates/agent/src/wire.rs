//! Frames on the two pipes between client and agent.
//!
//! The agent's first line is text, [`Hello`]; after it both directions carry frames: a length (`u32`, little endian, of all that
//! follows), a kind (`u8`), a request's number (`u32`, little endian) and a body. Bodies are postcard, except chunks, which are raw.

use std::fmt;
use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Version of frames and messages. Client and agent are the same build, so no other is ever understood.
pub const PROTOCOL: u32 = 1;
/// Longest body. Files' contents and lists of resources stay far below.
pub(crate) const MAXIMUM_BODY: usize = 64 << 20;
/// Length of the chunks in which blobs travel.
pub const CHUNK: usize = 1 << 20;
/// The first word of the first line.
const HELLO: &str = "barque-agent";
/// A shell's start-up files may print before the agent does; so much of it is skipped.
const NOISE_LIMIT: usize = 64 << 10;
/// Kind and number.
const HEADER: usize = 5;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// Agent to client, once, after the first line.
    Greeting,
    /// Client to agent.
    Request,
    /// Agent to client: the answer to the request of the same number.
    Answer,
    /// Part of a blob.
    Chunk,
    /// The blob is complete.
    End,
    /// The sender of the request of this number does not wait any more.
    Cancel,
}

impl FrameKind {
    const ALL: [Self; 6] = [Self::Greeting, Self::Request, Self::Answer, Self::Chunk, Self::End, Self::Cancel];

    const fn byte(self) -> u8 {
        match self {
            Self::Greeting => 1,
            Self::Request => 2,
            Self::Answer => 3,
            Self::Chunk => 4,
            Self::End => 5,
            Self::Cancel => 6,
        }
    }
}

/// One frame.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What it is.
    pub(crate) kind: FrameKind,
    /// The request that it belongs to.
    pub(crate) id: u32,
    /// Its content.
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Frame {
    /// Bodies may hold secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Frame({:?} {}, {} bytes)", self.kind, self.id, self.body.len())
    }
}

/// Why the other side's bytes are not understood.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The pipe failed.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// A length outside of its range.
    #[error("a frame of {0} bytes was announced")]
    Length(usize),
    /// A kind that is not known.
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    /// The pipe ended inside a frame.
    #[error("the connection ended inside a frame")]
    Cut,
    /// A body that is no message.
    #[error("a message that cannot be read: {0}")]
    Message(#[from] postcard::Error),
}

/// Writes a frame; does not flush.
pub(crate) async fn write_frame(output: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> Result<(), WireError> {
    let length = frame.body.len() + HEADER;
    if frame.body.len() > MAXIMUM_BODY {
        return Err(WireError::Length(length));
    }
    let mut header = [0; 4 + HEADER];
    header[..4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    header[4] = frame.kind.byte();
    header[5..].copy_from_slice(&frame.id.to_le_bytes());
    output.write_all(&header).await?;
    output.write_all(&frame.body).await?;
    Ok(())
}

/// Reads a frame; `None` when the pipe ended before it.
pub(crate) async fn read_frame(input: &mut (impl AsyncRead + Unpin)) -> Result<Option<Frame>, WireError> {
    let mut length = [0; 4];
    match read_up_to(input, &mut length).await? {
        0 => return Ok(None),
        4 => {}
        _ => return Err(WireError::Cut),
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if !(HEADER..=MAXIMUM_BODY + HEADER).contains(&length) {
        return Err(WireError::Length(length));
    }
    let mut header = [0; HEADER];
    if read_up_to(input, &mut header).await? < HEADER {
        return Err(WireError::Cut);
    }
    let [kind, id @ ..] = header;
    let kind = FrameKind::ALL.into_iter().find(|known| known.byte() == kind).ok_or(WireError::Kind(kind))?;
    let length = length - HEADER;
    // The length is only a claim: memory is taken as bytes arrive.
    let mut body = Vec::with_capacity(length.min(CHUNK));
    input.take(length as u64).read_to_end(&mut body).await?;
    if body.len() < length {
        return Err(WireError::Cut);
    }
    Ok(Some(Frame { kind, id: u32::from_le_bytes(id), body }))
}

async fn read_up_to(input: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]).await? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// The agent's first line: `barque-agent PROTOCOL BUILD BOOT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Its [`PROTOCOL`].
    pub protocol: u32,
    /// Identity of its build.
    pub build_id: String,
    /// The host's boot id.
    pub boot_id: String,
}

impl Hello {
    /// The line, with its end.
    pub fn line(&self) -> String {
        format!("{HELLO} {} {} {}\n", self.protocol, self.build_id, self.boot_id)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        if words.next()? != HELLO {
            return None;
        }
        Some(Self {
            protocol: words.next()?.parse().ok()?,
            build_id: words.next()?.to_owned(),
            boot_id: words.next().unwrap_or("unknown").to_owned(),
        })
    }
}

/// Reads lines until the agent's first; answers with what came instead when it does not come.
pub(crate) async fn read_hello(input: &mut (impl AsyncBufRead + Unpin)) -> Result<Hello, Vec<String>> {
    let mut noise = Vec::new();
    let mut room = NOISE_LIMIT;
    while room > 0 {
        let mut line = Vec::new();
        let count = (&mut *input).take(room as u64).read_until(b'\n', &mut line).await.unwrap_or(0);
        if count == 0 {
            break;
        }
        room = room.saturating_sub(count);
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        match Hello::parse(&text) {
            Some(hello) => return Ok(hello),
            None => noise.push(text),
        }
    }
    Err(noise)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    proptest! {
        #[test]
        fn frames_round_trip(bodies in prop::collection::vec((0usize..6, any::<u32>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8)) {
            let frames: Vec<Frame> = bodies.into_iter().map(|(kind, id, body)| Frame { kind: FrameKind::ALL[kind], id, body }).collect();
            let read = block_on(async {
                let mut pipe = Vec::new();
                for frame in &frames {
                    write_frame(&mut pipe, frame).await.unwrap();
                }
                let mut input = &pipe[..];
                let mut read = Vec::new();
                while let Some(frame) = read_frame(&mut input).await.unwrap() {
                    read.push(frame);
                }
                read
            });
            prop_assert_eq!(read, frames);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _any_answer = block_on(read_frame(&mut &bytes[..]));
        }
    }

    #[test]
    fn cut_frames_and_lies_are_errors() {
        let mut pipe = Vec::new();
        block_on(write_frame(&mut pipe, &Frame { kind: FrameKind::Chunk, id: 7, body: vec![1; 10] })).unwrap();
        for end in 1..pipe.len() {
            assert!(matches!(block_on(read_frame(&mut &pipe[..end])), Err(WireError::Cut)), "{end}");
        }
        assert!(matches!(block_on(read_frame(&mut &[255u8; 16][..])), Err(WireError::Length(_))));
        assert!(matches!(block_on(read_frame(&mut &[5u8, 0, 0, 0, 99, 0, 0, 0, 0][..])), Err(WireError::Kind(99))));
    }

    #[test]
    fn hello_is_found_behind_noise() {
        let hello = Hello { protocol: 1, build_id: "0.1.0+abc".into(), boot_id: "b-1".into() };
        let text = format!("Welcome!\n\u{fffd}\n{}rest", hello.line());
        let mut input = text.as_bytes();
        assert_eq!(block_on(read_hello(&mut input)), Ok(hello));
        assert_eq!(input, b"rest");
        assert_eq!(block_on(read_hello(&mut &b"sh: 1: not found\n"[..])), Err(vec!["sh: 1: not found".to_owned()]));
    }
}
