//! The files that make a host's packet filter, and how they are loaded.

use std::fmt::Write as _;

use barque_model::{Cluster, FirewallBackend, Host, HostFile, RUN_MARKER};

use crate::firewalld;
use crate::iptables::{self, FORWARD, Family, INPUT};
use crate::matrix::Matrix;
use crate::nftables;
use crate::rule::{Chain, rules};

/// Folder of the rules on a host.
pub const FIREWALL_FOLDER: &str = "/etc/barque";
/// The script that loads and unloads them: `firewall.sh load`, `firewall.sh unload`. Each may be called any number of times.
pub const FIREWALL_SCRIPT: &str = "/etc/barque/firewall.sh";

const NFTABLES: &str = "/etc/barque/firewall.nft";
const IPTABLES: &str = "/etc/barque/firewall.v4";
const IP6TABLES: &str = "/etc/barque/firewall.v6";
const HOST_POLICY: &str = "/etc/barque/barque-host.xml";
const PODS_POLICY: &str = "/etc/barque/barque-pods.xml";

/// What a host's packet filter is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    /// What does the filtering.
    pub backend: FirewallBackend,
    /// The rules, and [`FIREWALL_SCRIPT`] last. Nothing is in force before the script has run.
    pub files: Vec<HostFile>,
    /// Programs that the script needs.
    pub programs: &'static [&'static str],
}

/// The rules of `host`; `None` for [`FirewallBackend::None`].
///
/// Everything that the matrix does not have is dropped: packets to the host, and packets through it that have to do with pods. Other packets
/// through the host (containers or machines that are not Kubernetes') are left alone, and so is everything that goes out.
///
/// The rules stand in a table (nftables) or in chains (iptables) of barque's own; loading and removing them touches no other. All packet filters of
/// a host are asked, one after the other: a drop in any of them is final, an accept only passes the packet on to the next. So these rules open
/// nothing that another one closes, and kube-proxy's and flannel's own go on working: they rewrite addresses at other places (prerouting,
/// postrouting, output), and these rules let through what they have rewritten.
pub fn rule_set(matrix: &Matrix, cluster: &Cluster, host: &Host, backend: FirewallBackend) -> Option<RuleSet> {
    let rules = rules(matrix, cluster, host);
    let forwards = rules.iter().any(|rule| rule.chain == Chain::Forward);
    let (mut files, script, programs): (_, _, &'static [&'static str]) = match backend {
        FirewallBackend::None => return None,
        FirewallBackend::Nftables => (vec![file(NFTABLES, &nftables::table(&rules))], nftables_script(), &["nft"]),
        FirewallBackend::Iptables => {
            let files = vec![file(IPTABLES, &iptables::chains(&rules, Family::V4)), file(IP6TABLES, &iptables::chains(&rules, Family::V6))];
            (files, iptables_script(forwards), &["iptables", "iptables-restore", "ip6tables", "ip6tables-restore"])
        }
        FirewallBackend::Firewalld => {
            let mut files = vec![xml(HOST_POLICY, &firewalld::host_policy(&rules))];
            files.extend(firewalld::pods_policy(&rules).map(|text| xml(PODS_POLICY, &text)));
            (files, firewalld_script(forwards), &["firewall-cmd"])
        }
    };
    files.push(HostFile::public(FIREWALL_SCRIPT, format!("#!/bin/sh\n{}{script}", header("#", ""))).with_mode(0o755));
    Some(RuleSet { backend, files, programs })
}

fn header(before: &str, after: &str) -> String {
    format!(
        "{before} Managed by barque, run {RUN_MARKER}. Edits here are lost: change the cluster file and run `barque firewall apply`.{after}\n"
    )
}

fn file(path: &str, text: &str) -> HostFile {
    HostFile::public(path, format!("{}{text}", header("#", "")))
}

fn xml(path: &str, text: &str) -> HostFile {
    HostFile::public(path, format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{}{text}", header("<!--", " -->")))
}

fn script(load: &str, unload: &str) -> String {
    format!(
        "\
# Puts the rules beside this file into force, or takes them out of it. Either may be repeated.
set -eu

case ${{1:-}} in
load)
{load}    ;;
unload)
{unload}    ;;
*)
    echo \"usage: $0 load|unload\" >&2
    exit 2
    ;;
esac
"
    )
}

fn nftables_script() -> String {
    // The first command makes the second one right whether or not the table is there; nft does both or neither.
    script(&format!("    nft -f {NFTABLES}\n"), "    nft 'add table inet barque; delete table inet barque'\n")
}

fn iptables_script(forwards: bool) -> String {
    let hooks = |program: &str, forwards: bool| {
        let mut hooks = vec![(program.to_owned(), "INPUT", INPUT)];
        if forwards {
            hooks.push((program.to_owned(), "FORWARD", FORWARD));
        }
        hooks
    };
    let all: Vec<(String, &str, &str)> = hooks("iptables", forwards).into_iter().chain(hooks("ip6tables", false)).collect();
    let mut load = format!("    iptables-restore -w 10 --noflush {IPTABLES}\n    ip6tables-restore -w 10 --noflush {IP6TABLES}\n");
    let mut unload = String::new();
    for (program, hook, chain) in all {
        let call = format!("{program} -w 10 -t mangle");
        let _ = writeln!(load, "    {call} -C {hook} -j {chain} 2>/dev/null || {call} -I {hook} -j {chain}");
        let _ = writeln!(unload, "    if {call} -n -L {chain} >/dev/null 2>&1; then\n        {call} -D {hook} -j {chain} 2>/dev/null || :");
        let _ = writeln!(unload, "        {call} -F {chain}\n        {call} -X {chain}\n    fi");
    }
    script(&load, &unload)
}

fn firewalld_script(forwards: bool) -> String {
    const POLICIES: &str = "/etc/firewalld/policies";
    let files = if forwards { format!("{HOST_POLICY} {PODS_POLICY}") } else { HOST_POLICY.to_owned() };
    script(
        &format!("    mkdir -p {POLICIES}\n    cp {files} {POLICIES}/\n    firewall-cmd --reload\n"),
        &format!("    rm -f {POLICIES}/barque-host.xml {POLICIES}/barque-pods.xml\n    firewall-cmd --reload\n"),
    )
}
