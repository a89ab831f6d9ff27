//! The lab's bridge, the hosts' network namespaces and the cuts between them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use ipnet::Ipv4Net;

use super::address;
use super::error::{Doing as _, LabError};
use super::name::LabName;
use super::state::{Cut, HostRecord, Peer, State};
use super::tool::{self, ToolError};

/// Where `ip netns` keeps its names.
const NAMESPACES: &str = "/run/netns";

/// The path of a host's network namespace.
pub(crate) fn namespace_path(name: &LabName, host: &str) -> PathBuf {
    Path::new(NAMESPACES).join(name.machine(host))
}

fn exists(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).exists()
}

/// Chooses the subnet: the wanted one if it is free, else any free one.
pub(crate) fn choose_subnet(name: &LabName, wanted: Option<Ipv4Net>) -> Result<Ipv4Net, LabError> {
    let output = tool::run("ip", ["-j", "-4", "route", "show", "table", "all"])?;
    let taken = address::routed(&output.stdout).map_err(LabError::Routes)?;
    match wanted {
        Some(subnet) if taken.iter().any(|net| address::overlap(*net, subnet)) => Err(LabError::SubnetTaken(subnet.to_string())),
        Some(subnet) => Ok(subnet),
        None => address::choose(name.as_str(), &taken).ok_or_else(|| LabError::SubnetTaken("10.40.0.0 to 10.79.255.255".to_owned())),
    }
}

/// Makes the bridge if it is absent.
pub(crate) fn ensure_bridge(name: &LabName, subnet: Ipv4Net) -> Result<(), LabError> {
    let bridge = name.bridge();
    if exists(&bridge) {
        return Ok(());
    }
    let gateway = address::gateway(subnet);
    // Without snooping, VRRP and other multicast reach every host from the first packet on.
    let batch = format!("link add {bridge} type bridge mcast_snooping 0\naddress add {gateway}/24 dev {bridge}\nlink set {bridge} up\n");
    tool::run_with_input("ip", ["-batch", "-"], batch.as_bytes())?;
    // The hosts have no way out: this machine forwards nothing that comes from the bridge.
    let forwarding = format!("/proc/sys/net/ipv4/conf/{bridge}/forwarding");
    fs::write(&forwarding, "0").doing(|| format!("write `{forwarding}`"))?;
    Ok(())
}

/// Makes the host's network: a namespace with `eth0` on the bridge. What was there before is replaced.
pub(crate) fn attach(state: &State, host: &HostRecord) -> Result<(), ToolError> {
    detach(&state.name, &host.name)?;
    let namespace = state.name.machine(&host.name);
    let interface = state.name.interface(&host.name);
    tool::run("ip", ["netns", "add", &namespace])?;
    let (bridge, hardware) = (state.name.bridge(), address::hardware(host.address));
    let outside = format!(
        "link add {interface} type veth peer name eth0 address {hardware} netns {namespace}\nlink set {interface} master {bridge}\nlink set {interface} up\n"
    );
    tool::run_with_input("ip", ["-batch", "-"], outside.as_bytes())?;
    let inside = format!(
        "link set lo up\naddress add {}/24 dev eth0\nlink set eth0 up\nroute add default via {}\n",
        host.address,
        address::gateway(state.subnet)
    );
    tool::run_with_input("ip", ["-n", &namespace, "-batch", "-"], inside.as_bytes())?;
    Ok(())
}

/// Removes the host's network with everything that the host had set up in it.
pub(crate) fn detach(name: &LabName, host: &str) -> Result<(), ToolError> {
    let interface = name.interface(host);
    if exists(&interface) {
        tool::run("ip", ["link", "delete", &interface])?;
    }
    if namespace_path(name, host).exists() {
        tool::run("ip", ["netns", "delete", &name.machine(host)])?;
    }
    Ok(())
}

