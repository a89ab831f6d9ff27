//! Where a field stands in a cluster file, and what it says there.

use crate::report::Report;
use crate::yaml::{self, Content, Node};

/// A field as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Line, from 1.
    pub line: u32,
    /// The value when it is a scalar.
    pub value: Option<String>,
    /// Position in the first list that the path goes through, from 0.
    pub entry: Option<usize>,
}

/// The places where `text` has the field `path`, such as `spec.hosts[].address`; `[]` means each entry of a list. Empty when it has none.
pub fn written(text: &str, path: &str) -> Vec<Written> {
    let mut report = Report::new("", text);
    let mut found = Vec::new();
    if let Some(root) = yaml::parse(text, &mut report) {
        let parts: Vec<&str> = path.split('.').collect();
        walk(&root, &parts, None, &mut found);
    }
    found
}

fn walk(node: &Node, parts: &[&str], entry: Option<usize>, found: &mut Vec<Written>) {
    let Some((part, rest)) = parts.split_first() else {
        let value = match &node.content {
            Content::Scalar(scalar) => Some(scalar.text.clone()),
            Content::List(_) | Content::Map(_) => None,
        };
        found.push(Written { line: node.key.unwrap_or(node.place).line, value, entry });
        return;
    };
    let Some(child) = node.get(part.trim_end_matches("[]")) else { return };
    match &child.content {
        Content::List(items) if part.ends_with("[]") => {
            for (position, item) in items.iter().enumerate() {
                walk(item, rest, entry.or(Some(position)), found);
            }
        }
        _ => walk(child, rest, entry, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "spec:\n  hosts:\n    - name: a\n      address: 192.0.2.1\n    - {name: b}\n  kubelet:\n    maxPods: 60\n";

    #[test]
    fn fields_are_found_with_their_lines() {
        assert_eq!(written(TEXT, "spec.kubelet.maxPods"), [Written { line: 7, value: Some("60".into()), entry: None }]);
        let names: Vec<_> = written(TEXT, "spec.hosts[].name").into_iter().map(|found| (found.line, found.value, found.entry)).collect();
        assert_eq!(names, [(3, Some("a".into()), Some(0)), (5, Some("b".into()), Some(1))]);
        assert_eq!(written(TEXT, "spec.hosts[].address").len(), 1);
        assert_eq!(written(TEXT, "spec.kubelet")[0].value, None);
        assert!(written(TEXT, "spec.network.podCidr").is_empty() && written("a: [", "a").is_empty());
    }
}
