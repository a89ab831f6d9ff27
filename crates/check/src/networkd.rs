//! Configuration of systemd-networkd that takes pods' interfaces away from their bridge.

use regex_lite::Regex;

use crate::evaluate::HostView;
use crate::{CheckId, Finding};

/// The host's end of a pod, as the CNI plugin `bridge` names it: `veth` and something random.
const POD_INTERFACE: &str = "veth0a1b2c3d";
/// What systemd-networkd calls its type (networkctl(1)), kind and driver.
const POD_TYPE: &str = "ether";
const POD_KIND: &str = "veth";

pub(crate) fn find(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    if !view.host.is_node() {
        return;
    }
    // The first file that fits an interface is the one that counts (systemd.network(5)).
    let Some(first) = view.inspection.networkd.iter().find(|file| fits_pods(&file.text)) else { return };
    if unmanaged(&first.text) {
        return;
    }
    findings.push(view.finding(
        CheckId::PodInterfaces,
        format!("{} fits every interface that pods get: systemd-networkd would take them off their bridge", first.path),
        format!("name the host's own interfaces in its `[Match]`, such as `Name=en* eth*`: {}", first.path),
    ));
}

/// The assignments of a section, in their order.
fn entries<'a>(text: &'a str, section: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let mut within = false;
    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])).filter_map(move |line| {
        if let Some(name) = line.strip_prefix('[') {
            within = name.strip_suffix(']') == Some(section);
            return None;
        }
        let (key, value) = line.split_once('=').filter(|_| within)?;
        Some((key.trim(), value.trim()))
    })
}

/// The value of a key: those of repeated lines joined; an empty one begins anew.
fn value(text: &str, section: &str, key: &str) -> String {
    entries(text, section).filter(|(name, _)| *name == key).fold(String::new(), |former, (_, value)| {
        if value.is_empty() { String::new() } else { format!("{former} {value}").trim().to_owned() }
    })
}

/// Whether every condition of `[Match]` holds for a pod's interface. One that this does not know, such as an address of hardware, does not.
fn fits_pods(text: &str) -> bool {
    // An empty file, or a link to /dev/null, switches one of the same name off.
    if text.trim().is_empty() {
        return false;
    }
    entries(text, "Match").all(|(key, _)| {
        let value = value(text, "Match", key);
        let of = |what: &str| value.is_empty() || matches(&value, what);
        match key {
            "Name" => of(POD_INTERFACE),
            "Type" => of(POD_TYPE),
            "Kind" | "Driver" => of(POD_KIND),
            _ => value.is_empty(),
        }
    })
}

/// Whether one of the shell patterns, separated by spaces, is that of `text`; an exclamation mark before the first turns all of them round.
fn matches(patterns: &str, text: &str) -> bool {
    let (negated, patterns) = patterns.strip_prefix('!').map_or((false, patterns), |rest| (true, rest));
    patterns.split_whitespace().any(|pattern| is_like(pattern, text)) != negated
}

/// A shell pattern: `*`, `?` and `[…]`. One that is none fits nothing.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut expression = String::from("^");
    for character in pattern.chars() {
        match character {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' | ']' | '-' => expression.push(character),
            '!' if expression.ends_with('[') => expression.push('^'),
            other => expression.push_str(&regex_lite::escape(&other.to_string())),
        }
    }
    expression.push('$');
    Regex::new(&expression).is_ok_and(|expression| expression.is_match(text))
}

fn unmanaged(text: &str) -> bool {
    matches!(value(text, "Link", "Unmanaged").to_lowercase().as_str(), "yes" | "true" | "on" | "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_pods_is_found() {
        for text in [
            "[Match]\nType=ether\n[Network]\nDHCP=yes\n",
            "[Match]\nName=*\n",
            "[Match]\nName=en* veth*\n",
            "[Match]\nName=!lo wlan*\n",
            "[Match]\n# all\n[Network]\nDHCP=yes\n",
            "[Network]\nDHCP=yes\n",
            "[Match]\nName=eth0\nName=\nType=ether bridge\n",
            "[Match]\n Name = veth[0-9]* \n",
            "[Match]\nName=veth????????\nKind=veth\n",
        ] {
            assert!(fits_pods(text), "{text}");
        }
        for text in [
            "",
            "\n",
            "[Match]\nName=en*\n[Network]\nDHCP=yes\n",
            "[Match]\nName=!veth* cni*\nType=ether\n",
            "[Match]\nType=ether\nKind=!*\n",
            "[Match]\nMACAddress=02:00:00:00:00:01\n",
            "[Match]\nType=ether\nVirtualization=kvm\n",
            "[Match]\nName=ve-*\nDriver=veth\n",
            "[Match]\nType=wlan\n",
            "[Match]\nName=veth[!0]*\n",
        ] {
            assert!(!fits_pods(text), "{text}");
        }
        assert!(unmanaged("[Match]\nName=veth*\n[Link]\nUnmanaged=yes\n") && !unmanaged("[Network]\nUnmanaged=yes\n"));
    }
}
