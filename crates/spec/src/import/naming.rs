//! Names of hosts as barque writes them: DNS labels.

use std::collections::BTreeSet;
use std::net::IpAddr;

use barque_model::HostName;

/// A name for the host that an inventory calls `name`: the same where it can be, else the first part of it, else all of it with hyphens. `None`
/// for an address, which is no name.
pub(super) fn host_name(name: &str, taken: &BTreeSet<HostName>) -> Option<HostName> {
    if name.parse::<IpAddr>().is_ok() {
        return None;
    }
    let lower = name.to_lowercase().replace('_', "-");
    let first = lower.split('.').next().unwrap_or_default().to_owned();
    let whole: String = lower.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '-' }).take(63).collect();
    let candidates = [first, whole.trim_matches('-').to_owned()];
    candidates.into_iter().filter_map(|candidate| candidate.parse().ok()).find(|candidate| !taken.contains(candidate))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_become_labels() {
        let mut taken = BTreeSet::new();
        let mut name = |text: &str| {
            let name = host_name(text, &taken)?;
            taken.insert(name.clone());
            Some(name.to_string())
        };
        assert_eq!(name("node1").as_deref(), Some("node1"));
        assert_eq!(name("Node_2.example.com").as_deref(), Some("node-2"));
        assert_eq!(name("node-2.example.org").as_deref(), Some("node-2-example-org"));
        assert_eq!(name("10.0.0.1"), None);
        assert_eq!(name("主机"), None);
    }
}
