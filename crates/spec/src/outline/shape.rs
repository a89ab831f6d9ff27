//! A cluster as `init` knows it: what was asked for, before defaults.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use barque_model::{ClusterName, HostName, PortRange, Role, Sudo};
use ipnet::Ipv4Net;

use super::{HostAddress, OutlineError};

/// What is known of a cluster that is to be written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Its name.
    pub name: Option<ClusterName>,
    /// Its machines.
    pub hosts: Vec<OutlineHost>,
    /// The virtual IP address of the balancers.
    pub vip: Option<Ipv4Addr>,
    /// The API's port on the virtual address.
    pub api_port: Option<u16>,
    /// Range of pod addresses.
    pub pods: Option<Ipv4Net>,
    /// Prefix length of a node's block of pod addresses.
    pub node_prefix: Option<u8>,
    /// Range of service addresses.
    pub services: Option<Ipv4Net>,
    /// Node ports.
    pub node_ports: Option<PortRange>,
    /// DNS domain.
    pub dns_domain: Option<String>,
    /// More names for the API server's certificate.
    pub extra_sans: Vec<String>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineHost {
    /// Its name; without one it is named after its role and a number.
    pub name: Option<HostName>,
    /// The address that the other hosts use.
    pub address: Ipv4Addr,
    /// What it does.
    pub roles: BTreeSet<Role>,
    /// How it is reached.
    pub ssh: OutlineSsh,
    /// Where an inventory names it, `file:line`.
    pub origin: Option<String>,
}

/// How a host is reached, as far as it was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutlineSsh {
    /// Address or name to connect to, when it is not the host's address.
    pub address: Option<String>,
    /// Login user.
    pub user: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Private key file.
    pub key: Option<String>,
    /// A host to go through.
    pub jump: Option<OutlineJump>,
    /// How root is reached.
    pub sudo: Option<Sudo>,
}

/// A host through which others are reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutlineJump {
    /// Address or name.
    pub address: String,
    /// Login user.
    pub user: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Private key file.
    pub key: Option<String>,
}

impl OutlineJump {
    /// Reads `ADDRESS`, `USER@ADDRESS` or `USER@ADDRESS:PORT`.
    pub fn parse(text: &str) -> Result<Self, OutlineError> {
        let wrong = || OutlineError::Jump(text.to_owned());
        let (user, rest) = match text.split_once('@') {
            Some((user, rest)) => (Some(user.to_owned()).filter(|user| !user.is_empty()), rest),
            None => (None, text),
        };
        let (address, port) = match rest.split_once(':') {
            Some((address, port)) => (address, Some(port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?)),
            None => (rest, None),
        };
        let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
        if address.is_empty() || address.starts_with('-') || !address.chars().all(allowed) || (user.is_none() && text.contains('@')) {
            return Err(wrong());
        }
        Ok(Self { address: address.to_owned(), user, port, key: None })
    }
}

