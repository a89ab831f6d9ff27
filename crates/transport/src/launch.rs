//! Runs one executable, known by its SHA-256, as root on a host, over one channel.

use std::io::Cursor;
use std::time::Duration;

use barque_model::{Host, Sudo};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::time::{Instant, timeout_at};

use crate::connection::Connection;
use crate::executable::Executable;
use crate::launch_error::{LaunchError, step_failure, sudo_failure};
use crate::launch_script::{self, Stay};
use crate::process::{ExitStatus, Process, ProcessExit};
use crate::quote::quote;

/// Where the executable lies on a host, in a folder named after its SHA-256. Other versions are removed, but for those whose folder
/// holds a file `keep` (an armed dead-man timer still needs them).
pub const AGENT_DIRECTORY: &str = "/var/lib/barque/agent";
/// Where it runs from when nothing of it may stay, the first that allows programs: file systems in memory, then the common temporary directory.
const UNSEEN_PLACES: &str = "/dev/shm /run /tmp";
/// The time until the script says what it needs, and again from the end of the upload until it is satisfied. PAM takes 2 s over a
/// wrong password, and slow disks take their time over hashes.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is kept of standard error while launching, and the longest line taken from standard output.
const KEPT: usize = 64 << 10;

/// How root is reached.
#[derive(Debug, Clone)]
pub enum Escalation {
    /// The login user is root.
    None,
    /// sudo asks for nothing.
    SudoPasswordless,
    /// sudo asks for this password.
    SudoPassword(SecretString),
}

impl Escalation {
    /// What `host` needs; `None` if it needs a password and there is none.
    pub fn of(host: &Host, password: Option<&SecretString>) -> Option<Self> {
        match host.ssh.sudo {
            _ if host.ssh.user == "root" => Some(Self::None),
            Sudo::None => Some(Self::None),
            Sudo::Passwordless => Some(Self::SudoPasswordless),
            Sudo::Password => password.cloned().map(Self::SudoPassword),
        }
    }
}

/// A launched executable.
#[derive(Debug)]
pub struct Launched {
    /// It; its standard streams belong to it alone now.
    pub process: Process,
    /// Bytes of the executable that were sent, 0 if the host had it.
    pub sent: usize,
}

/// Runs exactly `executable` as root with `arguments`; sends it first unless the host has it.
pub async fn launch(
    connection: &dyn Connection,
    executable: &Executable,
    arguments: &[&str],
    escalation: &Escalation,
) -> Result<Launched, LaunchError> {
    launch_in(AGENT_DIRECTORY, connection, executable, arguments, escalation).await
}

/// The same with another directory than [`AGENT_DIRECTORY`]: an absolute path of letters, digits, `-`, `_`, `.` and `/`.
pub async fn launch_in(
    directory: &str,
    connection: &dyn Connection,
    executable: &Executable,
    arguments: &[&str],
    escalation: &Escalation,
) -> Result<Launched, LaunchError> {
    run(Stay::Kept(directory), directory, connection, executable, arguments, escalation).await
}

/// The same, and nothing of it stays on the host: it is run where an earlier [`launch`] has put it, or from a file in memory that has lost its
/// name before it starts.
pub async fn launch_unseen(
    connection: &dyn Connection,
    executable: &Executable,
    arguments: &[&str],
    escalation: &Escalation,
) -> Result<Launched, LaunchError> {
    launch_unseen_in(AGENT_DIRECTORY, UNSEEN_PLACES, connection, executable, arguments, escalation).await
}

/// The same with other places than [`AGENT_DIRECTORY`] and those in memory: paths as for [`launch_in`], `places` several with blanks between.
pub async fn launch_unseen_in(
    directory: &str,
    places: &str,
    connection: &dyn Connection,
    executable: &Executable,
    arguments: &[&str],
    escalation: &Escalation,
) -> Result<Launched, LaunchError> {
    let nonce = random_word();
    let stay = Stay::Unseen { kept: directory, places, nonce: &nonce };
    run(stay, places, connection, executable, arguments, escalation).await
}

