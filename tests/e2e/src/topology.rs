//! Topologies of labs whose hosts run different releases of Debian.

/// A lab of plain hosts: `(host, suite)`, where the suite is `bookworm` or `trixie`.
pub fn topology(hosts: &[(&str, &str)]) -> String {
    let hosts = hosts.iter().map(|(name, suite)| format!("[[hosts]]\nname = \"{name}\"\nsuite = \"{suite}\"\n"));
    hosts.collect::<Vec<_>>().concat()
}
