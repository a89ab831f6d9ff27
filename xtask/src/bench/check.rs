//! How long `check` takes: on seven hosts of a lab, and on many addresses of one host.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

use super::cluster::Cluster;
use super::measure::{Measured, measure_ending};
use super::report::digits;
use super::together::together;
use super::{Interrupt, Lab, Place, barque, step, text};
use crate::{dist, run};

/// Addresses of the host that stands for many.
const MANY: usize = 200;
/// Its network namespace, in which nothing else is.
const NAMESPACE: &str = "barque-bench";
/// Where its SSH server listens.
const PORT: u16 = 2222;
/// How long that server may take to start.
const START: Duration = Duration::from_secs(10);

/// Measures both and answers the table as Markdown.
pub(crate) fn measure(place: &Place, interrupt: &Interrupt) -> Result<String> {
    let (seven, by_ssh) = seven(&place.fresh("check-7")?, interrupt)?;
    let (many, many_by_ssh) = many(&place.fresh("check-many")?, interrupt)?;
    Ok(table(&seven, by_ssh, &many, many_by_ssh))
}

/// Seven fresh hosts: `check`, and `ssh HOST true` to all of them at once.
fn seven(folder: &Path, interrupt: &Interrupt) -> Result<(Measured, Duration)> {
    step("boot seven hosts");
    let lab = Lab::up(interrupt)?;
    let cluster = Cluster::new(&lab, folder)?;
    step("check");
    let checked = measure_ending(&mut cluster.verb("check")?, &[0, 1], &cluster.log("check"), interrupt)?;
    let hosts: Vec<String> = lab.hosts().iter().map(|host| host.address.to_string()).collect();
    let known = cluster.known_hosts();
    let begun = Instant::now();
    together(&hosts, |host| end_well(ssh(lab.key(), &known, 22)?.args([&format!("root@{host}"), "true"])))?;
    Ok((checked, begun.elapsed()))
}

