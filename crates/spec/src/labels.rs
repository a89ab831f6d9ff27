//! Syntax of label keys and values (Kubernetes: "Labels and Selectors", syntax and character set).

/// What a key looks like.
pub(crate) const KEY_HINT: &str = "a key is `name` or `prefix/name`: the name 1 to 63 of letters, digits, `-`, `_`, `.`, with a letter or digit at both ends; the prefix a DNS name";
/// What a value looks like.
pub(crate) const VALUE_HINT: &str = "a value is empty or 1 to 63 of letters, digits, `-`, `_`, `.`, with a letter or digit at both ends";
/// Labels that kubelet sets and would set back.
pub(crate) const KUBELET_OWN: [&str; 3] = ["kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"];

/// What is wrong with a label's or taint's key.
pub(crate) fn key_fault(key: &str) -> Option<&'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if prefix.is_some_and(|prefix| !is_dns_name(prefix)) {
        return Some("has a prefix that is not a DNS name");
    }
    if name.is_empty() { Some("has no name") } else { value_fault(name) }
}

/// What is wrong with a label's or taint's value.
pub(crate) fn value_fault(value: &str) -> Option<&'static str> {
    if value.len() > 63 {
        return Some("is longer than 63 characters");
    }
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !value.bytes().all(inside) {
        return Some("has a character that is not allowed");
    }
    let ends = [value.bytes().next(), value.bytes().last()];
    let bad_end = ends.into_iter().flatten().any(|byte| !byte.is_ascii_alphanumeric());
    bad_end.then_some("begins or ends with a character that is allowed inside only")
}

/// Whether `text` is a DNS subdomain (RFC 1123): labels of 1 to 63 of `a-z`, `0-9`, `-`, at most 253 in all.
pub(crate) fn is_dns_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_kubernetes() {
        for good in ["zone", "example.com/zone", "node-role.kubernetes.io/ingress", "A_b.c-9", &"x".repeat(63)] {
            assert_eq!(key_fault(good), None, "{good}");
        }
        for bad in ["", "/", "a/", "/a", "-a", "a-", "a b", "A.com/x", "a/b/c", "ü", &"x".repeat(64)] {
            assert!(key_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn values_may_be_empty() {
        assert_eq!(value_fault(""), None);
        for bad in ["-", "a ", "a/b", ".x", &"x".repeat(64)] {
            assert!(value_fault(bad).is_some(), "{bad}");
        }
    }
}
