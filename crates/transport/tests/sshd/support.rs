//! Real `sshd` processes on loopback, each with its own folder, keys and port; all ended when the value is dropped.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use barque_model::{Host, JumpHost, Ssh, Sudo, TransportKind};
use barque_transport::{AcceptedHostKey, Connection, Process, Prompt, Settings, SshTransport, Transport};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

/// Both transports.
pub(crate) const BOTH: [TransportKind; 2] = [TransportKind::Builtin, TransportKind::System];

/// An `sshd` with a folder of its own.
pub(crate) struct Sshd {
    pub(crate) directory: TempDir,
    pub(crate) port: u16,
    process: Child,
}

/// Says what was asked and told.
#[derive(Default)]
pub(crate) struct Operator {
    pub(crate) passphrase: Option<&'static str>,
    pub(crate) asked: Mutex<Vec<PathBuf>>,
    pub(crate) told: Mutex<Vec<AcceptedHostKey>>,
}

#[async_trait::async_trait]
impl Prompt for Operator {
    async fn passphrase(&self, key: &Path) -> Option<SecretString> {
        self.asked.lock().unwrap().push(key.to_owned());
        self.passphrase.map(SecretString::from)
    }

    fn host_key_accepted(&self, accepted: &AcceptedHostKey) {
        self.told.lock().unwrap().push(accepted.clone());
    }
}

/// Runs a program that must succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// User keys, made once for all tests and kept in the target folder.
fn keys() -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let keys = parent.join("transport-keys");
    if !keys.exists() {
        let directory = tempfile::tempdir_in(parent).unwrap();
        for (name, key_type, passphrase) in [
            ("ed25519", "ed25519", ""),
            ("ecdsa", "ecdsa", ""),
            ("rsa", "rsa", ""),
            ("locked", "ed25519", "open"),
            ("stranger", "ed25519", ""),
        ] {
            let file = directory.path().join(name).display().to_string();
            run("ssh-keygen", &["-q", "-t", key_type, "-N", passphrase, "-C", name, "-f", &file]);
        }
        // Another test may have been faster; then this one's folder goes away.
        if std::fs::rename(directory.path(), &keys).is_ok() {
            let _ = directory.keep();
        }
    }
    keys
}

impl Sshd {
    /// Starts one that accepts the keys `ed25519`, `ecdsa`, `rsa` and `locked` (passphrase `open`) of its folder, not `stranger`.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same with more lines of configuration; `@dir@` stands for the folder.
    pub(crate) fn start_with(more: &str) -> Self {
        assert!(Path::new("/usr/sbin/sshd").exists(), "these tests need sshd: apt-get install openssh-server");
        // Debian's sshd wants its separation folder even when it does not separate.
        std::fs::create_dir_all("/run/sshd").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        run("cp", &["-r", &format!("{}/.", keys().display()), &directory.path().display().to_string()]);
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "host", "-f", &path("host")]);
        let authorized: String =
            ["ed25519", "ecdsa", "rsa", "locked"].map(|name| std::fs::read_to_string(path(&format!("{name}.pub"))).unwrap()).concat();
        std::fs::write(path("authorized"), authorized).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\n{}\n",
            path("host"),
            path("authorized"),
            more.replace("@dir@", &directory.path().display().to_string()),
        );
        std::fs::write(path("sshd_config"), configuration).unwrap();
        let log = std::fs::File::create(path("log")).unwrap();
        let process = Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f", &path("sshd_config")]).stderr(log).spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "{}", std::fs::read_to_string(path("log")).unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }
        let sshd = Self { directory, port, process };
        sshd.write("known", &sshd.known_line());
        sshd
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Its host key as a known_hosts line.
    pub(crate) fn known_line(&self) -> String {
        format!("[127.0.0.1]:{} {}", self.port, self.read("host.pub"))
    }

    /// The host as a cluster file would give it, with one of the keys of the folder.
    pub(crate) fn host(&self, transport: TransportKind, key: &str) -> Host {
        Host {
            name: "h1".parse().unwrap(),
            address: "127.0.0.1".parse().unwrap(),
            roles: [].into(),
            ssh: Ssh {
                address: "127.0.0.1".to_owned(),
                user: run("id", &["-un"]).trim().to_owned(),
                port: self.port,
                key: (!key.is_empty()).then(|| self.path(key)),
                jump: None,
                sudo: Sudo::None,
                transport,
            },
            labels: BTreeMap::new(),
            taints: Vec::new(),
        }
    }

    /// Itself as a jump host.
    pub(crate) fn jump(&self, key: &str) -> JumpHost {
        let ssh = self.host(TransportKind::Builtin, key).ssh;
        JumpHost { address: ssh.address, user: ssh.user, port: ssh.port, key: ssh.key }
    }

    /// Settings that know this host's key.
    pub(crate) fn settings(&self, operator: &Arc<Operator>) -> Settings {
        let prompt: Arc<dyn Prompt> = operator.clone();
        let settings = Settings::new(vec![self.path("known")], "/tmp".into(), prompt);
        // A client that finds no agent of the operator's: the test machine may have one.
        Settings { agent: Some(self.path("no-agent")), ..settings }
    }

    /// Connects with one key; the host must let it in.
    pub(crate) async fn connect(&self, transport: TransportKind, key: &str) -> Box<dyn Connection> {
        SshTransport::new(self.settings(&Arc::default())).connect(&self.host(transport, key)).await.unwrap()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("sshd on port {} says:\n{}", self.port, self.read("log"));
        }
    }
}

/// Reads a process to its end: standard output, standard error, exit status.
pub(crate) async fn finish(process: Process) -> (String, String, barque_transport::ExitStatus) {
    let Process { stdin, mut stdout, mut stderr, exit } = process;
    drop(stdin);
    let (mut output, mut words) = (String::new(), String::new());
    let (read, said) = tokio::join!(stdout.read_to_string(&mut output), stderr.read_to_string(&mut words));
    read.unwrap();
    said.unwrap();
    (output, words, exit.wait().await)
}
