//! Boots, freezes and ends one host: systemd-nspawn with systemd as PID 1.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::mount::{UnmountFlags, unmount};

use super::cgroup::{self, Groups};
use super::disk::{self, Home};
use super::error::{Doing as _, LabError};
use super::name::LabName;
use super::network;
use super::process::Process;
use super::state::Run;
use super::tool;
use super::topology::Host;

/// How long a host may take to boot: far above the 4 s that it needs, for machines under heavy load.
const BOOT_LIMIT: Duration = Duration::from_mins(2);
/// After this time sshd alone is enough: services that wait for other hosts hold up the end of the start.
const SERVICES_LIMIT: Duration = Duration::from_secs(5);
const END_LIMIT: Duration = Duration::from_secs(10);
/// How long nspawn may take to notice that its PID 1 has ended.
const NSPAWN_LIMIT: Duration = Duration::from_secs(2);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// System calls of container runtimes that nspawn refuses by default.
const SYSTEM_CALLS: &str = "add_key keyctl bpf perf_event_open @keyring";
/// Becomes a member of the groups named first (their number is $1), waits for a line, then turns into the command.
/// The line comes once the pid is written down: if the lab's program dies before, no unknown process stays behind.
const ENTER_AND_WAIT: &str = r#"n=$1; shift
while [ "$n" -gt 0 ]; do echo $$ >"$1" || exit 125; shift; n=$((n - 1)); done
read -r go || exit 125
exec "$@" </dev/null"#;
/// The same without the wait and with the caller's own input.
const ENTER: &str = r#"n=$1; shift
while [ "$n" -gt 0 ]; do echo $$ >"$1" || exit 125; shift; n=$((n - 1)); done
exec "$@""#;

/// A host about to boot.
pub(crate) struct Launch<'a> {
    pub(crate) lab: &'a LabName,
    pub(crate) host: &'a Host,
    pub(crate) home: Home,
    pub(crate) groups: &'a Groups,
}

/// A host that was started and has yet to report that it is up.
pub(crate) struct Booting {
    pub(crate) nspawn: Process,
    begun: Instant,
    socket: UnixDatagram,
    console: PathBuf,
    console_from: u64,
    host: String,
}

impl Launch<'_> {
    /// Starts systemd-nspawn; `record` writes its pid down before it may go on.
    pub(crate) fn start(&self, record: impl FnOnce(Process) -> Result<(), LabError>) -> Result<Booting, LabError> {
        let host = self.host.name.to_string();
        let console = self.home.console();
        let log =
            fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&console).doing(|| "open the console log".to_owned())?;
        let console_from = log.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        let error_log = log.file().try_clone().doing(|| "open the console log".to_owned())?;
        let address = format!("barque-lab-{}-{}", self.lab.machine(&host), std::process::id());
        let socket = SocketAddr::from_abstract_name(&address).and_then(|address| UnixDatagram::bind_addr(&address));
        let socket = socket.doing(|| format!("listen for the boot of `{host}`"))?;
        let begun = Instant::now();
        let mut command = Command::new("setsid");
        command.env_clear().env("PATH", PATH).env("LC_ALL", "C").env("NOTIFY_SOCKET", format!("@{address}"));
        command.env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1");
        if matches!(self.groups, Groups::V1 { .. }) {
            command.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "0");
        }
        command.args(entering(ENTER_AND_WAIT, &self.groups.entrances())).args(self.nspawn());
        command.current_dir("/").stdin(Stdio::piped()).stdout(log.into_parts().0).stderr(error_log);
        let mut child = command.spawn().map_err(|source| tool::start_error("setsid", source))?;
        let gone = || LabError::Boot { host: host.clone(), reason: "it ended at once".to_owned(), console: String::new() };
        let nspawn = Process::find(child.id()).ok_or_else(gone)?;
        record(nspawn)?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(b"go\n").doing(|| format!("start `{host}`"))?;
        }
        Ok(Booting { nspawn, begun, socket, console, console_from, host })
    }

    fn nspawn(&self) -> Vec<OsString> {
        let name = self.host.name.as_str();
        let mut words: Vec<OsString> = [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            "--keep-unit",
            "--register=no",
            "--settings=no",
            "--notify-ready=yes",
            "--console=read-only",
            "--capability=all",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--bind=/dev/kmsg",
        ]
        .map(OsString::from)
        .into();
        words.push(format!("--system-call-filter={SYSTEM_CALLS}").into());
        words.push(format!("--machine={}", self.lab.machine(name)).into());
        words.push(format!("--hostname={name}").into());
        words.push(option("--directory=", &self.home.root()));
        words.push(option("--network-namespace-path=", &network::namespace_path(self.lab, name)));
        for (outside, inside) in self.home.binds(self.host) {
            let mut word = option("--bind=", &outside);
            word.push(format!(":{inside}"));
            words.push(word);
        }
        if matches!(self.groups, Groups::V1 { .. }) {
            // systemd 256 and later refuse cgroup v1 without this word on PID 1's command line.
            words.push("SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1".into());
        }
        words
    }
}

