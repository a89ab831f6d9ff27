//! Ansible's YAML inventories (the `yaml` inventory plugin), and its files of variables.

use super::groups::{Tree, Variable, Variables};
use super::host_pattern;
use super::sources::{Origin, Sources};
use crate::scalar::{Scalar, ScalarKind};
use crate::yaml::{Content, Node};

/// Reads the inventory under `root`, which is of the file number `file` of `sources`.
pub(super) fn read(root: &Node, file: usize, sources: &mut Sources) -> Tree {
    let mut tree = Tree::default();
    let Some(entries) = map(root, file, "the inventory", sources) else { return tree };
    for (name, place, value) in entries {
        group(name, value, Origin { file, place }, &mut tree, sources);
    }
    tree
}

/// Reads a file of variables.
pub(super) fn variables(root: &Node, file: usize, sources: &mut Sources) -> Variables {
    let entries = map(root, file, "the file", sources).unwrap_or_default();
    entries
        .into_iter()
        .map(|(name, place, value)| (name.to_owned(), Variable { node: value.clone(), origin: Origin { file, place } }))
        .collect()
}

fn group(name: &str, node: &Node, origin: Origin, tree: &mut Tree, sources: &mut Sources) {
    tree.group(name, origin);
    let file = origin.file;
    let Some(sections) = map(node, file, &format!("group `{name}`"), sources) else { return };
    for (section, place, value) in sections {
        let what = format!("`{section}` of group `{name}`");
        let Some(entries) = map(value, file, &what, sources) else { continue };
        match section {
            "hosts" => {
                for (pattern, place, value) in entries {
                    hosts(name, pattern, value, Origin { file, place }, tree, sources);
                }
            }
            "children" => {
                for (child, place, value) in entries {
                    let origin = Origin { file, place };
                    tree.group(name, origin).children.push((child.to_owned(), origin));
                    group(child, value, origin, tree, sources);
                }
            }
            "vars" => {
                for (variable, place, value) in entries {
                    let origin = Origin { file, place };
                    tree.group(name, origin).variables.insert(variable.to_owned(), Variable { node: value.clone(), origin });
                }
            }
            _ => {
                let message = format!("group `{name}` has no section `{section}`");
                sources.error(Origin { file, place }, message, "possible: `hosts`, `children`, `vars`");
            }
        }
    }
}

fn hosts(group: &str, pattern: &str, node: &Node, origin: Origin, tree: &mut Tree, sources: &mut Sources) {
    let file = origin.file;
    let entries = map(node, file, &format!("host `{pattern}`"), sources).unwrap_or_default();
    match host_pattern::expand(pattern) {
        Err(error) => sources.error(origin, format!("`{pattern}` {error}"), "write a name, or a range such as `node[01:10]`"),
        Ok(names) => {
            for name in names {
                let host = tree.host(&name, origin);
                for (variable, place, value) in &entries {
                    let variable_origin = Origin { file, place: *place };
                    host.variables.insert((*variable).to_owned(), Variable { node: (*value).clone(), origin: variable_origin });
                }
                tree.group(group, origin).hosts.insert(name);
            }
        }
    }
}

/// The entries of a mapping with the places of their keys; one without a value has none. Anything else is reported.
fn map<'node>(
    node: &'node Node,
    file: usize,
    what: &str,
    sources: &mut Sources,
) -> Option<Vec<(&'node str, crate::report::Place, &'node Node)>> {
    match &node.content {
        Content::Map(entries) => Some(entries.iter().map(|(key, value)| (key.text.as_str(), key.place, value)).collect()),
        Content::Scalar(Scalar { kind: ScalarKind::Null, .. }) => Some(Vec::new()),
        Content::Scalar(_) | Content::List(_) => {
            let hint = "write `NAME:` for each entry, indented below; `ansible-inventory -i FILE --list` shows how Ansible reads the file";
            sources.error(Origin { file, place: node.place }, format!("{what} must be a mapping"), hint);
            None
        }
    }
}
