//! Other ways to reach hosts: a user with a sudo password behind a jump host, and the system's own ssh.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use anyhow::{Result, ensure};
use barque_e2e::{ClusterFile, Scenario};

const PASSWORD: &str = "correct horse battery";
const HOSTS: [(&str, &str); 2] = [("a1", "etcd, master, node"), ("a2", "node")];

fn ready(scenario: &Scenario, count: usize) -> Result<()> {
    let nodes = scenario.kubectl()?.get(&["get", "nodes", "--no-headers"])?;
    ensure!(nodes.lines().filter(|line| line.contains(" Ready ")).count() == count, "{nodes}");
    Ok(())
}

#[test]
fn sudo_with_password_through_a_jump_host() -> Result<()> {
    let user = format!("no_root_login = true\nuser = {{ name = \"ops\", password = \"{PASSWORD}\" }}\n");
    let topology = format!("[[hosts]]\nname = \"jump\"\n\n[[hosts]]\nname = \"a1\"\n{user}\n[[hosts]]\nname = \"a2\"\n{user}");
    let scenario = Scenario::new("sudo", &topology)?;
    let jump = scenario.lab.host("jump")?.address;
    let file = ClusterFile::new(&scenario.lab, &HOSTS)?
        .ssh(&format!("user: ops\nsudo: password\njump:\n  address: {jump}\n  user: root\n  key: {}", scenario.lab.key().display()));
    scenario.write(&file)?;
    let password = scenario.folder.path().join("password");
    // The hosts do not accept this machine directly any more: only the jump host gets through.
    for host in ["a1", "a2"] {
        scenario.lab.verb("cut", &[host, "operator"])?.ok()?;
    }
    scenario.step("a wrong password");
    fs_err::write(&password, "wrong\n")?;
    let arguments = ["--sudo-password-file", &password.display().to_string()];
    scenario.up(&arguments)?.code(1)?.says(&["a1", "a2", "password"])?;
    for host in ["a1", "a2"] {
        ensure!(scenario.lab.shell(host, "test -e /var/lib/barque")?.code != Some(0), "{host} was changed");
    }
    scenario.step("no password and nobody to ask");
    scenario.up(&[])?.code(1)?.says(&["--sudo-password-file"])?;
    scenario.step("the right password");
    fs_err::write(&password, format!("{PASSWORD}\n"))?;
    scenario.up(&arguments)?.ok()?.says(&["everything answers"])?;
    for host in ["a1", "a2"] {
        // The pattern comes from a file: in this command's own arguments it would find itself.
        fs_err::write(scenario.lab.host(host)?.root.join("srv/pattern"), format!("{PASSWORD}\n"))?;
        let search = "grep -rlF -f /srv/pattern /proc/[0-9]*/cmdline /proc/[0-9]*/environ /var/lib/barque /var/log 2>/dev/null || true";
        let leaks = scenario.lab.get(host, search)?;
        ensure!(leaks.is_empty(), "the password is visible on {host}: {leaks}");
    }
    let leaks = barque_e2e::run("grep", ["-rl", PASSWORD, &scenario.folder.path().join(".barque").display().to_string()])?;
    ensure!(leaks.stdout.is_empty(), "the password lies in {}", leaks.stdout);
    scenario.step("second up");
    scenario.up(&arguments)?.ok()?.says(&["nothing to change"])?;
    scenario.lab.verb("heal", &[])?.ok()?;
    ready(&scenario, 2)
}

#[test]
fn the_systems_ssh() -> Result<()> {
    let scenario = Scenario::new("ssh", "[[hosts]]\nname = \"a1\"\n[[hosts]]\nname = \"a2\"\n")?;
    scenario.write(&ClusterFile::new(&scenario.lab, &HOSTS)?.ssh("transport: system"))?;
    scenario.step("up");
    scenario.up(&[])?.ok()?.says(&["everything answers"])?;
    ready(&scenario, 2)?;
    scenario.step("second up by the other transport");
    scenario.up(&["--transport", "builtin"])?.ok()?.says(&["nothing to change"])?;
    Ok(())
}
