//! Turns an SSH channel into the three streams and the exit status of a process.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::bytes::{Buf as _, Bytes};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use crate::process::{ExitStatus, Process, ProcessExit};

/// Packets (of 32 KiB with sshd) that wait for a reader before the whole connection is held back.
const UNREAD: usize = 256;
/// `SSH_EXTENDED_DATA_STDERR`.
const STDERR: u32 = 1;

/// Runs `channel`, on which a command was started, in a task of its own.
pub(crate) fn into_process(channel: Channel<Msg>) -> Process {
    let (read, write) = channel.split();
    let (stdout, stdout_reader) = mpsc::channel(UNREAD);
    let (stderr, stderr_reader) = mpsc::channel(UNREAD);
    let (exit, ended) = oneshot::channel();
    let (closed, input_dropped, abandoned) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let stdin = Stdin {
        writer: Box::pin(write.make_writer()),
        closed: Box::pin(closed.clone().cancelled_owned()),
        _dropped: input_dropped.clone().drop_guard(),
    };
    let guard = abandoned.clone().drop_guard();
    tokio::spawn(Pump { read, write, stdout, stderr, exit, closed, input_dropped, abandoned }.run());
    Process {
        stdin: Box::new(stdin),
        stdout: Box::new(PacketReader { packets: stdout_reader, current: Bytes::new() }),
        stderr: Box::new(PacketReader { packets: stderr_reader, current: Bytes::new() }),
        exit: ProcessExit::new(async move {
            let status = ended.await.unwrap_or(ExitStatus::Lost);
            drop(guard);
            status
        }),
    }
}

struct Pump {
    read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    stdout: mpsc::Sender<Bytes>,
    stderr: mpsc::Sender<Bytes>,
    exit: oneshot::Sender<ExitStatus>,
    closed: CancellationToken,
    input_dropped: CancellationToken,
    abandoned: CancellationToken,
}

impl Pump {
    async fn run(mut self) {
        let mut status = ExitStatus::Lost;
        let mut input_open = true;
        loop {
            let message = tokio::select! {
                message = self.read.wait() => message,
                () = self.input_dropped.cancelled(), if input_open => {
                    input_open = false;
                    let _ = self.write.eof().await;
                    continue;
                }
                () = self.abandoned.cancelled() => break,
            };
            match message {
                Some(ChannelMsg::Data { data }) => {
                    // A dropped reader must not end the process; its output goes nowhere.
                    let _ = self.stdout.send(data).await;
                }
                Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => {
                    let _ = self.stderr.try_send(data);
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => status = ExitStatus::Code(exit_status),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    // `Debug` of the known names is `TERM`, of others `Custom("X")`.
                    status = ExitStatus::Signal(format!("{signal_name:?}"));
                }
                Some(ChannelMsg::Close) | None => break,
                Some(_) => {}
            }
        }
        // A writer that waits for a window would wait for ever: russh does not wake it.
        self.closed.cancel();
        let _ = self.write.close().await;
        let _ = self.exit.send(status);
    }
}

/// Writes to the channel and fails once it is closed.
struct Stdin<W> {
    writer: Pin<Box<W>>,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    _dropped: DropGuard,
}

impl<W: AsyncWrite> Stdin<W> {
    /// What `poll` says, unless the channel is closed meanwhile.
    fn unless_closed<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut W>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.closed.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        poll(self.writer.as_mut(), context)
    }
}

impl<W: AsyncWrite> AsyncWrite for Stdin<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.get_mut().unless_closed(context, |writer, context| writer.poll_write(context, buffer))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().unless_closed(context, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().unless_closed(context, AsyncWrite::poll_shutdown)
    }
}

/// Reads the packets of one stream.
struct PacketReader {
    packets: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl AsyncRead for PacketReader {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.current.is_empty() {
            match ready!(self.packets.poll_recv(context)) {
                Some(packet) => self.current = packet,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.current.len().min(buffer.remaining());
        buffer.put_slice(&self.current[..length]);
        self.current.advance(length);
        Poll::Ready(Ok(()))
    }
}
