//! Ansible's INI inventories (Ansible: "How to build your inventory" and the `ini` inventory plugin).

use std::collections::BTreeSet;

use super::groups::{Tree, Variable, Variables};
use super::host_pattern;
use super::sources::{Origin, Sources};
use crate::report::Place;
use crate::scalar::Scalar;
use crate::structure::nearest;
use crate::yaml::{Content, Node};

/// What the lines of a section are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Hosts,
    Children,
    Variables,
    /// Its header is wrong, and reported.
    Unknown,
}

/// Reads the inventory `text`, which is the file number `file` of `sources`.
pub(super) fn read(text: &str, file: usize, sources: &mut Sources) -> Tree {
    let mut tree = Tree::default();
    let (mut section, mut group) = (Section::Hosts, "ungrouped".to_owned());
    // Groups that have a section, and mentions of groups that must have one.
    let mut defined: BTreeSet<String> = BTreeSet::from(["all".to_owned(), "ungrouped".to_owned()]);
    let mut mentioned: Vec<(String, Origin)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        let indent = line.chars().take_while(|character| character.is_whitespace()).count();
        let origin = Origin { file, place: Place::new(number + 1, indent, trimmed.chars().count()) };
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = trimmed.strip_prefix('[') {
            (section, group) = begin(header, origin, sources);
            match section {
                Section::Unknown => {}
                Section::Variables => mentioned.push((group.clone(), origin)),
                Section::Hosts | Section::Children => {
                    defined.insert(group.clone());
                    tree.group(&group, origin);
                }
            }
            continue;
        }
        match section {
            Section::Hosts => hosts(trimmed, line, origin, &group, &mut tree, sources),
            Section::Children => {
                let child = trimmed.split(['#', ' ', '\t']).next().unwrap_or_default().to_owned();
                mentioned.push((child.clone(), origin));
                tree.group(&group, origin).children.push((child, origin));
            }
            Section::Variables => match trimmed.split_once('=') {
                Some((name, value)) => {
                    let variable = variable(value.trim(), origin);
                    tree.group(&group, origin).variables.insert(name.trim().to_owned(), variable);
                }
                None => sources.error(origin, "this is not a variable", "write `NAME=VALUE`"),
            },
            Section::Unknown => {}
        }
    }
    for (name, origin) in mentioned {
        if defined.contains(&name) {
            continue;
        }
        let hint = match nearest(&name, defined.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add a section `[{name}]`, or remove this line"),
        };
        sources.error(origin, format!("there is no group `{name}`"), hint);
    }
    tree
}

/// The section that `header` (without its first bracket) begins, and its group.
fn begin(header: &str, origin: Origin, sources: &mut Sources) -> (Section, String) {
    let (inside, after) = header.split_once(']').unwrap_or(("", "?"));
    let (name, kind) = inside.split_once(':').unwrap_or((inside, "hosts"));
    let section = match kind {
        "hosts" => Section::Hosts,
        "children" => Section::Children,
        "vars" => Section::Variables,
        _ => Section::Unknown,
    };
    let name = name.trim();
    let ends = after.trim().is_empty() || after.trim().starts_with(['#', ';']);
    if section == Section::Unknown || name.is_empty() || name.contains(char::is_whitespace) || !ends {
        sources.error(origin, "this is not the header of a section", "write `[GROUP]`, `[GROUP:children]` or `[GROUP:vars]`");
        return (Section::Unknown, String::new());
    }
    (section, name.to_owned())
}

/// A line of hosts: a pattern, then `name=value` for each.
fn hosts(trimmed: &str, line: &str, origin: Origin, group: &str, tree: &mut Tree, sources: &mut Sources) {
    let Some(words) = shlex::split(trimmed) else {
        sources.error(origin, "a quote is not closed", "close it, or put a backslash before it");
        return;
    };
    let Some((pattern, assignments)) = words.split_first() else { return };
    let mut variables = Variables::new();
    let (pattern, port) = split_port(pattern);
    if let Some(port) = port {
        variables.insert("ansible_port".to_owned(), plain(port, origin));
    }
    for word in assignments {
        let at = place_of(word, line, origin);
        match word.split_once('=') {
            Some((name, value)) => {
                let node = Node { place: at.place, key: None, content: Content::Scalar(Scalar::plain(value)) };
                variables.insert(name.to_owned(), Variable { node, origin: at });
            }
            None => sources.error(at, format!("`{word}` is not a variable of the host"), "write `NAME=VALUE`, and one host a line"),
        }
    }
    match host_pattern::expand(pattern) {
        Err(error) => {
            sources.error(origin, format!("`{pattern}` {error}"), "write a name, or a range such as `node[01:10]`");
        }
        Ok(names) => {
            for name in names {
                tree.host(&name, origin).variables.extend(variables.clone());
                tree.group(group, origin).hosts.insert(name);
            }
        }
    }
}

