//! The load balancers' shared settings.

use std::net::{IpAddr, Ipv4Addr};

use barque_model::{ClusterName, Digest, LoadBalancer, Role, Vrid, VridOrigin};

use crate::field::Field;
use crate::file_settings::{Balancer, VridText};
use crate::hosts::{self, Draft};
use crate::ports::USED;
use crate::report::{Located, Place, Report};
use crate::structure::nearest;

/// Longest name of a network interface (Linux, IFNAMSIZ less the closing zero).
const MAX_INTERFACE: usize = 15;

/// What could be understood of `spec.loadBalancer`.
pub(crate) struct BalancerDraft {
    /// The VIP.
    pub(crate) vip: Option<Located<Ipv4Addr>>,
    /// haproxy's port.
    pub(crate) port: Option<Located<u16>>,
    /// Everything, when nothing was wrong with it.
    pub(crate) finished: Option<LoadBalancer>,
}

/// Understands `spec.loadBalancer` and checks it against the hosts.
pub(crate) fn resolve(section: Located<Balancer>, cluster: Option<&ClusterName>, hosts: &[Draft], report: &mut Report) -> BalancerDraft {
    let Located { value: entry, place } = section;
    let vip = entry.vip.located(place).and_then(|text| hosts::host_address(&text, report));
    if let Some(vip) = vip
        && let Some(host) = hosts.iter().find(|host| host.address.is_some_and(|address| address.value == vip.value))
    {
        let message = format!("the VIP {} is the address of host `{}`", vip.value, host.label());
        report.error(vip.place, message, "use a free address of the balancers' subnet");
    }
    let allowed = entry.allow_shared_hosts.located(place).map(|names| allowed(names, hosts, report)).unwrap_or_default();
    let port = entry.port.located(place);
    for host in hosts.iter().filter(|host| host.has(Role::LoadBalancer)) {
        check_roles(host, &allowed, report);
        if let Some(port) = port {
            check_port(host, port, report);
        }
    }
    let interface = entry.interface.located(place).map(|name| interface(name, report));
    let vrid = vrid(entry.vrid, place, cluster, vip, report);
    let finish = || {
        let interface = match interface {
            Some(name) => Some(name?),
            None => None,
        };
        let (vrid, vrid_origin) = vrid?;
        Some(LoadBalancer { vip: IpAddr::V4(vip?.value), interface, vrid, vrid_origin, port: port?.value })
    };
    BalancerDraft { vip, port, finished: finish() }
}

fn allowed(names: Located<Vec<Field<String>>>, hosts: &[Draft], report: &mut Report) -> Vec<String> {
    let mut allowed = Vec::new();
    for name in names.value {
        let Some(name) = name.located(names.place) else { continue };
        match hosts.iter().find(|host| host.label() == name.value) {
            None => {
                let hint = match nearest(&name.value, hosts.iter().map(Draft::label)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name a host of `spec.hosts`".to_owned(),
                };
                report.error(name.place, format!("there is no host `{}`", name.value), hint);
            }
            Some(host) if host.roles.is_some() && !host.has(Role::LoadBalancer) => {
                let message = format!("host `{}` is not a load balancer", name.value);
                report.error(name.place, message, "remove it from the list, or give it the role `loadBalancer`");
            }
            Some(_) => allowed.push(name.value),
        }
    }
    allowed
}

fn check_roles(host: &Draft, allowed: &[String], report: &mut Report) {
    let Some(roles) = &host.roles else { return };
    if roles.value.len() > 1 && !allowed.iter().any(|name| name == host.label()) {
        let others: Vec<String> = roles.value.iter().filter(|role| **role != Role::LoadBalancer).map(|role| format!("`{role}`")).collect();
        let message = format!("host `{}` is a load balancer and also {}", host.label(), others.join(", "));
        let hint = format!("give the role a host of its own, or write `allowSharedHosts: [{}]` in `spec.loadBalancer`", host.label());
        report.error(roles.place, message, hint);
    }
}

fn check_port(host: &Draft, port: Located<u16>, report: &mut Report) {
    let Some(roles) = &host.roles else { return };
    for (used, component, usage) in USED {
        if used == port.value && roles.value.iter().any(|role| component.runs_on(*role)) {
            let message = format!("port {used} is used on host `{}` by {component} ({usage})", host.label());
            report.error(port.place, message, "give `spec.loadBalancer.port` another port, such as 8443");
        }
    }
    if host.ssh.as_ref().is_some_and(|ssh| ssh.port == port.value) {
        let message = format!("port {} is the SSH port of host `{}`", port.value, host.label());
        report.error(port.place, message, "give `spec.loadBalancer.port` another port, such as 6443");
    }
}

fn interface(name: Located<String>, report: &mut Report) -> Option<String> {
    let allowed =
        |character: char| character.is_ascii_graphic() && !matches!(character, '/' | ':' | '"' | '\'' | '\\' | '{' | '}' | '!' | '#');
    let text = &name.value;
    if text.is_empty() || text.len() > MAX_INTERFACE || matches!(text.as_str(), "." | "..") || !text.chars().all(allowed) {
        let message = format!("`{text}` is not the name of a network interface");
        report.error(name.place, message, "write a name of at most 15 characters as `ip link` shows it, such as eth0");
        return None;
    }
    Some(name.value)
}

fn vrid(
    field: Field<VridText>,
    parent: Place,
    cluster: Option<&ClusterName>,
    vip: Option<Located<Ipv4Addr>>,
    report: &mut Report,
) -> Option<(Vrid, VridOrigin)> {
    let text = field.located(parent)?;
    let written = &text.value.0.0;
    if written == "auto" {
        return Some((automatic(cluster?, vip?.value), VridOrigin::Automatic));
    }
    match written.parse::<u8>() {
        Ok(number) if number > 0 => Some((Vrid(number), VridOrigin::Written)),
        _ => {
            report.error(text.place, format!("`{written}` is not a VRRP router identifier"), "write `auto` or a number from 1 to 255");
            None
        }
    }
}

/// A number that stays the same for a cluster, and seldom is that of a neighbour: a hash into 1 to 255. The first one to try: what is
/// heard on the segment may take it further.
fn automatic(cluster: &ClusterName, vip: Ipv4Addr) -> Vrid {
    let hash = Digest::of(format!("{cluster} {vip}").as_bytes()).short();
    let number = u64::from_str_radix(&hash, 16).unwrap_or_default() % 255 + 1;
    Vrid(u8::try_from(number).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn automatic_identifiers_are_stable_and_spread() {
        let of = |name: &str, last| automatic(&name.parse().unwrap(), Ipv4Addr::new(10, 0, 0, last)).0;
        // A change of this number would change the VRID of running clusters.
        assert_eq!(of("demo", 10), 120);
        let seen: BTreeSet<u8> = (0..=255).map(|last| of("demo", last)).collect();
        assert!(seen.len() > 128 && !seen.contains(&0), "{}", seen.len());
    }
}