async fn run(
    stay: Stay<'_>,
    directory: &str,
    connection: &dyn Connection,
    executable: &Executable,
    arguments: &[&str],
    escalation: &Escalation,
) -> Result<Launched, LaunchError> {
    let (size, gzip) = executable.sizes();
    let script = launch_script::command(stay, executable.digest(), size, gzip, arguments);
    let nonce = nonce();
    let command = match escalation {
        Escalation::None => script,
        Escalation::SudoPasswordless => format!("env LC_ALL=C sudo -n {script}"),
        // -k: a password given to another command a minute ago does not count, so that a wrong one is noticed here and now.
        Escalation::SudoPassword(_) => format!("env LC_ALL=C sudo -k -S -p {} {script}", quote(&nonce)),
    };
    let host = connection.host().to_owned();
    let process = connection.start(&command).await.map_err(|source| LaunchError::Connect { host: host.clone(), source })?;
    let talk = Talk {
        host,
        directory: directory.to_owned(),
        stdin: process.stdin,
        stdout: BufReader::new(process.stdout),
        stderr: process.stderr,
        exit: process.exit,
        line: Vec::new(),
        said: Vec::new(),
        stderr_open: true,
    };
    let password = match escalation {
        Escalation::SudoPassword(password) => Some(password),
        _ => None,
    };
    talk.run(executable, password, &nonce).await
}

/// How the script reports a failed step.
const FAIL: &str = "barque-fail ";

/// A prompt that nothing else prints.
fn nonce() -> String {
    format!("barque-{}:", random_word())
}

/// 24 hexadecimal digits.
fn random_word() -> String {
    let mut bytes = [0; 12];
    // Fails only without a kernel; zeros would still be a word.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    hex::encode(bytes)
}

/// The talk with the script.
struct Talk {
    host: String,
    directory: String,
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    stdout: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    stderr: Box<dyn AsyncRead + Send + Unpin>,
    exit: ProcessExit,
    /// The part of a line that has come.
    line: Vec<u8>,
    /// What came on standard error.
    said: Vec<u8>,
    stderr_open: bool,
}

/// How the upload ended.
enum Sent {
    Line(String),
    End,
    Silence,
}

enum Heard {
    /// A whole line on standard output.
    Line(String),
    /// More on standard error.
    Stderr,
    /// Standard output has ended.
    End,
}

impl Talk {
    async fn run(mut self, executable: &Executable, password: Option<&SecretString>, nonce: &str) -> Result<Launched, LaunchError> {
        let mut password_sent = false;
        let deadline = Instant::now() + PATIENCE;
        let payload = loop {
            let heard =
                timeout_at(deadline, hear(&mut self.stdout, &mut *self.stderr, &mut self.line, &mut self.said, &mut self.stderr_open));
            let Ok(heard) = heard.await else { return Err(self.silent()) };
            match heard {
                Heard::Line(line) => match line.as_str() {
                    "barque-ok" => return Ok(self.launched(0, nonce)),
                    "barque-need gzip" => break executable.gzip.clone().unwrap_or_else(|| executable.plain.clone()),
                    "barque-need plain" => break executable.plain.clone(),
                    line if line.starts_with(FAIL) => return Err(self.failed(line).await),
                    // Start files of the login shell may print something first.
                    _ => {}
                },
                Heard::Stderr => {
                    let Some(password) = password else { continue };
                    let prompts = count(&self.said, nonce.as_bytes());
                    if prompts > usize::from(password_sent) {
                        if password_sent {
                            return Err(LaunchError::SudoPassword { host: self.host });
                        }
                        password_sent = true;
                        // An error shows itself as the end of the command.
                        let _ = self.stdin.write_all(password.expose_secret().as_bytes()).await;
                        let _ = self.stdin.write_all(b"\n").await;
                        let _ = self.stdin.flush().await;
                    }
                }
                Heard::End => return Err(self.ended().await),
            }
        };
        match self.send(&payload).await {
            Sent::Line(line) if line == "barque-ok" => Ok(self.launched(payload.len(), nonce)),
            Sent::Line(line) => Err(self.failed(&line).await),
            Sent::End => Err(self.ended().await),
            Sent::Silence => Err(self.silent()),
        }
    }

