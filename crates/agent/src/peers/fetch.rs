//! The host's side that takes: from one host after the other until the content is whole.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use barque_event::Failure;
use barque_host::HostContext;
use barque_model::SecretBytes;
use barque_plan::Blob;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::identity;
use super::question::{ABSENT, BLOCK, Question};
use crate::message::{FetchRequest, Fetched, Peer};
use crate::store::{self, Chunk, Form};

/// How long a host may take to accept a connection. Where packets are dropped, this is lost once or twice.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a host may take for its next block, and for its part of the handshake.
const STALL: Duration = Duration::from_secs(5);
/// Blocks that wait for the disk.
const WAITING: usize = 4;

/// Why a host gave no more.
#[derive(Debug, thiserror::Error)]
enum GiveError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no word from it for {} s", .0.as_secs())]
    Stalled(Duration),
    #[error("it does not have the content")]
    Absent,
    #[error("it announced {0} bytes in place of {1}")]
    Length(u64, u64),
    /// The disk of this host takes no more; the receiver says why.
    #[error("this host takes no more")]
    Taker,
}

/// Fetches a content into the store. What one host gave is kept when the next one goes on, and is only worth something when all of it is right.
pub(crate) async fn fetch(context: &HostContext, request: FetchRequest) -> Result<Fetched, Failure> {
    let FetchRequest { blob, peers, token } = request;
    let mut left: VecDeque<(u32, Peer)> = (0..).zip(peers).collect();
    let mut failed = Vec::new();
    while !left.is_empty() {
        let (sender, receiver) = mpsc::channel(WAITING);
        let taker_context = context.clone();
        let taker = tokio::task::spawn_blocking(move || store::take(&taker_context, blob, Form::Plain, receiver));
        let mut offset = 0;
        let mut givers = Vec::new();
        while let Some((number, peer)) = left.pop_front() {
            let before = offset;
            let given = give(&peer, &token, blob, &mut offset, &sender).await;
            if offset > before || blob.size == 0 {
                givers.push(number);
            }
            match given {
                Ok(()) | Err(GiveError::Taker) => break,
                Err(error) => failed.push((number, error.to_string())),
            }
        }
        if offset == blob.size {
            let _receiver_has_failed_and_says_so = sender.send(Chunk::End).await;
        }
        drop(sender);
        match taker.await.map_err(|error| Failure::new(format!("the agent failed: {error}")))? {
            Ok(()) => return Ok(Fetched { complete: true, failed }),
            // Which of them gave wrong bytes cannot be told.
            Err(error) if error.is_of_content() => {
                failed.extend(givers.into_iter().map(|number| (number, format!("wrong bytes: {error}"))));
            }
            Err(error) if error.is_cut() => {}
            Err(error) => return Err(store::failure(context, blob, error)),
        }
    }
    Ok(Fetched { complete: false, failed })
}

/// Takes what is missing of the content from a host. `offset` counts what was passed on.
async fn give(peer: &Peer, token: &SecretBytes, blob: Blob, offset: &mut u64, sender: &mpsc::Sender<Chunk>) -> Result<(), GiveError> {
    let question = Question { token: token.clone(), digest: blob.digest, offset: *offset };
    let mut stream = connect(peer).await?;
    let mut length = [0; 8];
    within(STALL, async {
        stream.write_all(&question.to_bytes()).await?;
        stream.flush().await?;
        stream.read_exact(&mut length).await
    })
    .await?;
    let wanted = blob.size - *offset;
    match u64::from_le_bytes(length) {
        ABSENT => return Err(GiveError::Absent),
        length if length != wanted => return Err(GiveError::Length(length, wanted)),
        _ => {}
    }
    while *offset < blob.size {
        let count = usize::try_from(blob.size - *offset).unwrap_or(BLOCK).min(BLOCK);
        let mut block = vec![0; count];
        within(STALL, stream.read_exact(&mut block)).await?;
        sender.send(Chunk::Data(block)).await.map_err(|_| GiveError::Taker)?;
        *offset += count as u64;
    }
    Ok(())
}

async fn connect(peer: &Peer) -> Result<TlsStream<TcpStream>, GiveError> {
    let connector = TlsConnector::from(identity::connecting(peer.pin)?);
    let stream = within(CONNECT, TcpStream::connect(peer.address)).await?;
    within(STALL, connector.connect(peer.address.ip().into(), stream)).await
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> Result<T, GiveError> {
    Ok(timeout(limit, work).await.map_err(|_| GiveError::Stalled(limit))??)
}
