//! haproxy's admin socket (management guide, section 9.3): who is in balance, and taking a server out of it.

use std::time::Duration;

use barque_event::Failure;
use barque_host::HostContext;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::{BackendServer, HaproxyCommand};

/// Where `render` lets haproxy listen.
const SOCKET: &str = "/run/haproxy/admin.sock";
/// The backend that `render` writes.
const BACKEND: &str = "masters";
/// haproxy answers from memory.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Read of an answer at most.
const ANSWER_LIMIT: u64 = 1 << 20;

/// Why haproxy did not do what was asked.
#[derive(Debug, thiserror::Error)]
enum HaproxyError {
    #[error("haproxy's admin socket `{SOCKET}` cannot be used: {0}")]
    Socket(#[from] std::io::Error),
    #[error("haproxy did not answer on `{SOCKET}` within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("haproxy refused `{command}`: {answer}")]
    Refused { command: String, answer: String },
    #[error("haproxy's statistics lack the column `{0}`")]
    Column(&'static str),
    #[error("haproxy has no server `{0}` in its backend `{BACKEND}`")]
    NoServer(String),
    #[error("`{0}` is no name of a server")]
    Name(String),
}

impl From<HaproxyError> for Failure {
    fn from(error: HaproxyError) -> Self {
        let failure = Self { unit: Some("haproxy.service".into()), ..Self::new(error.to_string()) };
        match error {
            HaproxyError::Socket(_) | HaproxyError::Timeout => {
                failure.with_hint("look at `journalctl -u haproxy.service -n 100` on the load balancer").retryable()
            }
            HaproxyError::Refused { .. } | HaproxyError::Column(_) | HaproxyError::NoServer(_) | HaproxyError::Name(_) => failure
                .with_hint(
                    "compare `/etc/haproxy/haproxy.cfg` on the load balancer with the cluster file: `barque drift` shows the difference",
                ),
        }
    }
}

/// Does what is asked; answers the servers as they are afterwards.
pub(crate) async fn command(context: &HostContext, command: HaproxyCommand) -> Result<Vec<BackendServer>, Failure> {
    Ok(run(context, command).await?)
}

async fn run(context: &HostContext, command: HaproxyCommand) -> Result<Vec<BackendServer>, HaproxyError> {
    let change = match command {
        HaproxyCommand::Servers => None,
        HaproxyCommand::Drain { server } => Some((server, "drain")),
        HaproxyCommand::Ready { server } => Some((server, "ready")),
    };
    if let Some((server, state)) = &change {
        // The name becomes part of a line of commands.
        if server.is_empty() || !server.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) {
            return Err(HaproxyError::Name(server.clone()));
        }
        let command = format!("set server {BACKEND}/{server} state {state}");
        let answer = ask(context, &command).await?;
        // It says nothing when it has done so.
        match answer.trim() {
            "" => {}
            "No such server." | "No such backend." => return Err(HaproxyError::NoServer(server.clone())),
            other => return Err(HaproxyError::Refused { command, answer: other.to_owned() }),
        }
    }
    parse(&ask(context, "show stat").await?)
}

async fn ask(context: &HostContext, command: &str) -> Result<String, HaproxyError> {
    let answer = async {
        let mut socket = UnixStream::connect(context.path(SOCKET)).await?;
        socket.write_all(format!("{command}\n").as_bytes()).await?;
        let mut answer = Vec::new();
        (&mut socket).take(ANSWER_LIMIT).read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(TIMEOUT, answer).await.map_err(|_elapsed| HaproxyError::Timeout)?
}

/// The servers of the backend. The columns wanted hold names and numbers, which haproxy does not quote; a quoted text with commas
/// (`last_chk`) comes after them.
fn parse(statistics: &str) -> Result<Vec<BackendServer>, HaproxyError> {
    let mut lines = statistics.lines().filter(|line| !line.trim().is_empty());
    let header: Vec<&str> = lines.next().unwrap_or_default().trim_start_matches("# ").split(',').collect();
    let column = |name: &'static str| header.iter().position(|known| *known == name).ok_or(HaproxyError::Column(name));
    let (backend, server, sessions, status) = (column("pxname")?, column("svname")?, column("scur")?, column("status")?);
    let rows = lines.map(|line| line.split(',').collect::<Vec<&str>>());
    let servers = rows.filter(|row| row.get(backend) == Some(&BACKEND)).filter_map(|row| {
        let (name, status) = (*row.get(server)?, *row.get(status)?);
        (name != "BACKEND" && name != "FRONTEND").then(|| BackendServer {
            name: name.to_owned(),
            up: status.starts_with("UP") || status == "no check",
            status: status.to_owned(),
            drained: status.contains("DRAIN") || status.contains("MAINT"),
            sessions: row.get(sessions).and_then(|text| text.parse().ok()).unwrap_or(0),
        })
    });
    Ok(servers.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fs_err as fs;
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    use tokio::net::UnixListener;

    use super::*;

    const STATISTICS: &str = "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,last_chk,\n\
        api,FRONTEND,,,2,5,4000,91,1,1,0,0,0,,,,,OPEN,,,,,\n\
        masters,m1,0,0,2,5,,30,1,1,,0,,0,0,0,0,UP,1,1,0,\"Layer7, check passed\",\n\
        masters,m2,0,0,0,5,,30,1,1,,0,,0,0,0,0,DRAIN,1,1,0,,\n\
        masters,m3,0,0,0,5,,30,1,1,,0,,0,0,0,0,DOWN 1/2,1,1,0,,\n\
        masters,BACKEND,0,0,2,5,400,91,1,1,0,0,,0,0,0,0,UP,3,3,0,,\n\n";

    #[test]
    fn only_the_backends_servers_count() {
        let servers = parse(STATISTICS).unwrap();
        let told: Vec<_> = servers.iter().map(|server| (server.name.as_str(), server.up, server.drained, server.sessions)).collect();
        assert_eq!(told, [("m1", true, false, 2), ("m2", false, true, 0), ("m3", false, false, 0)]);
        assert!(matches!(parse("# pxname,svname,scur\n"), Err(HaproxyError::Column("status"))));
        assert!(matches!(parse(""), Err(HaproxyError::Column("pxname"))));
    }

    /// Answers each connection with what `answer` makes of its line.
    fn haproxy(root: &tempfile::TempDir, answer: fn(&str) -> &'static str) -> HostContext {
        let socket = root.path().join("run/haproxy/admin.sock");
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                stream.write_all(answer(line.trim()).as_bytes()).await.unwrap();
            }
        });
        HostContext::new(root.path())
    }

