//! Licences of Debian's packages, as their copyright files tell them, in SPDX's words.

use barque_bundle::UNKNOWN_LICENCE;

/// By the name of the package. Where a package has files under several licences, that of its programs or libraries.
const LICENCES: &[(&str, &str)] = &[
    ("conntrack", "GPL-2.0-or-later"),
    ("dbus", "AFL-2.1 OR GPL-2.0-or-later"),
    ("haproxy", "GPL-2.0-or-later AND LGPL-2.1-or-later"),
    ("iptables", "GPL-2.0-or-later"),
    ("keepalived", "GPL-2.0-or-later"),
    ("libbpf1", "LGPL-2.1-only OR BSD-2-Clause"),
    ("libbsd0", "BSD-3-Clause"),
    ("libedit2", "BSD-3-Clause"),
    ("libelf1t64", "GPL-2.0-or-later OR LGPL-3.0-or-later"),
    ("libffi8", "MIT"),
    ("libglib2.0-0t64", "LGPL-2.1-or-later"),
    ("libgmp10", "LGPL-3.0-or-later OR GPL-2.0-or-later"),
    ("libip4tc2", "GPL-2.0-or-later"),
    ("libip6tc2", "GPL-2.0-or-later"),
    ("libjansson4", "MIT"),
    ("libkmod2", "LGPL-2.1-or-later"),
    ("liblua5.4-0", "MIT"),
    ("libmd0", "BSD-3-Clause"),
    ("libmnl0", "LGPL-2.1-or-later"),
    ("libnetfilter-conntrack3", "GPL-2.0-or-later"),
    ("libnfnetlink0", "GPL-2.0-only"),
    ("libnftables1", "GPL-2.0-only"),
    ("libnftnl11", "GPL-2.0-or-later"),
    ("libnl-3-200", "LGPL-2.1-only"),
    ("libnl-genl-3-200", "LGPL-2.1-only"),
    ("libnl-nf-3-200", "LGPL-2.1-only"),
    ("libnl-route-3-200", "LGPL-2.1-only"),
    ("libpci3", "GPL-2.0-or-later"),
    ("libpcre2-8-0", "BSD-3-Clause"),
    ("libreadline8t64", "GPL-3.0-or-later"),
    ("libsensors-config", "LGPL-2.1-or-later"),
    ("libsensors5", "LGPL-2.1-or-later"),
    ("libsnmp-base", "Net-SNMP"),
    ("libsnmp40t64", "Net-SNMP"),
    ("libssl3t64", "Apache-2.0"),
    ("libsystemd0", "LGPL-2.1-or-later"),
    ("libxtables12", "GPL-2.0-or-later"),
    ("netbase", "GPL-2.0-only"),
    ("nftables", "GPL-2.0-only"),
    ("openssl-provider-legacy", "Apache-2.0"),
    ("pci.ids", "GPL-2.0-or-later OR BSD-3-Clause"),
    ("readline-common", "GPL-3.0-or-later"),
    ("zlib1g", "Zlib"),
];

/// The licence of a package; [`UNKNOWN_LICENCE`] where nobody has looked it up.
pub(super) fn of_package(name: &str) -> &'static str {
    LICENCES.iter().find(|(known, _)| *known == name).map_or(UNKNOWN_LICENCE, |(_, licence)| licence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::CARRIED_PACKAGES;

    #[test]
    fn every_carried_package_has_its_licence() {
        assert!(LICENCES.is_sorted_by_key(|(name, _)| *name));
        assert!(CARRIED_PACKAGES.iter().all(|package| of_package(package) != UNKNOWN_LICENCE));
        assert_eq!(of_package("new"), UNKNOWN_LICENCE);
    }
}