/// One SSH server with many addresses, each a host of the cluster file.
fn many(folder: &Path, interrupt: &Interrupt) -> Result<(Measured, Duration)> {
    step(&format!("one host with {MANY} addresses"));
    let hosts: Vec<String> = (0..MANY).map(|number| format!("10.199.{}.{}", number / 100, number % 100 + 1)).collect();
    let _namespace = Namespace::make(&hosts)?;
    for name in ["host", "key"] {
        end_well(run::command("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(name)))?;
    }
    let key = fs::read_to_string(folder.join("host.pub"))?;
    let key: Vec<&str> = key.split_whitespace().take(2).collect();
    let known: String = hosts.iter().fold(String::new(), |mut known, host| {
        let _ = writeln!(known, "[{host}]:{PORT} {}", key.join(" "));
        known
    });
    fs::write(folder.join("known_hosts"), known)?;
    fs::write(folder.join("sshd_config"), server_file(folder))?;
    fs::write(folder.join("cluster.yaml"), cluster_file(folder, &hosts))?;
    let _server = Server::start(folder, &hosts, interrupt)?;
    step("check");
    let mut check = inside(dist::binary().as_os_str());
    let (file, known, identity) = (folder.join("cluster.yaml"), folder.join("known_hosts"), folder.join("identity.txt"));
    let arguments = ["check", "--no-progress", "--file", text(&file)?, "--known-hosts", text(&known)?, "--identity", text(&identity)?];
    // The environment is that of any other measured run.
    check.args(arguments).env_clear().envs(barque(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    check.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", folder);
    let checked = measure_ending(&mut check, &[0, 1], &folder.join("check.log"), interrupt)?;
    let begun = Instant::now();
    together(&hosts, |host| {
        let ssh = ssh(&folder.join("key"), &known, PORT)?;
        end_well(inside(ssh.get_program()).args(ssh.get_args()).args([&format!("root@{host}"), "true"]))
    })?;
    Ok((checked, begun.elapsed()))
}

/// It listens on all addresses: named one by one, sshd takes a few only.
fn server_file(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "Port {PORT}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/key.pub\nPermitRootLogin yes\nStrictModes no\n\
         PasswordAuthentication no\nPidFile none\nMaxStartups 1000:30:1000\n"
    )
}

fn cluster_file(folder: &Path, hosts: &[String]) -> String {
    let mut text = format!(
        "apiVersion: barque.dev/v1\nkind: Cluster\nmetadata:\n  name: many\nspec:\n  kubernetes:\n    version: 1.37.2\n  ssh:\n    \
         key: {}\n    port: {PORT}\n  hosts:\n",
        folder.join("key").display()
    );
    for (number, host) in hosts.iter().enumerate() {
        let roles = if number < 3 { "etcd, master" } else { "node" };
        let _ = write!(text, "    - name: h{number}\n      address: {host}\n      roles: [{roles}]\n");
    }
    text
}

/// A network namespace with an interface that has the addresses. It goes when this is dropped.
struct Namespace;

impl Namespace {
    fn make(addresses: &[String]) -> Result<Self> {
        // One that a killed benchmark left behind.
        let _not_there = run::command("ip", &["netns", "delete", NAMESPACE]).stderr(Stdio::null()).status();
        end_well(&mut run::command("ip", &["netns", "add", NAMESPACE]))?;
        let namespace = Self;
        let mut lines = "link set lo up\nlink add many type bridge\nlink set many up\n".to_owned();
        for address in addresses {
            let _ = writeln!(lines, "address add {address}/16 dev many");
        }
        let mut command = run::command("ip", &["-netns", NAMESPACE, "-batch", "-"]);
        let mut child = command.stdin(Stdio::piped()).spawn().context("cannot start ip")?;
        std::io::Write::write_all(&mut child.stdin.take().context("ip has no standard input")?, lines.as_bytes())?;
        if !child.wait()?.success() {
            bail!("`ip -batch` failed");
        }
        Ok(namespace)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _reported_by_ip = run::command("ip", &["netns", "delete", NAMESPACE]).status();
    }
}

/// The SSH server; it ends when this is dropped.
struct Server(Child);

impl Server {
    fn start(folder: &Path, hosts: &[String], interrupt: &Interrupt) -> Result<Self> {
        fs::create_dir_all("/run/sshd")?;
        let log = fs::File::create(folder.join("sshd.log"))?.into_parts().0;
        let mut command = inside("/usr/sbin/sshd".as_ref());
        let server =
            Self(command.args(["-D", "-e", "-f", text(&folder.join("sshd_config"))?]).stderr(log).spawn().context("cannot start sshd")?);
        let last = hosts.last().context("no addresses")?;
        let begun = Instant::now();
        let probe = format!("exec 3<>/dev/tcp/{last}/{PORT}");
        while !inside("bash".as_ref()).args(["-c", &probe]).stderr(Stdio::null()).status()?.success() {
            interrupt.check()?;
            if begun.elapsed() > START {
                bail!("sshd does not answer; see `{}`", folder.join("sshd.log").display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_by_itself = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program in the namespace.
fn inside(program: &std::ffi::OsStr) -> Command {
    let mut command = run::command("ip", &["netns", "exec", NAMESPACE]);
    command.arg(program).stdin(Stdio::null());
    command
}

fn ssh(key: &Path, known_hosts: &Path, port: u16) -> Result<Command> {
    let known_hosts = format!("UserKnownHostsFile={}", known_hosts.display());
    let mut command = run::command("ssh", &["-F", "/dev/null", "-i", text(key)?, "-p", &port.to_string(), "-o", &known_hosts]);
    command.args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "LogLevel=ERROR"]);
    command.stdin(Stdio::null());
    Ok(command)
}

fn end_well(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

fn table(seven: &Measured, by_ssh: Duration, many: &Measured, many_by_ssh: Duration) -> String {
    let seconds = |duration: Duration| {
        let value = duration.as_secs_f64();
        format!("{value:.*} s", digits(value))
    };
    let ratio = |one: Duration, other: Duration| format!("{:.1}", one.as_secs_f64() / other.as_secs_f64());
    format!(
        "| looking for faults | value | aim |\n|---|---:|---|\n\
         | `check`, 7 fresh hosts, VRRP listened to for 3.5 s meanwhile | {} | < 6.5 s |\n\
         | … peak memory (RSS) | {} |  |\n\
         | `ssh HOST true` to the same at once | {} |  |\n\
         | `check` / `ssh` | {} |  |\n\
         | `check`, {MANY} addresses of this machine | {} | < 15 s |\n\
         | … its own processor time on the operator's side | {} |  |\n\
         | … peak memory (RSS) | {} |  |\n\
         | `ssh HOST true` to the same at once | {} |  |\n\
         | `check` / `ssh` | {} |  |\n",
        seconds(seven.wall),
        dist::megabytes(seven.peak),
        seconds(by_ssh),
        ratio(seven.wall, by_ssh),
        seconds(many.wall),
        seconds(many.processor),
        dist::megabytes(many.peak),
        seconds(many_by_ssh),
        ratio(many.wall, many_by_ssh),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_set_beside_ssh() {
        let measured = |seconds| Measured { wall: Duration::from_secs(seconds), peak: 50_000_000, processor: Duration::from_secs(3) };
        let text = table(&measured(5), Duration::from_secs(2), &measured(12), Duration::from_secs(6));
        for line in ["| `check` / `ssh` | 2.5 |  |", "| `check` / `ssh` | 2.0 |  |", "| … peak memory (RSS) | 50.0 MB |  |"] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
        }
    }

    #[test]
    fn the_file_of_many_hosts_has_all() {
        let hosts = ["10.199.0.1".to_owned(), "10.199.0.2".to_owned()];
        let text = cluster_file(Path::new("/f"), &hosts);
        assert!(text.contains("    - name: h1\n      address: 10.199.0.2\n"), "{text}");
    }
}
