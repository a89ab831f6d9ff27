//! What all hosts have in common of their SSH settings, so that it is written once.

use std::collections::BTreeMap;

use super::{OutlineHost, OutlineSsh};

/// The login user when nobody says otherwise.
const USER: &str = "root";
/// The SSH port when nobody says otherwise.
const PORT: u16 = 22;

/// The settings for `spec.ssh`: what most hosts say, unless it is the default. A key or jump host only when every host has one, because a
/// host cannot say that it has none.
pub(super) fn shared(hosts: &[OutlineHost]) -> OutlineSsh {
    let all = |field: fn(&OutlineSsh) -> bool| hosts.iter().all(|host| field(&host.ssh));
    OutlineSsh {
        address: None,
        user: most(hosts.iter().map(|host| user(&host.ssh).to_owned())).filter(|user| user != USER),
        port: most(hosts.iter().map(|host| port(&host.ssh))).filter(|port| *port != PORT),
        key: most(hosts.iter().filter_map(|host| host.ssh.key.clone())).filter(|_| all(|ssh| ssh.key.is_some())),
        jump: most(hosts.iter().filter_map(|host| host.ssh.jump.clone())).filter(|_| all(|ssh| ssh.jump.is_some())),
        sudo: hosts.first().and_then(|host| host.ssh.sudo).filter(|sudo| hosts.iter().all(|host| host.ssh.sudo == Some(*sudo))),
    }
}

/// What is left for a host to say beside the `shared` settings.
pub(super) fn own(host: &OutlineHost, shared: &OutlineSsh) -> OutlineSsh {
    let ssh = &host.ssh;
    OutlineSsh {
        address: ssh.address.clone().filter(|address| *address != host.address.to_string()),
        user: (user(ssh) != user(shared)).then(|| user(ssh).to_owned()),
        port: (port(ssh) != port(shared)).then(|| port(ssh)),
        key: ssh.key.clone().filter(|key| shared.key.as_ref() != Some(key)),
        jump: ssh.jump.clone().filter(|jump| shared.jump.as_ref() != Some(jump)),
        sudo: ssh.sudo.filter(|sudo| shared.sudo != Some(*sudo)),
    }
}

fn user(ssh: &OutlineSsh) -> &str {
    ssh.user.as_deref().unwrap_or(USER)
}

fn port(ssh: &OutlineSsh) -> u16 {
    ssh.port.unwrap_or(PORT)
}

/// The value that occurs most often; of equals the first.
fn most<T: Ord>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, (usize, usize)> = BTreeMap::new();
    for (position, value) in values.enumerate() {
        counts.entry(value).or_insert((0, position)).0 += 1;
    }
    counts.into_iter().max_by_key(|(_, (count, position))| (*count, std::cmp::Reverse(*position))).map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    use super::*;

    fn host(user: &str, key: Option<&str>) -> OutlineHost {
        let ssh = OutlineSsh { user: Some(user.into()), key: key.map(str::to_owned), ..OutlineSsh::default() };
        OutlineHost { name: None, address: Ipv4Addr::LOCALHOST, roles: BTreeSet::new(), ssh, origin: None }
    }

    #[test]
    fn what_most_hosts_say_is_said_once() {
        let hosts = [host("root", Some("a")), host("deploy", Some("b")), host("deploy", Some("a"))];
        let shared = shared(&hosts);
        assert_eq!((shared.user.as_deref(), shared.key.as_deref()), (Some("deploy"), Some("a")));
        assert_eq!((own(&hosts[0], &shared).user.as_deref(), own(&hosts[0], &shared).key), (Some("root"), None));
        assert_eq!((own(&hosts[1], &shared).user, own(&hosts[1], &shared).key.as_deref()), (None, Some("b")));
    }

    #[test]
    fn a_host_without_a_key_keeps_being_one() {
        let hosts = [host("root", Some("a")), host("root", None)];
        assert_eq!(shared(&hosts).key, None);
        assert_eq!(own(&hosts[0], &shared(&hosts)).key.as_deref(), Some("a"));
    }
}