    /// Sends the executable while listening, for a full disk ends the script in the middle.
    async fn send(&mut self, payload: &[u8]) -> Sent {
        let Self { stdin, stdout, stderr, line, said, stderr_open, .. } = self;
        let upload = async {
            // An error shows itself as the end of the command.
            let _ = stdin.write_all(payload).await;
            let _ = stdin.flush().await;
        };
        tokio::pin!(upload);
        let mut deadline = None;
        loop {
            let patience = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut upload, if deadline.is_none() => deadline = Some(Instant::now() + PATIENCE),
                heard = hear(stdout, &mut **stderr, line, said, stderr_open) => match heard {
                    Heard::Line(line) if line == "barque-ok" || line.starts_with(FAIL) => return Sent::Line(line),
                    Heard::Line(_) | Heard::Stderr => {}
                    Heard::End => return Sent::End,
                },
                () = patience => return Sent::Silence,
            }
        }
    }

    /// What `barque-fail STEP` means. The words that explain it may come a moment later.
    async fn failed(mut self, line: &str) -> LaunchError {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(1), (&mut self.stderr).take(KEPT as u64).read_to_end(&mut rest)).await;
        self.said.extend_from_slice(&rest);
        step_failure(line.trim_start_matches(FAIL), &self.words(), &self.host, &self.directory)
    }

    fn launched(self, sent: usize, nonce: &str) -> Launched {
        // What came after the prompt may be the executable's already.
        let after = self.said.windows(nonce.len()).rposition(|window| window == nonce.as_bytes()).map_or(0, |at| at + nonce.len());
        let rest = Cursor::new(self.said[after..].to_vec());
        Launched {
            process: Process {
                stdin: self.stdin,
                stdout: Box::new(self.stdout),
                stderr: Box::new(rest.chain(self.stderr)),
                exit: self.exit,
            },
            sent,
        }
    }

    fn words(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }

    fn last_lines(&self) -> Vec<String> {
        let words = self.words();
        let lines: Vec<&str> = words.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(20)..].iter().map(|line| (*line).to_owned()).collect()
    }

    fn silent(self) -> LaunchError {
        LaunchError::Silent { output: self.last_lines(), host: self.host, seconds: PATIENCE.as_secs() }
    }

    /// The command has ended without `barque-ok`; sudo's words say why, if it was sudo.
    async fn ended(mut self) -> LaunchError {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(1), (&mut self.stderr).take(KEPT as u64).read_to_end(&mut rest)).await;
        self.said.extend_from_slice(&rest);
        let output = self.last_lines();
        let words = self.words();
        let status = tokio::time::timeout(Duration::from_secs(5), self.exit.wait()).await.unwrap_or(ExitStatus::Lost);
        sudo_failure(&words, &self.host).unwrap_or(LaunchError::Ended { host: self.host, status, output })
    }
}

/// Waits for a line on standard output or for anything on standard error. Nothing is lost if it is dropped while waiting.
async fn hear(
    stdout: &mut BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    stderr: &mut (dyn AsyncRead + Send + Unpin),
    line: &mut Vec<u8>,
    said: &mut Vec<u8>,
    stderr_open: &mut bool,
) -> Heard {
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            chunk = stdout.fill_buf() => {
                let Ok(chunk @ [_, ..]) = chunk else { return Heard::End };
                let newline = chunk.iter().position(|byte| *byte == b'\n');
                let taken = newline.map_or(chunk.len(), |at| at + 1);
                line.extend_from_slice(&chunk[..newline.unwrap_or(taken)]);
                stdout.consume(taken);
                if newline.is_some() {
                    return Heard::Line(String::from_utf8_lossy(&std::mem::take(line)).into_owned());
                }
                if line.len() > KEPT {
                    return Heard::End;
                }
            }
            length = stderr.read(&mut buffer), if *stderr_open => {
                match length {
                    Ok(length @ 1..) => {
                        if said.len() < KEPT {
                            said.extend_from_slice(&buffer[..length]);
                        }
                        return Heard::Stderr;
                    }
                    _ => *stderr_open = false,
                }
            }
        }
    }
}

/// How often `needle` stands in `text`.
fn count(text: &[u8], needle: &[u8]) -> usize {
    text.windows(needle.len()).filter(|window| *window == needle).count()
}
