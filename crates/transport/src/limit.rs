//! What connections send, all of them together, within a rate.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use barque_model::ByteRate;
use leaky_bucket::{AcquireOwned, RateLimiter};
use tokio::io::AsyncWrite;

use crate::connection::Connection;
use crate::error::ConnectError;
use crate::process::Process;

/// The longest piece that waits for its turn: short, so that what is small and urgent does not wait for what is large.
const PIECE: usize = 16 << 10;
/// How often bytes are given out.
const INTERVAL: Duration = Duration::from_millis(20);

/// Shares a rate between all that send.
pub(crate) fn limiter(rate: ByteRate) -> Arc<RateLimiter> {
    let bytes = usize::try_from(rate.bytes() / 50).unwrap_or(usize::MAX);
    // What was not used for a moment may be made up for, and no more.
    Arc::new(RateLimiter::builder().interval(INTERVAL).refill(bytes).initial(bytes).max(bytes.saturating_mul(5)).fair(true).build())
}

/// A connection whose processes' standard inputs keep to the rate.
pub(crate) struct LimitedConnection {
    pub(crate) connection: Box<dyn Connection>,
    pub(crate) limiter: Arc<RateLimiter>,
}

#[async_trait]
impl Connection for LimitedConnection {
    fn host(&self) -> &str {
        self.connection.host()
    }

    async fn start(&self, command: &str) -> Result<Process, ConnectError> {
        let process = self.connection.start(command).await?;
        Ok(Process { stdin: Box::new(Limited::new(process.stdin, Arc::clone(&self.limiter))), ..process })
    }

    async fn close(self: Box<Self>) {
        self.connection.close().await;
    }
}

/// A stream whose bytes wait for their turn before they are written.
struct Limited<Stream> {
    stream: Stream,
    limiter: Arc<RateLimiter>,
    /// A turn that is waited for, and for how many bytes it is.
    turn: Option<(Pin<Box<AcquireOwned>>, usize)>,
    /// Bytes that may be written at once.
    granted: usize,
}

impl<Stream> Limited<Stream> {
    fn new(stream: Stream, limiter: Arc<RateLimiter>) -> Self {
        Self { stream, limiter, turn: None, granted: 0 }
    }
}

impl<Stream: AsyncWrite + Unpin> AsyncWrite for Limited<Stream> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.granted == 0 {
            let wanted = bytes.len().min(PIECE);
            let limiter = &this.limiter;
            let (turn, count) = this.turn.get_or_insert_with(|| (Box::pin(Arc::clone(limiter).acquire_owned(wanted)), wanted));
            ready!(turn.as_mut().poll(context));
            this.granted = *count;
            this.turn = None;
        }
        let length = bytes.len().min(this.granted);
        let written = ready!(Pin::new(&mut this.stream).poll_write(context, &bytes[..length]))?;
        this.granted -= written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    /// The clock of these tests is tokio's, which stands still but for what is waited for.
    async fn sent_by(streams: usize, bytes: usize) -> (Duration, Vec<Vec<u8>>) {
        let limiter = limiter("1".parse().unwrap());
        let begun = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..streams {
            let (near, mut far) = tokio::io::duplex(1 << 10);
            let mut near = Limited::new(near, Arc::clone(&limiter));
            let content: Vec<u8> = (0..bytes).map(|place| u8::try_from((place + number) % 251).unwrap()).collect();
            tasks.spawn(async move {
                near.write_all(&content).await.unwrap();
                near.shutdown().await.unwrap();
                Vec::new()
            });
            tasks.spawn(async move {
                let mut all = Vec::new();
                far.read_to_end(&mut all).await.unwrap();
                all
            });
        }
        let received = tasks.join_all().await.into_iter().filter(|all| !all.is_empty()).collect();
        (begun.elapsed(), received)
    }

    #[tokio::test(start_paused = true)]
    async fn streams_share_the_rate_and_lose_nothing() {
        let (took, received) = sent_by(1, 2_000_000).await;
        assert!((1.9..2.2).contains(&took.as_secs_f64()), "{took:?}");
        assert_eq!(received[0].len(), 2_000_000);

        let (took, mut received) = sent_by(4, 500_000).await;
        assert!((1.9..2.2).contains(&took.as_secs_f64()), "{took:?}");
        received.sort();
        for (number, all) in received.iter().enumerate() {
            assert!(
                all.len() == 500_000 && all.iter().take(1000).enumerate().all(|(place, byte)| usize::from(*byte) == (place + number) % 251)
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_word_waits_for_pieces_and_not_for_contents() {
        let limiter = limiter("1".parse().unwrap());
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let mut busy = Limited::new(near, Arc::clone(&limiter));
        tokio::spawn(async move { busy.write_all(&vec![0; 5_000_000]).await });
        tokio::spawn(async move { tokio::io::copy(&mut far, &mut tokio::io::sink()).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (near, _far) = tokio::io::duplex(1 << 10);
        let mut word = Limited::new(near, limiter);
        let begun = Instant::now();
        word.write_all(b"a question").await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(200), "{:?}", begun.elapsed());
    }
}