/// `name:port`; a colon within brackets belongs to a range.
fn split_port(pattern: &str) -> (&str, Option<&str>) {
    let after_ranges = pattern.rfind(']').map_or(0, |bracket| bracket + 1);
    match pattern[after_ranges..].split_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (&pattern[..pattern.len() - port.len() - 1], Some(port))
        }
        _ => (pattern, None),
    }
}

fn place_of(word: &str, line: &str, origin: Origin) -> Origin {
    let name = word.split_inclusive('=').next().unwrap_or(word);
    match line.find(name) {
        Some(byte) => {
            let place = Place::new(origin.place.line as usize, line[..byte].chars().count(), word.chars().count());
            Origin { place, ..origin }
        }
        None => origin,
    }
}

fn plain(text: &str, origin: Origin) -> Variable {
    Variable { node: Node { place: origin.place, key: None, content: Content::Scalar(Scalar::plain(text)) }, origin }
}

/// The value of a line `name = value`: what is in quotes, or everything up to a comment.
fn variable(value: &str, origin: Origin) -> Variable {
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)).map(|(inside, _)| inside);
    match quoted('"').or_else(|| quoted('\'')) {
        Some(inside) => {
            Variable { node: Node { place: origin.place, key: None, content: Content::Scalar(Scalar::quoted(inside)) }, origin }
        }
        None => plain(value.split(" #").next().unwrap_or_default().trim(), origin),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn tree(text: &str) -> (Tree, Sources) {
        let mut sources = Sources::new();
        let file = sources.add("hosts.ini", text);
        let tree = read(text, file, &mut sources);
        (tree, sources)
    }

    fn value(variables: &Variables, name: &str) -> String {
        let Content::Scalar(scalar) = &variables[name].node.content else { panic!("no scalar") };
        scalar.text.clone()
    }

    #[test]
    fn hosts_groups_and_variables() {
        let text = "\
lone
[etcd]
node[1:2]:2222 a='x y' b=\"1\" # first
[master] ; comment
node1 a=z
[k8s:children]
etcd
master
[all:vars]
cidr = \"10.0.0.0/8\"  # comment
plain = a b # comment
[k8s:vars]
user=root
";
        let (tree, sources) = tree(text);
        assert_eq!(tree.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>(), ["lone", "node1", "node2"]);
        assert_eq!((value(&tree.hosts[1].variables, "a"), value(&tree.hosts[2].variables, "a")), ("z".into(), "x y".into()));
        assert_eq!(value(&tree.hosts[2].variables, "ansible_port"), "2222");
        assert_eq!(tree.groups_of("node1"), ["all", "k8s", "etcd", "master"]);
        assert_eq!(value(&tree.groups["all"].variables, "cidr"), "10.0.0.0/8");
        assert_eq!(value(&tree.groups["all"].variables, "plain"), "a b");
        assert_eq!(value(&tree.groups["k8s"].variables, "user"), "root");
        assert!(sources.finish().is_ok());
    }

    #[test]
    fn every_fault_has_its_line() {
        let text = "[a\n[b:kids]\n[c]\nx y=\"1\nnode[2:1]\nh w\n[d:children]\nk\nc\n[e:vars]\nv\n[f:children]\nf\n";
        let (mut tree, mut sources) = tree(text);
        tree.break_circles(&mut sources);
        insta::assert_snapshot!(sources.finish().unwrap_err()[0].to_string());
    }

    proptest! {
        #[test]
        fn never_panics(text in "([\\[\\]a-c:=\"' #]|\\n|vars|children){0,60}") {
            let (mut tree, mut sources) = tree(&text);
            tree.break_circles(&mut sources);
            for host in &tree.hosts {
                tree.groups_of(&host.name);
            }
        }
    }
}