    #[tokio::test]
    async fn a_server_is_drained_by_name() {
        let root = tempfile::tempdir().unwrap();
        let context = haproxy(&root, |line| match line {
            "set server masters/m2 state drain" => "\n",
            "show stat" => STATISTICS,
            _ => "No such server.\n\n",
        });
        let servers = command(&context, HaproxyCommand::Drain { server: "m2".into() }).await.unwrap();
        assert_eq!(servers.len(), 3);
        let failure = command(&context, HaproxyCommand::Ready { server: "m9".into() }).await.unwrap_err();
        assert!(failure.message.contains("no server `m9`") && !failure.retryable, "{failure}");
        let failure = command(&context, HaproxyCommand::Drain { server: "m2; shutdown".into() }).await.unwrap_err();
        assert!(failure.message.contains("no name"), "{failure}");
    }

    #[tokio::test]
    async fn a_refusal_and_a_missing_socket_are_told() {
        let root = tempfile::tempdir().unwrap();
        let context = haproxy(&root, |_| "Permission denied\n\n");
        let failure = command(&context, HaproxyCommand::Drain { server: "m2".into() }).await.unwrap_err();
        assert!(failure.message.ends_with("refused `set server masters/m2 state drain`: Permission denied"), "{failure}");
        let nothing = tempfile::tempdir().unwrap();
        let failure = command(&HostContext::new(nothing.path()), HaproxyCommand::Servers).await.unwrap_err();
        assert!(failure.retryable && failure.hint.is_some() && failure.message.contains(SOCKET), "{failure}");
    }
}