impl Booting {
    /// Waits until systemd says that its start is complete, or until sshd answers at `address` while services of the host still wait
    /// for other hosts (a member of etcd alone never gets ready). Returns the host's PID 1 and the seconds it took.
    pub(crate) fn wait(self, address: Ipv4Addr) -> Result<(Process, f64), LabError> {
        let timeout = Some(Duration::from_millis(200));
        self.socket.set_read_timeout(timeout).doing(|| format!("listen for the boot of `{}`", self.host))?;
        let mut leader = None;
        let mut buffer = [0_u8; 4096];
        loop {
            if let Ok(length) = self.socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]);
                leader = leader_in(&text).and_then(Process::find).or(leader);
                if text.lines().any(|line| line == "READY=1")
                    && let Some(leader) = leader
                {
                    return Ok((leader, self.seconds()));
                }
            }
            if let Some(leader) = leader
                && self.begun.elapsed() > SERVICES_LIMIT
                && sshd_answers(address)
            {
                return Ok((leader, self.seconds()));
            }
            if !self.nspawn.is_alive() {
                return Err(self.failed("systemd-nspawn ended".to_owned()));
            }
            if self.begun.elapsed() > BOOT_LIMIT {
                return Err(self.failed(format!("not up after {} s", BOOT_LIMIT.as_secs())));
            }
        }
    }

    /// Whole milliseconds: finer digits mean nothing and do not survive a round through JSON.
    fn seconds(&self) -> f64 {
        (self.begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
    }

    fn failed(&self, reason: String) -> LabError {
        let bytes = fs::read(&self.console).unwrap_or_default();
        let from = usize::try_from(self.console_from).unwrap_or_default().min(bytes.len());
        let console = tool::last_lines(&String::from_utf8_lossy(&bytes[from..]), 20);
        LabError::Boot { host: self.host.clone(), reason, console }
    }
}

/// Whether something that greets as an SSH server listens on port 22.
fn sshd_answers(address: Ipv4Addr) -> bool {
    let limit = Duration::from_millis(500);
    let Ok(mut stream) = TcpStream::connect_timeout(&std::net::SocketAddr::from((address, 22)), limit) else { return false };
    let mut greeting = [0_u8; 4];
    stream.set_read_timeout(Some(limit)).is_ok() && stream.read_exact(&mut greeting).is_ok() && greeting == *b"SSH-"
}

/// The pid of the container's PID 1 in a message of nspawn to its service manager.
fn leader_in(text: &str) -> Option<u32> {
    text.lines().find_map(|line| line.strip_prefix("X_NSPAWN_LEADER_PID=")?.trim().parse().ok())
}

fn option(prefix: &str, path: &Path) -> OsString {
    let mut word = OsString::from(prefix);
    word.push(path);
    word
}