/// Removes the lab's table and bridge, every interface on that bridge, and every namespace with the lab's prefix.
pub(crate) fn remove_all(name: &LabName) -> Result<(), LabError> {
    // An `add` before `delete` makes the deletion of an absent table no error.
    let table = name.table();
    tool::run_with_input("nft", ["-f", "-"], format!("add table bridge {table}\ndelete table bridge {table}\n").as_bytes())?;
    let mut commands = String::new();
    let devices = Path::new("/sys/class/net");
    for interface in names_in(devices, &name.prefix())? {
        // The prefix alone proves nothing: somebody else's interface may begin alike.
        let master = fs::read_link(devices.join(&interface).join("master")).ok();
        if master.is_some_and(|master| master.ends_with(name.bridge())) {
            let _ = writeln!(commands, "link delete {interface}");
        }
    }
    if exists(&name.bridge()) {
        let _ = writeln!(commands, "link delete {}", name.bridge());
    }
    if !commands.is_empty() {
        tool::run_with_input("ip", ["-force", "-batch", "-"], commands.as_bytes())?;
    }
    for namespace in names_in(Path::new(NAMESPACES), &name.prefix())? {
        tool::run("ip", ["netns", "delete", &namespace])?;
    }
    Ok(())
}

/// Whether the machine has an interface of the name that the lab's bridge has.
pub(crate) fn has_bridge(name: &LabName) -> bool {
    exists(&name.bridge())
}

fn names_in(folder: &Path, prefix: &str) -> Result<Vec<String>, LabError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.doing(|| format!("list `{}`", folder.display()))?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.starts_with(prefix)).collect())
}

/// Makes the machine's filter hold exactly these cuts, in one transaction.
pub(crate) fn apply_cuts(name: &LabName, cuts: &[Cut]) -> Result<(), ToolError> {
    tool::run_with_input("nft", ["-f", "-"], ruleset(name, cuts).as_bytes())?;
    Ok(())
}

/// Cuts act on frames of the bridge, so no firewall inside a host can undo them, and ARP is cut as well.
fn ruleset(name: &LabName, cuts: &[Cut]) -> String {
    let table = name.table();
    let mut text = format!("add table bridge {table}\ndelete table bridge {table}\n");
    if cuts.is_empty() {
        return text;
    }
    let (mut forward, mut input, mut output) = (String::new(), String::new(), String::new());
    for cut in cuts {
        let host = name.interface(&cut.host);
        if let Peer::Host(peer) = &cut.peer {
            let peer = name.interface(peer);
            let _ = writeln!(forward, "iifname \"{host}\" oifname \"{peer}\" drop\niifname \"{peer}\" oifname \"{host}\" drop");
            continue;
        }
        if cut.peer == Peer::All {
            let _ = writeln!(forward, "iifname \"{host}\" drop\noifname \"{host}\" drop");
        }
        let _ = writeln!(input, "iifname \"{host}\" drop");
        let _ = writeln!(output, "oifname \"{host}\" drop");
    }
    let _ = writeln!(text, "table bridge {table} {{");
    for (hook, rules) in [("forward", forward), ("input", input), ("output", output)] {
        let _ = writeln!(text, "chain {hook} {{\ntype filter hook {hook} priority -300; policy accept;\n{rules}}}");
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cut(host: &str, peer: &str) -> Cut {
        Cut { host: host.to_owned(), peer: Peer::from(peer) }
    }

    #[test]
    fn no_cuts_leave_no_table() {
        let text = ruleset(&"demo".parse().unwrap(), &[]);
        assert_eq!(text, "add table bridge demo_lab\ndelete table bridge demo_lab\n");
    }

    #[test]
    fn a_cut_acts_both_ways_and_all_includes_the_operator() {
        let name = "demo".parse().unwrap();
        let pair = ruleset(&name, &[cut("m1", "m2")]);
        assert!(pair.contains("iifname \"demo-m1\" oifname \"demo-m2\" drop"), "{pair}");
        assert!(pair.contains("iifname \"demo-m2\" oifname \"demo-m1\" drop"), "{pair}");
        assert_eq!(pair.matches("drop").count(), 2);
        let operator = ruleset(&name, &[cut("m1", "operator")]);
        assert_eq!(operator.matches("drop").count(), 2);
        let all = ruleset(&name, &[cut("m1", "all")]);
        assert_eq!(all.matches("drop").count(), 4);
    }
}
