//! The connection to an agent: each call gets a number, and its answer finds it by that.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::message::{Answer, Greeting, Reply, Request};
use crate::wire::{Frame, FrameKind, Hello, PROTOCOL, WireError, read_frame, read_hello, write_frame};
use crate::{AgentError, OpenIntent};

/// Frames that wait for the pipe. Small: a request must not wait behind many chunks.
const WAITING_FRAMES: usize = 2;

/// Answers with the last lines of the agent's standard error, for messages.
pub type StderrTail = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What the agent said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentHello {
    /// Its first line.
    pub hello: Hello,
    /// Changes that earlier runs left open on the host. The next apply of each observes it again and closes it.
    pub open_intents: Vec<OpenIntent>,
}

/// A connection to an agent. Clones share it; it ends when the last one is dropped, or by [`Self::close`].
#[derive(Clone)]
pub struct AgentClient {
    frames: mpsc::Sender<Frame>,
    calls: Arc<Calls>,
    tasks: Arc<Mutex<Option<Tasks>>>,
}

/// The writer and the reader.
type Tasks = (JoinHandle<()>, JoinHandle<()>);

impl fmt::Debug for AgentClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AgentClient").finish_non_exhaustive()
    }
}

/// Calls that wait for an answer.
struct Calls {
    next: AtomicU32,
    state: Mutex<State>,
    stderr: StderrTail,
}

#[derive(Default)]
struct State {
    waiting: HashMap<u32, oneshot::Sender<Reply>>,
    /// Set once, when the connection has ended.
    lost: Option<String>,
}

impl Calls {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, reason: &str) {
        let mut state = self.state();
        state.lost.get_or_insert_with(|| reason.to_owned());
        // Dropping the senders wakes everyone who waits.
        state.waiting.clear();
    }

    fn lost(&self) -> AgentError {
        let reason = self.state().lost.clone().unwrap_or_else(|| "it was closed".to_owned());
        AgentError::Lost { reason, stderr: (self.stderr)() }
    }
}

/// A call in progress; tells the agent when nobody waits any more.
pub(super) struct Call {
    pub(super) id: u32,
    answer: oneshot::Receiver<Reply>,
    client: AgentClient,
    done: bool,
}

impl Call {
    pub(super) async fn answer(mut self) -> Result<Answer, AgentError> {
        let reply = (&mut self.answer).await;
        self.done = true;
        match reply {
            Ok(reply) => reply.map_err(|failure| AgentError::Failed(Box::new(failure))),
            Err(_ended) => Err(self.client.calls.lost()),
        }
    }

    /// The answer, when it came before the request was sent whole.
    pub(super) fn early_answer(&mut self) -> Option<Reply> {
        let reply = self.answer.try_recv().ok()?;
        self.done = true;
        Some(reply)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        self.client.calls.state().waiting.remove(&self.id);
        let (frames, id) = (self.client.frames.clone(), self.id);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { frames.send(Frame { kind: FrameKind::Cancel, id, body: Vec::new() }).await });
        }
    }
}

impl AgentClient {
    /// Begins a conversation with an agent that was just started: `read` is its standard output, `write` its standard input.
    /// `build_id` is this program's own; an agent of another build is refused. `stderr` answers with the last lines of its standard error.
    pub async fn start<R, W>(read: R, write: W, build_id: &str, stderr: StderrTail) -> Result<(Self, AgentHello), AgentError>
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let mut read = BufReader::new(read);
        let hello = read_hello(&mut read).await.map_err(|seen| AgentError::NoHello { seen, stderr: stderr() })?;
        if (hello.protocol, hello.build_id.as_str()) != (PROTOCOL, build_id) {
            return Err(AgentError::OtherBuild {
                ours: build_id.to_owned(),
                our_protocol: PROTOCOL,
                theirs: hello.build_id,
                their_protocol: hello.protocol,
            });
        }
        let lost = |reason: String| AgentError::Lost { reason, stderr: stderr() };
        let greeting = match read_frame(&mut read).await {
            Ok(Some(frame)) if frame.kind == FrameKind::Greeting => {
                postcard::from_bytes::<Greeting>(&frame.body).map_err(WireError::from)?
            }
            Ok(Some(_)) => return Err(AgentError::Unexpected),
            Ok(None) => return Err(lost("it ended".to_owned())),
            Err(error) => return Err(lost(error.to_string())),
        };
        let calls = Arc::new(Calls { next: AtomicU32::new(1), state: Mutex::default(), stderr });
        let (frames, queue) = mpsc::channel(WAITING_FRAMES);
        let writer = tokio::spawn(write_frames(write, queue, Arc::clone(&calls)));
        let reader = tokio::spawn(read_answers(read, Arc::clone(&calls)));
        let client = Self { frames, calls, tasks: Arc::new(Mutex::new(Some((writer, reader)))) };
        Ok((client, AgentHello { hello, open_intents: greeting.open_intents }))
    }

    /// Whether the connection has ended.
    pub fn is_lost(&self) -> bool {
        self.calls.state().lost.is_some()
    }

    /// Ends the conversation and waits until the agent has: running changes are done then, and everything is synced. Other clones
    /// must be gone.
    pub async fn close(self) {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(self);
        if let Some((writer, reader)) = tasks {
            let _ended = writer.await;
            let _ended = reader.await;
        }
    }

    pub(super) async fn begin(&self, request: &Request) -> Result<Call, AgentError> {
        let body = postcard::to_stdvec(request).map_err(WireError::from)?;
        if body.len() > crate::wire::MAXIMUM_BODY {
            return Err(WireError::Length(body.len()).into());
        }
        let id = self.calls.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        {
            let mut state = self.calls.state();
            if state.lost.is_none() {
                state.waiting.insert(id, sender);
            }
        }
        let call = Call { id, answer, client: self.clone(), done: false };
        self.send(Frame { kind: FrameKind::Request, id, body }).await?;
        Ok(call)
    }

    pub(super) async fn send(&self, frame: Frame) -> Result<(), AgentError> {
        self.frames.send(frame).await.map_err(|_| self.calls.lost())
    }

    pub(super) async fn call(&self, request: &Request) -> Result<Answer, AgentError> {
        self.begin(request).await?.answer().await
    }
}

/// Frames go through a task of their own: a call that is given up never leaves half a frame on the pipe.
async fn write_frames<W: AsyncWrite + Unpin>(mut write: W, mut queue: mpsc::Receiver<Frame>, calls: Arc<Calls>) {
    while let Some(frame) = queue.recv().await {
        let written = match write_frame(&mut write, &frame).await {
            Ok(()) => write.flush().await.map_err(WireError::from),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            calls.lose(&error.to_string());
            break;
        }
    }
    let _gone_already = write.shutdown().await;
}

async fn read_answers<R: AsyncRead + Unpin>(mut read: R, calls: Arc<Calls>) {
    let reason = loop {
        match read_frame(&mut read).await {
            Ok(Some(Frame { kind: FrameKind::Answer, id, body })) => match postcard::from_bytes::<Reply>(&body) {
                Ok(reply) => {
                    if let Some(waiting) = calls.state().waiting.remove(&id) {
                        let _gave_up = waiting.send(reply);
                    }
                }
                Err(error) => break WireError::from(error).to_string(),
            },
            Ok(Some(frame)) => break format!("it sent {frame:?}"),
            Ok(None) => break "it ended".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    calls.lose(&reason);
}
