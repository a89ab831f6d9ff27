//! The host's side that gives: listens, and sends what it was told to offer.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use barque_host::{BlobState, HostContext, blob_state};
use barque_model::{ByteRate, Digest};
use leaky_bucket::RateLimiter;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::identity;
use super::question::{ABSENT, BLOCK, QUESTION, Question, TOKEN};
use crate::message::{OfferRequest, Peer};

/// The port on which contents are offered, when it is free.
pub const PEER_PORT: u16 = 9347;
/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 16;
/// How long whoever connects may take to say what it wants.
const GREETING: Duration = Duration::from_secs(5);
/// How long a block may wait for whoever fetches.
const STALL: Duration = Duration::from_secs(30);
/// Pause after a connection could not be accepted, as when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(200);

/// A listener that gives contents; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Offer {
    peer: Peer,
    _ends_with_this: DropGuard,
}

/// What may be fetched, and by whom.
struct Shelf {
    context: HostContext,
    /// Digest of the token: comparing digests tells nothing of how much of a wrong token is right.
    token: Digest,
    blobs: BTreeSet<Digest>,
    /// Shares the rate between all that fetch.
    limiter: Option<RateLimiter>,
}

impl Offer {
    /// Listens. On [`PEER_PORT`], or on a free port when something else has that.
    pub(crate) async fn start(context: &HostContext, request: &OfferRequest) -> io::Result<Self> {
        if request.token.expose().len() != TOKEN {
            return Err(io::Error::other("the token has a wrong length"));
        }
        let listener = match TcpListener::bind(SocketAddr::new(request.address, PEER_PORT)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => TcpListener::bind(SocketAddr::new(request.address, 0)).await?,
            other => other?,
        };
        let (config, pin) = identity::listening()?;
        let shelf = Shelf {
            context: context.clone(),
            token: Digest::of(request.token.expose()),
            blobs: request.blobs.iter().copied().collect(),
            limiter: request.limit.map(limiter),
        };
        let stop = CancellationToken::new();
        let peer = Peer { address: listener.local_addr()?, pin };
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, TlsAcceptor::from(config), Arc::new(shelf), stop.clone())));
        Ok(Self { peer, _ends_with_this: stop.drop_guard() })
    }

    /// Where it listens, and by what it is known.
    pub(crate) const fn peer(&self) -> &Peer {
        &self.peer
    }
}

/// Bytes of the rate, given out fifty times a second. A block may be more than that, and waits until it has all of its bytes.
fn limiter(rate: ByteRate) -> RateLimiter {
    let bytes = usize::try_from(rate.bytes() / 50).unwrap_or(usize::MAX);
    RateLimiter::builder().interval(Duration::from_millis(20)).refill(bytes).initial(bytes).max(bytes.max(BLOCK)).build()
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shelf: Arc<Shelf>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (acceptor, shelf) = (acceptor.clone(), Arc::clone(&shelf));
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            if let Err(error) = give(stream, acceptor, &shelf).await {
                tracing::debug!(%from, %error, "a host that fetches was not served to the end");
            }
            drop(place);
        }));
    }
}

async fn give(stream: TcpStream, acceptor: TlsAcceptor, shelf: &Shelf) -> io::Result<()> {
    let asked = async {
        let mut stream = acceptor.accept(stream).await?;
        let mut bytes = [0; QUESTION];
        stream.read_exact(&mut bytes).await?;
        io::Result::Ok((stream, Question::parse(&bytes)))
    };
    let (mut stream, question) = timeout(GREETING, asked).await??;
    let question = question.filter(|question| Digest::of(question.token.expose()) == shelf.token);
    // Whoever does not belong to the run learns nothing, not even what is here.
    let Some(question) = question else { return Err(io::Error::other("it showed no valid token")) };
    let Some((mut file, length)) = shelf.open(&question).await? else {
        stream.write_all(&ABSENT.to_le_bytes()).await?;
        return stream.shutdown().await;
    };
    stream.write_all(&length.to_le_bytes()).await?;
    let mut left = length;
    let mut block = vec![0; BLOCK];
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        file.read_exact(&mut block[..count]).await?;
        if let Some(limiter) = &shelf.limiter {
            limiter.acquire(count).await;
        }
        timeout(STALL, stream.write_all(&block[..count])).await??;
        left -= count as u64;
    }
    timeout(STALL, stream.shutdown()).await?
}

impl Shelf {
    /// The content from the offset on, and how many bytes that is; `None` when it is not offered or not here.
    async fn open(&self, question: &Question) -> io::Result<Option<(tokio::fs::File, u64)>> {
        if !self.blobs.contains(&question.digest) {
            return Ok(None);
        }
        let (context, digest) = (self.context.clone(), question.digest);
        let state = tokio::task::spawn_blocking(move || blob_state(&context, digest)).await.map_err(io::Error::other)?;
        if !matches!(state, Ok(BlobState::Intact)) {
            return Ok(None);
        }
        let mut file = tokio::fs::File::open(self.context.blob(question.digest)).await?;
        let Some(length) = file.metadata().await?.len().checked_sub(question.offset) else { return Ok(None) };
        file.seek(io::SeekFrom::Start(question.offset)).await?;
        Ok(Some((file, length)))
    }
}
