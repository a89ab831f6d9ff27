//! The agent's side of the connection: reads requests, runs each as a task, answers.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use barque_event::Failure;
use barque_host::{HostContext, prepare};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, BufWriter};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::handle::handle;
use crate::message::{Greeting, Reply, Request};
use crate::session::Session;
use crate::store::Chunk;
use crate::wire::{Frame, FrameKind, Hello, PROTOCOL, WireError, read_frame, write_frame};

/// Chunks of a blob that wait for the disk; the pipe holds back the rest.
const WAITING_CHUNKS: usize = 4;
/// Answers that wait for the pipe.
const WAITING_ANSWERS: usize = 64;

/// What the binary tells the agent.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The host.
    pub context: HostContext,
    /// Whether nothing on the host may be changed, barque's own folders among it: they are not even made.
    pub read_only: bool,
    /// Identity of this build, one word; the client compares it with its own.
    pub build_id: String,
    /// Cancelled by the first signal: no more requests are read, running changes end in order.
    pub stop: CancellationToken,
    /// Cancelled by the second signal: the agent ends at once. The journal shows what was left open.
    pub abort: CancellationToken,
}

/// Why an agent ended before its input did.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The client sent something that is not understood.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The journal or the store could not be opened or brought to disk.
    #[error("{0}")]
    Journal(io::Error),
    /// A second signal ended it; changes may be open.
    #[error("ended by a signal while changes were running")]
    Aborted,
}

/// Serves one connection until its input ends; then running changes end, what only waits is given up, and everything is synced.
pub async fn serve<R, W>(input: R, output: W, options: ServeOptions) -> Result<(), ServeError>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let ServeOptions { context, read_only, build_id, stop, abort } = options;
    if !read_only {
        prepare(&context).map_err(|error| ServeError::Journal(io::Error::other(error)))?;
    }
    let hello = Hello { protocol: PROTOCOL, build_id, boot_id: context.boot_id().to_owned() };
    let session = Arc::new(Session::begin(context).map_err(ServeError::Journal)?.only_reading(read_only));
    let greeting = Greeting { open_intents: session.open_intents() };
    let greeting = Frame { kind: FrameKind::Greeting, id: 0, body: postcard::to_stdvec(&greeting).map_err(WireError::from)? };
    let mut output = BufWriter::new(output);
    output.write_all(hello.line().as_bytes()).await.map_err(WireError::from)?;
    write_frame(&mut output, &greeting).await?;
    output.flush().await.map_err(WireError::from)?;

    let (answers, queue) = mpsc::channel(WAITING_ANSWERS);
    let writer = tokio::spawn(write_answers(output, queue));
    let connection = Connection { session: Arc::clone(&session), answers, tasks: TaskTracker::new(), open: Arc::default() };
    let mut input = BufReader::new(input);
    let ended = loop {
        let frame = tokio::select! {
            frame = read_frame(&mut input) => frame,
            () = stop.cancelled() => break Ok(()),
            () = abort.cancelled() => {
                writer.abort();
                return Err(ServeError::Aborted);
            }
        };
        match frame {
            Ok(Some(frame)) => {
                if let Err(error) = connection.take(frame).await {
                    break Err(error);
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    connection.give_up_waiting();
    // No longer than the conversation, however long running changes take.
    session.offer(None);
    connection.tasks.close();
    tokio::select! {
        () = connection.tasks.wait() => {}
        () = abort.cancelled() => {
            writer.abort();
            return Err(ServeError::Aborted);
        }
    }
    let finished = session.finish().await;
    drop(connection);
    let _client_is_gone = writer.await;
    ended?;
    finished.map_err(ServeError::Journal)
}

async fn write_answers<W: AsyncWrite + Unpin>(mut output: BufWriter<W>, mut queue: mpsc::Receiver<Frame>) {
    while let Some(frame) = queue.recv().await {
        // The client may be gone; changes go on and are in the journal.
        let written = write_frame(&mut output, &frame).await.is_ok();
        if !written || (queue.is_empty() && output.flush().await.is_err()) {
            break;
        }
    }
    let _client_is_gone = output.shutdown().await;
}

/// What a request in progress can be told.
#[derive(Debug)]
enum Open {
    /// More of its blob.
    Receiving(mpsc::Sender<Chunk>),
    /// That nobody waits any more.
    Waiting(CancellationToken),
}

struct Connection {
    session: Arc<Session>,
    answers: mpsc::Sender<Frame>,
    tasks: TaskTracker,
    open: Arc<Mutex<HashMap<u32, Open>>>,
}

impl Connection {
    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self, frame: Frame) -> Result<(), WireError> {
        let id = frame.id;
        match frame.kind {
            FrameKind::Request => self.start(id, postcard::from_bytes(&frame.body)?),
            FrameKind::Chunk | FrameKind::End => {
                let sender = match self.open().get(&id) {
                    Some(Open::Receiving(sender)) => Some(sender.clone()),
                    // The receiver has failed and said so; what was under way is dropped.
                    Some(Open::Waiting(_)) | None => None,
                };
                if let Some(sender) = sender {
                    let chunk = if frame.kind == FrameKind::End { Chunk::End } else { Chunk::Data(frame.body) };
                    let _failed_and_said_so = sender.send(chunk).await;
                }
            }
            FrameKind::Cancel => match self.open().remove(&id) {
                Some(Open::Waiting(token)) => token.cancel(),
                // Dropping the sender cuts the stream.
                Some(Open::Receiving(_)) | None => {}
            },
            FrameKind::Greeting | FrameKind::Answer => return Err(WireError::Kind(0)),
        }
        Ok(())
    }

    fn start(&self, id: u32, request: Request) {
        let (session, answers, open) = (Arc::clone(&self.session), self.answers.clone(), Arc::clone(&self.open));
        let token = CancellationToken::new();
        let chunks = if let Request::Put { .. } = request {
            let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
            self.open().insert(id, Open::Receiving(sender));
            Some(receiver)
        } else {
            self.open().insert(id, Open::Waiting(token.clone()));
            None
        };
        self.tasks.spawn(async move {
            // A task of its own: should it panic, the client still gets an answer.
            let reply: Reply = match tokio::spawn(handle(session, request, chunks, token)).await {
                Ok(reply) => reply,
                Err(error) => Err(Failure::new(format!("the agent failed: {error}"))),
            };
            open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            let body = postcard::to_stdvec(&reply)
                .or_else(|error| postcard::to_stdvec(&Reply::Err(Failure::new(format!("the answer cannot be sent: {error}")))));
            let _client_is_gone = answers.send(Frame { kind: FrameKind::Answer, id, body: body.unwrap_or_default() }).await;
        });
    }

    /// Ends what only waits or receives; changes go on.
    fn give_up_waiting(&self) {
        for (_, open) in self.open().drain() {
            if let Open::Waiting(token) = open {
                token.cancel();
            }
        }
    }
}
