//! What a variable's value says.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::groups::Variable;
use super::sources::{Origin, Sources};
use crate::cidr;
use crate::scalar::ScalarKind;
use crate::yaml::{Content, Node};

/// The scalar's text; nothing for an empty one, or for what is no scalar.
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.content {
        Content::Scalar(scalar) if scalar.kind != ScalarKind::Null && !scalar.text.is_empty() => Some(&scalar.text),
        _ => None,
    }
}

/// The text of a variable that is needed; a template is reported.
pub(super) fn needed<'node>(name: &str, variable: &'node Variable, sources: &mut Sources) -> Option<&'node str> {
    let text = text(&variable.node)?;
    if text.contains("{{") {
        let message = format!("`{name}` is a template, which is not evaluated here: {text}");
        sources.error(variable.origin, message, "write the value itself");
        return None;
    }
    Some(text)
}

/// An IPv4 address; anything else is reported.
pub(super) fn address(name: &str, variable: &Variable, sources: &mut Sources) -> Option<Ipv4Addr> {
    let text = needed(name, variable, sources)?;
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Some(address),
        Ok(IpAddr::V6(_)) => {
            sources.error(variable.origin, format!("`{name}` is IPv6, which this version does not support: {text}"), cidr::IPV6_HINT);
            None
        }
        Err(_) => {
            sources.error(variable.origin, format!("`{name}` is not an IPv4 address: {text}"), "write four numbers, such as 192.0.2.11");
            None
        }
    }
}

/// A canonical IPv4 range; anything else is reported.
pub(super) fn range(name: &str, text: &str, origin: Origin, sources: &mut Sources) -> Option<Ipv4Net> {
    match cidr::parse(text) {
        Ok(range) => Some(range),
        Err(error) => {
            sources.error(origin, format!("`{name}`: {error}"), error.hint());
            None
        }
    }
}

/// A whole number; anything else is reported.
pub(super) fn number<T: std::str::FromStr>(name: &str, variable: &Variable, sources: &mut Sources) -> Option<T> {
    let text = needed(name, variable, sources)?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        sources.error(variable.origin, format!("`{name}` is not a number in range: {text}"), "write digits only");
    }
    parsed
}
