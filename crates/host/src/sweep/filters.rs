//! Packet-filter rules of kube-proxy, kubelet, flannel and the CNI plugins. No rule of others is touched, not even for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::network::CALL;
use crate::command::Command;
use crate::context::HostContext;
use crate::error::HostError;
use crate::replace::{Attributes, Temporary, write_new};

/// nftables: kube-proxy's table, flannel's, and those of the CNI plugins for host ports and masquerading.
const TABLES: [(&str, &str); 7] = [
    ("ip", "kube-proxy"),
    ("ip6", "kube-proxy"),
    ("ip", "flannel-ipv4"),
    ("ip6", "flannel-ipv6"),
    ("ip", "cni_hostport"),
    ("ip6", "cni_hostport"),
    ("inet", "cni_plugins_masquerade"),
];
/// iptables, where it keeps its rules in nftables: its tables and the chains that every table may have.
const COMPATIBLE: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
/// iptables: how their chains begin.
const CHAINS: [&str; 3] = ["KUBE-", "FLANNEL-", "CNI-"];

/// Removes them with the programs that the host has. Answers with notes.
pub(super) async fn remove(context: &HostContext) -> Vec<String> {
    let listed = listed().await;
    let mut notes = delete(own_tables(&listed)).await;
    for program in ["iptables", "ip6tables"] {
        match chains(context, program).await {
            Ok(()) => {}
            Err(_) => notes.push(format!("rules of {program} could not be removed; they are gone after a reboot")),
        }
    }
    // The first rule makes its table, and nobody removes that when the last one goes.
    let mut empty = Vec::new();
    for (family, table) in compatible_tables(&self::listed().await) {
        let shown = Command::new("nft", ["--stateless", "list", "table", family, table]).timeout(CALL).run().await;
        if shown.is_ok_and(|shown| is_empty(&shown.stdout)) {
            empty.push((family, table));
        }
    }
    notes.extend(delete(empty).await);
    notes
}

/// Tables and chains of these that are there, for people; by the programs that the host has.
pub(crate) async fn traces() -> Vec<String> {
    let (listed, iptables, ip6tables) = tokio::join!(listed(), saved("iptables"), saved("ip6tables"));
    let mut found: Vec<String> = own_tables(&listed).into_iter().map(|(family, table)| format!("table {family} {table}")).collect();
    for (program, saved) in [("iptables", iptables), ("ip6tables", ip6tables)] {
        let chains = saved.iter().flat_map(|saved| saved.lines()).filter_map(|line| line.strip_prefix(':')?.split_whitespace().next());
        let own: BTreeSet<&str> = chains.filter(|chain| is_ours(chain)).collect();
        if let Some(first) = own.first() {
            found.push(format!("{} chains of {program}, such as {first}", own.len()));
        }
    }
    found
}

/// What `iptables-save` prints; `None` when it does not.
async fn saved(program: &str) -> Option<String> {
    let saved = Command::new(&format!("{program}-save"), Vec::<String>::new()).timeout(CALL).run().await;
    saved.ok().map(|saved| saved.stdout)
}

/// The tables of nftables. Without its program only the kernel knows, but kube-proxy and flannel could not have made any either.
async fn listed() -> String {
    Command::new("nft", ["list", "tables"]).timeout(CALL).run().await.map(|output| output.stdout).unwrap_or_default()
}

async fn delete(tables: Vec<(&'static str, &'static str)>) -> Vec<String> {
    let mut notes = Vec::new();
    for (family, table) in tables {
        if Command::new("nft", ["delete", "table", family, table]).timeout(CALL).run().await.is_err() {
            notes.push(format!("the nftables table {family} {table} could not be removed; it is gone after a reboot"));
        }
    }
    notes
}

fn own_tables(listed: &str) -> Vec<(&'static str, &'static str)> {
    TABLES.into_iter().filter(|(family, table)| is_listed(listed, family, table)).collect()
}

fn compatible_tables(listed: &str) -> Vec<(&'static str, &'static str)> {
    let all = ["ip", "ip6"].into_iter().flat_map(|family| COMPATIBLE.map(|table| (family, table)));
    all.filter(|(family, table)| is_listed(listed, family, table)).collect()
}

fn is_listed(listed: &str, family: &str, table: &str) -> bool {
    listed.lines().any(|line| line.trim() == format!("table {family} {table}"))
}

/// Whether a table as `nft list table` shows it does nothing: it has no chains, or built-in ones without a rule that let everything pass.
fn is_empty(shown: &str) -> bool {
    let mut lines = shown.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let is_table = lines.next().is_some_and(|line| line.starts_with("table "));
    let does_nothing = |line: &str| {
        let chain = line.strip_prefix("chain ").and_then(|rest| rest.strip_suffix(" {"));
        line == "}"
            || chain.is_some_and(|chain| BUILT_IN.contains(&chain))
            || (line.starts_with("type ") && line.ends_with("policy accept;"))
    };
    is_table && lines.all(does_nothing)
}