impl Outline {
    /// Gives `role` to the hosts of a list. A host that has other roles already gets one more.
    pub fn give(&mut self, role: Role, list: Vec<HostAddress>) -> Result<(), OutlineError> {
        for HostAddress { name, address } in list {
            if let Some(name) = &name
                && let Some(other) = self.hosts.iter().find(|host| host.name.as_ref() == Some(name) && host.address != address)
            {
                return Err(OutlineError::TwoAddresses { name: name.to_string(), one: other.address, two: address });
            }
            let Some(host) = self.hosts.iter_mut().find(|host| host.address == address) else {
                let roles = BTreeSet::from([role]);
                self.hosts.push(OutlineHost { name, address, roles, ssh: OutlineSsh::default(), origin: None });
                continue;
            };
            if !host.roles.insert(role) {
                return Err(OutlineError::Twice(address));
            }
            match (&host.name, name) {
                (Some(one), Some(two)) if *one != two => {
                    return Err(OutlineError::TwoNames { address, one: one.to_string(), two: two.to_string() });
                }
                (None, Some(name)) => host.name = Some(name),
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives the masters etcd too when no host has it.
    pub fn stack_etcd(&mut self) {
        if self.with(Role::Etcd).next().is_none() {
            for host in self.hosts.iter_mut().filter(|host| host.roles.contains(&Role::Master)) {
                host.roles.insert(Role::Etcd);
            }
        }
    }

    /// The hosts with `role`.
    pub fn with(&self, role: Role) -> impl Iterator<Item = &OutlineHost> {
        self.hosts.iter().filter(move |host| host.roles.contains(&role))
    }

    /// Hosts that get a block of pod addresses.
    pub fn nodes(&self) -> usize {
        self.hosts.iter().filter(|host| host.roles.contains(&Role::Master) || host.roles.contains(&Role::Node)).count()
    }

    /// Everything without which this is no cluster; what else is wrong the cluster file's own checks find.
    pub fn faults(&self) -> Vec<OutlineError> {
        let mut faults = Vec::new();
        if self.with(Role::Master).next().is_none() {
            faults.push(OutlineError::NoMaster);
        }
        let etcd = self.with(Role::Etcd).count();
        if etcd > 0 && etcd.is_multiple_of(2) {
            faults.push(OutlineError::EvenEtcd { count: etcd, places: self.places(Role::Etcd) });
        }
        match (self.with(Role::LoadBalancer).next(), self.vip) {
            (Some(_), None) => faults.push(OutlineError::NoVip { places: self.places(Role::LoadBalancer) }),
            (None, Some(vip)) => faults.push(OutlineError::VipWithoutBalancer(vip)),
            _ => {}
        }
        faults
    }

    fn places(&self, role: Role) -> String {
        let places: Vec<&str> = self.with(role).filter_map(|host| host.origin.as_deref()).collect();
        if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::parse_hosts;
    use super::*;

    fn outline(lists: &[(Role, &str)]) -> Result<Outline, OutlineError> {
        let mut outline = Outline::default();
        lists.iter().try_for_each(|(role, list)| outline.give(*role, parse_hosts(list)?))?;
        outline.stack_etcd();
        Ok(outline)
    }

    #[test]
    fn one_host_may_have_several_roles() {
        let outline = outline(&[(Role::Master, "10.0.0.1"), (Role::Node, "m1=10.0.0.1,10.0.0.2")]).unwrap();
        assert_eq!(outline.hosts.len(), 2);
        assert_eq!(outline.hosts[0].roles, [Role::Etcd, Role::Master, Role::Node].into());
        assert_eq!(outline.hosts[0].name, Some("m1".parse().unwrap()));
        assert!(outline.faults().is_empty() && outline.nodes() == 2);
    }

    #[test]
    fn contradictions_are_named() {
        let of = |lists: &[(Role, &str)]| outline(lists).unwrap_err().to_string();
        let shown = [
            of(&[(Role::Master, "10.0.0.1,10.0.0.1")]),
            of(&[(Role::Master, "a=10.0.0.1"), (Role::Node, "b=10.0.0.1")]),
            of(&[(Role::Master, "a=10.0.0.1"), (Role::Node, "a=10.0.0.2")]),
        ];
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn all_faults_at_once() {
        let mut two = outline(&[(Role::Master, "10.0.0.1-2"), (Role::LoadBalancer, "10.0.0.3")]).unwrap();
        assert_eq!(
            two.faults(),
            [OutlineError::EvenEtcd { count: 2, places: String::new() }, OutlineError::NoVip { places: String::new() }]
        );
        two.hosts[2].origin = Some("hosts.ini:7".into());
        assert_eq!(two.faults()[1].to_string(), "there are load balancers (hosts.ini:7), but no virtual IP address");
        let vip = Ipv4Addr::new(10, 0, 0, 9);
        let empty = Outline { vip: Some(vip), ..Outline::default() };
        assert_eq!(empty.faults(), [OutlineError::NoMaster, OutlineError::VipWithoutBalancer(vip)]);
    }

    #[test]
    fn ways_to_write_a_jump_host() {
        let jump = OutlineJump::parse("deploy@jump.example.com:2222").unwrap();
        assert_eq!((jump.address.as_str(), jump.user.as_deref(), jump.port), ("jump.example.com", Some("deploy"), Some(2222)));
        assert_eq!(OutlineJump::parse("10.0.0.1").unwrap().user, None);
        for bad in ["", "@a", "a:", "a:0", "-x", "a b", "u@", "a:70000"] {
            assert!(OutlineJump::parse(bad).is_err(), "{bad}");
        }
    }
}
