#![allow(clippy::unwrap_used)]

mod conversation;
mod dead_man;
mod fixtures;
mod laws;
mod runs;
mod undo_laws;

use std::path::Path;
use std::sync::Arc;

use barque_host::HostContext;
use barque_model::RunId;
use fs_err as fs;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{AgentClient, ServeError, ServeOptions, StderrTail, serve};

/// A temporary root with the few files that resources need.
pub(crate) struct Root(tempfile::TempDir);

impl Root {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        write("etc/passwd", &format!("root:x:{uid}:{gid}::/root:/bin/sh\n"));
        write("etc/group", &format!("root:x:{gid}:\n"));
        write("etc/hosts", "127.0.0.1 localhost\n");
        write("proc/sys/kernel/random/boot_id", "boot-1\n");
        write("proc/sys/net/ipv4/ip_forward", "0\n");
        Self(root)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn context(&self) -> HostContext {
        let context = HostContext::new(self.path());
        barque_host::prepare(&context).unwrap();
        context
    }
}

fn run(number: u8) -> RunId {
    format!("20261125T020304Z-000{number}").parse().unwrap()
}

const BUILD: &str = "0.1.0+test";

fn options(root: &Root) -> ServeOptions {
    ServeOptions {
        context: root.context(),
        read_only: false,
        build_id: BUILD.into(),
        stop: CancellationToken::new(),
        abort: CancellationToken::new(),
    }
}

fn stderr() -> StderrTail {
    Arc::new(|| vec!["last words".to_owned()])
}

/// The client's ends of two pipes, and the agent at the others.
fn agent(options: ServeOptions) -> (DuplexStream, DuplexStream, JoinHandle<Result<(), ServeError>>) {
    let (to_agent, agent_input) = duplex(256 << 10);
    let (agent_output, from_agent) = duplex(256 << 10);
    (from_agent, to_agent, tokio::spawn(serve(agent_input, agent_output, options)))
}

pub(crate) async fn connected(root: &Root) -> (AgentClient, JoinHandle<Result<(), ServeError>>) {
    let (from, to, agent) = agent(options(root));
    let (client, hello) = AgentClient::start(from, to, BUILD, stderr()).await.unwrap();
    assert_eq!((hello.hello.boot_id.as_str(), hello.open_intents.len()), ("boot-1", 0));
    (client, agent)
}
