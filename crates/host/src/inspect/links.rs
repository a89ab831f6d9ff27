//! Network interfaces.

use barque_check::Link;

use super::read::{line, names};
use crate::context::HostContext;

/// Interfaces with a MAC address.
pub(super) fn links(context: &HostContext) -> Vec<Link> {
    let folder = "/sys/class/net";
    let mac =
        |name: &String| line(context, &format!("{folder}/{name}/address")).filter(|mac| mac.chars().any(|digit| !"0:".contains(digit)));
    names(context, folder).into_iter().filter_map(|name| Some(Link { mac: mac(&name)?.to_ascii_lowercase(), name })).collect()
}