/// The words that start `script` in a shell as a member of the groups.
fn entering(script: &str, entrances: &[PathBuf]) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["sh", "-c", script, "lab"].map(OsString::from).into();
    words.push(entrances.len().to_string().into());
    words.extend(entrances.iter().map(|path| path.clone().into_os_string()));
    words
}

/// Ends a host as a loss of power does: nothing is told, nothing is flushed by the host. Its disks are kept.
pub(crate) fn power_off(lab: &LabName, host: &str, home: &Home, run: &Run) -> Result<(), LabError> {
    // The end of PID 1 takes all processes of its namespace with it; nspawn collects it and ends by itself. Only if
    // nspawn does not is it killed too: its orphans would have to wait for the machine's own PID 1.
    if run.groups.is_frozen() {
        run.groups.set_frozen(false).doing(|| format!("thaw `{host}`"))?;
    }
    if let (Some(nspawn), Some(leader)) = (run.nspawn, run.leader) {
        leader.kill();
        nspawn.wait(NSPAWN_LIMIT);
    }
    if let Some(nspawn) = run.nspawn {
        nspawn.kill();
    }
    run.groups.destroy().doing(|| format!("end the processes of `{host}`"))?;
    for process in [run.nspawn, run.leader].into_iter().flatten() {
        if !process.wait(END_LIMIT) {
            let source = std::io::Error::from(std::io::ErrorKind::TimedOut);
            return Err(LabError::Io { action: format!("end process {} of `{host}`", process.pid), source });
        }
    }
    forget_machine(lab, host, home);
    network::detach(lab, host)?;
    Ok(())
}

/// Removes what a killed nspawn leaves under /run; absent entries are as good.
fn forget_machine(lab: &LabName, host: &str, home: &Home) {
    if let Ok(root) = fs::metadata(home.root()) {
        let _ = fs::remove_file(format!("/run/systemd/nspawn/locks/inode-{}:{}", root.dev(), root.ino()));
    }
    let machine = lab.machine(host);
    for folder in ["propagate", "unix-export"] {
        let path = Path::new("/run/systemd/nspawn").join(folder).join(&machine);
        if path.is_dir() {
            let _ = unmount(&path, UnmountFlags::DETACH);
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// The command that runs `words` inside a host: all its namespaces, its control groups, a clean environment.
pub(crate) fn inside<S: AsRef<OsStr>>(leader: Process, words: &[S]) -> Result<Command, LabError> {
    let entrances = cgroup::entrances_beside(leader.pid).doing(|| "find the host's control groups".to_owned())?;
    let mut command = Command::new("sh");
    command.args(&entering(ENTER, &entrances)[1..]);
    command.args(["nsenter", "-t", &leader.pid.to_string(), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]);
    command.args(["/usr/bin/env", "-i", "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "LANG=C.UTF-8"]);
    command.arg(format!("PATH={PATH}")).arg("TERM=xterm").args(words);
    Ok(command)
}

/// Runs a prepared command with `input` and returns all that it says.
pub(crate) fn capture(mut command: Command, input: &[u8]) -> Result<Output, LabError> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| tool::start_error("nsenter", source))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A command that does not read its input is no error.
        let _ = pipe.write_all(input);
    }
    child.wait_with_output().doing(|| "read the command's output".to_owned())
}

/// The operator's public key, with the pair made first if it is absent.
pub(crate) fn operator_key(directory: &Path) -> Result<String, LabError> {
    let path = directory.join("operator");
    if !path.exists() {
        disk::make_key(&path, "barque-lab-operator")?;
    }
    disk::read(&path.with_extension("pub"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leader_is_found_in_a_message() {
        assert_eq!(leader_in("STATUS=Container running.\nX_NSPAWN_LEADER_PID=4711"), Some(4711));
        assert_eq!(leader_in("READY=1"), None);
    }

    #[test]
    fn groups_are_counted_before_the_command() {
        let words = entering("script", &[PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(words, ["sh", "-c", "script", "lab", "2", "/a", "/b"]);
    }
}
