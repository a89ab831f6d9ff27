//! What is asked for on a terminal.

use std::io::{self, BufRead, Write};
use std::net::Ipv4Addr;

use barque_model::{ClusterName, Role};
use barque_spec::{Outline, parse_hosts};

use crate::terminal::Questions;

/// How hosts are written.
const HOSTS: &str = "addresses, NAME=ADDRESS or 10.0.0.11-13, with commas";

/// Asks for everything that makes a cluster.
pub(super) fn whole<R: BufRead, W: Write>(questions: &mut Questions<R, W>, outline: &mut Outline) -> io::Result<()> {
    let name = outline.name.as_ref().map_or("cluster", |name| name.as_str()).to_owned();
    outline.name =
        Some(questions.ask("Name of the cluster", &name, |text| text.parse::<ClusterName>().map_err(|error| error.to_string()))?);
    hosts(questions, outline, Role::Master, &format!("Masters, 1, 3 or 5 ({HOSTS})"), |list| match list {
        0 => Err("name one host, or three for high availability"),
        even if even % 2 == 0 => Err("name 1, 3 or 5: etcd runs on them, and an even number survives no more failures than one less"),
        _ => Ok(()),
    })?;
    outline.stack_etcd();
    hosts(questions, outline, Role::Node, "Nodes for workloads (the same, masters too if they take workloads)", |list| match list {
        0 => Err("name one host at least"),
        _ => Ok(()),
    })?;
    if outline.with(Role::Master).count() > 1 {
        hosts(questions, outline, Role::LoadBalancer, "Load balancers, two (the same; empty for none)", |_| Ok(()))?;
    }
    let user = questions.ask("Login user", "root", |text| {
        let right = text.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_'));
        if right && !text.starts_with('-') { Ok(text.to_owned()) } else { Err(format!("`{text}` is not a login name")) }
    })?;
    let key = questions.ask("Private key file (empty: the SSH agent, then what ssh_config names)", "", |text| Ok(text.to_owned()))?;
    for host in &mut outline.hosts {
        host.ssh.user = Some(user.clone());
        host.ssh.key = Some(key.clone()).filter(|key| !key.is_empty());
    }
    Ok(())
}

fn hosts<R: BufRead, W: Write>(
    questions: &mut Questions<R, W>,
    outline: &mut Outline,
    role: Role,
    question: &str,
    count: impl Fn(usize) -> Result<(), &'static str>,
) -> io::Result<()> {
    let before = outline.clone();
    *outline = questions.ask(question, "", |text| {
        let list = parse_hosts(text).map_err(|error| format!("{error}; {}", error.hint()))?;
        count(list.len()).map_err(str::to_owned)?;
        let mut after = before.clone();
        after.give(role, list).map_err(|error| format!("{error}; {}", error.hint()))?;
        Ok(after)
    })?;
    Ok(())
}

/// Asks for the virtual address.
pub(super) fn vip<R: BufRead, W: Write>(questions: &mut Questions<R, W>, outline: &mut Outline) -> io::Result<()> {
    let hosts: Vec<Ipv4Addr> = outline.hosts.iter().map(|host| host.address).collect();
    let vip = questions.ask("Virtual IP address of the load balancers (free, in their subnet)", "", |text| {
        let vip: Ipv4Addr = text.parse().map_err(|_| format!("`{text}` is not an IPv4 address"))?;
        if hosts.contains(&vip) { Err(format!("{vip} is the address of a host")) } else { Ok(vip) }
    })?;
    outline.vip = Some(vip);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cluster_by_questions() {
        let answers =
            "Prod\nprod\n10.0.0.1-2\nm1\n10.0.0.11-13\n10.0.0.21-22\n10.0.0.31,10.0.0.32\ndeploy\n~/.ssh/id\n10.0.0.11\n10.0.0.10\n";
        let (mut questions, mut outline) = (Questions::answered(answers), Outline::default());
        whole(&mut questions, &mut outline).unwrap();
        vip(&mut questions, &mut outline).unwrap();
        assert_eq!(outline.faults(), []);
        assert_eq!((outline.hosts.len(), outline.vip), (7, Some(Ipv4Addr::new(10, 0, 0, 10))));
        assert!(outline.hosts.iter().all(|host| host.ssh.user.as_deref() == Some("deploy")));
        let said = questions.said();
        for fault in ["`Prod` is not a DNS label", "name 1, 3 or 5", "`m1` is not a host", "10.0.0.11 is the address of a host"] {
            assert!(said.contains(fault), "{fault}: {said}");
        }
    }
}