/// Takes our chains, and the jumps to them, out of what `iptables-save` prints, in one transaction for each table.
async fn chains(context: &HostContext, program: &str) -> Result<(), HostError> {
    let saved = match Command::new(&format!("{program}-save"), Vec::<String>::new()).timeout(CALL).run().await {
        Ok(saved) => saved.stdout,
        Err(error) if error.is_missing() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let script = removal(&saved);
    if script.is_empty() {
        return Ok(());
    }
    let file = Temporary::new(context.temporary_name(&context.path("/run/barque-rules")));
    let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    write_new(file.path(), script.as_bytes(), Attributes { mode: 0o600, uid: owner.0, gid: owner.1 })?;
    let path = file.path().display().to_string();
    Command::new(&format!("{program}-restore"), ["--noflush", "--wait", "10", path.as_str()]).timeout(CALL).run().await?;
    Ok(())
}

/// The input of `iptables-restore --noflush` that removes our chains: jumps from others' chains first, then every rule of ours, then the
/// chains, which must be empty and without a jump to them.
fn removal(saved: &str) -> String {
    let mut tables: BTreeMap<&str, (Vec<String>, BTreeSet<&str>)> = BTreeMap::new();
    let mut table = "";
    for line in saved.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(chain) = line.strip_prefix(':').and_then(|rest| rest.split_whitespace().next()) {
            if is_ours(chain) {
                tables.entry(table).or_default().1.insert(chain);
            }
        } else if let Some(rule) = line.strip_prefix("-A ")
            && !rule.split_whitespace().next().is_some_and(is_ours)
            && target(rule).is_some_and(is_ours)
        {
            tables.entry(table).or_default().0.push(format!("-D {rule}"));
        }
    }
    let mut script = String::new();
    for (table, (jumps, chains)) in tables {
        let empty = chains.iter().map(|chain| format!("-F {chain}"));
        let remove = chains.iter().map(|chain| format!("-X {chain}"));
        let lines: Vec<String> = jumps.into_iter().chain(empty).chain(remove).collect();
        let _infallible = write!(script, "*{table}\n{}\nCOMMIT\n", lines.join("\n"));
    }
    script
}

/// Where a rule jumps to. A comment, which may hold anything, stands before it.
fn target(rule: &str) -> Option<&str> {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let at = words.iter().rposition(|word| ["-j", "-g"].contains(word))?;
    words.get(at + 1).copied()
}

fn is_ours(chain: &str) -> bool {
    CHAINS.iter().any(|prefix| chain.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_rules_stay() {
        let saved = "# Generated by iptables-save\n*nat\n:PREROUTING ACCEPT [1:60]\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n:KUBE-SERVICES - [0:0]\n\
            :KUBE-POSTROUTING - [0:0]\n-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
            -A PREROUTING -m comment --comment \"-j KUBE-SERVICES\" -j DOCKER\n-A KUBE-SERVICES -j KUBE-POSTROUTING\n-A POSTROUTING -j MASQUERADE\n\
            COMMIT\n*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n";
        assert_eq!(
            removal(saved),
            "*mangle\n-F KUBE-KUBELET-CANARY\n-X KUBE-KUBELET-CANARY\nCOMMIT\n\
             *nat\n-D PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
             -F KUBE-POSTROUTING\n-F KUBE-SERVICES\n-X KUBE-POSTROUTING\n-X KUBE-SERVICES\nCOMMIT\n"
        );
        assert_eq!(removal("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n"), "");
        assert_eq!(removal(""), "");
    }

    #[test]
    fn only_own_tables_go() {
        let listed = "table ip filter\ntable ip kube-proxy\ntable inet kube-proxy-mine\ntable ip6 flannel-ipv6\n";
        assert_eq!(own_tables(listed), [("ip", "kube-proxy"), ("ip6", "flannel-ipv6")]);
        assert_eq!(compatible_tables(listed), [("ip", "filter")]);
    }

    #[test]
    fn a_table_that_does_nothing_is_empty() {
        let with = |chain: &str, hook: &str, rule: &str| {
            format!(
                "# Warning: table ip nat is managed by iptables-nft, do not touch!\ntable ip nat {{\n\tchain {chain} {{\n\t\t{hook}\n{rule}\t}}\n}}\n"
            )
        };
        let hook = "type nat hook prerouting priority dstnat; policy accept;";
        assert!(is_empty("table ip mangle {\n}\n") && is_empty(&with("PREROUTING", hook, "")));
        assert!(!is_empty(&with("PREROUTING", hook, "\t\tcounter drop\n")));
        assert!(!is_empty(&with("PREROUTING", "type filter hook input priority filter; policy drop;", "")));
        assert!(!is_empty(&with("mine", hook, "")) && !is_empty(&with("DOCKER", "", "")));
        assert!(!is_empty("") && !is_empty("table ip nat {\n\tset x {\n\t}\n}\n"));
    }
}
