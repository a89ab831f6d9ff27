//! Whether the roles make a cluster.

use barque_model::Role;

use crate::hosts::Draft;
use crate::report::{Place, Report};

/// Members beyond which etcd only gets slower (etcd's FAQ recommends 7 at most).
const MAX_ETCD: usize = 7;

/// Checks how many hosts have which role. `list` is the place of `spec.hosts`, `balancer` that of `spec.loadBalancer` when it is there.
pub(crate) fn check(hosts: &[Draft], list: Place, balancer: Option<Place>, report: &mut Report) {
    // With a role that could not be read, counting would report what is not so.
    if hosts.iter().any(|host| host.roles.is_none()) {
        return;
    }
    let count = |role: Role| hosts.iter().filter(|host| host.has(role)).count();
    let (etcd, balancers, masters, nodes) = (count(Role::Etcd), count(Role::LoadBalancer), count(Role::Master), count(Role::Node));
    if masters == 0 {
        report.error(list, "no host has the role `master`", "give it to one host, or to three for high availability");
    }
    match etcd {
        0 => report.error(list, "no host has the role `etcd`", "give it to one host, or to three for high availability"),
        even if even % 2 == 0 => {
            let place =
                hosts.iter().rfind(|host| host.has(Role::Etcd)).and_then(|host| host.roles.as_ref()).map_or(list, |roles| roles.place);
            let message = format!("{even} hosts have the role `etcd`: an even number survives no more failures than {}", even - 1);
            report.error(place, message, format!("give the role to {} or {} hosts", even - 1, even + 1));
        }
        many if many > MAX_ETCD => {
            let message = format!("{many} hosts have the role `etcd`: each write waits for {} of them", many / 2 + 1);
            report.warn(list, message, "use 3 or 5 members");
        }
        _ => {}
    }
    match (balancers, balancer) {
        (0, Some(place)) => {
            let hint = "give the role to two hosts, or remove `spec.loadBalancer`";
            report.error(place, "`spec.loadBalancer` is given, but no host has the role `loadBalancer`", hint);
        }
        (1.., None) => {
            let place = hosts
                .iter()
                .find(|host| host.has(Role::LoadBalancer))
                .and_then(|host| host.roles.as_ref())
                .map_or(list, |roles| roles.place);
            report.error(
                place,
                "a host has the role `loadBalancer`, but `spec.loadBalancer` is missing",
                "add `loadBalancer: {vip: ADDRESS}` to `spec`",
            );
        }
        (1, Some(place)) => {
            report.warn(place, "there is one load balancer only: the API is away when it is", "give the role to a second host");
        }
        (0, None) if masters > 1 => {
            let message = format!("{masters} masters without a load balancer: clients reach the first one only");
            report.warn(list, message, "give the role `loadBalancer` to two hosts and set `spec.loadBalancer.vip`");
        }
        _ => {}
    }
    if nodes == 0 && masters > 0 {
        let message = "no host has the role `node`: only pods that tolerate the masters' taint can run";
        report.warn(list, message, "give the role `node` to a host");
    }
}
