//! The way in.

use std::fmt;

use super::groups::{Tree, Variables};
use super::sources::{Origin, Sources};
use super::variables::Layers;
use super::{ansible, ini, inventory_yaml, k0sctl};
use crate::outline::Outline;
use crate::report::{Place, SpecErrors};
use crate::yaml::{Node, parse_foreign};

/// What kind of file another installer's user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inventory<'text> {
    /// Its name, for messages; its ending tells YAML from INI.
    pub name: &'text str,
    /// Its text.
    pub text: &'text str,
}

/// For whom a file of variables counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The hosts of a group: a file of `group_vars`.
    Group(String),
    /// One host: a file of `host_vars`.
    Host(String),
}

/// A file of `group_vars` or `host_vars`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableFile {
    /// For whom it counts.
    pub scope: Scope,
    /// Its name, for messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What an inventory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The cluster.
    pub outline: Outline,
    /// What is left out, or taken otherwise than written, a line each with its place.
    pub notes: Vec<String>,
}

/// Everything that cannot be mapped, file by file. `Display` prints the whole report.
#[derive(Debug, Clone, thiserror::Error)]
pub struct ImportErrors(Vec<SpecErrors>);

impl ImportErrors {
    /// The errors of each file that has some.
    pub fn files(&self) -> &[SpecErrors] {
        &self.0
    }
}

impl fmt::Display for ImportErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, errors) in self.0.iter().enumerate() {
            let space = if position == 0 { "" } else { "\n\n" };
            write!(formatter, "{space}{errors}")?;
        }
        Ok(())
    }
}

/// Reads an Ansible inventory (INI or YAML) with the variables beside it, in the order in which they count, or a k0sctl.yaml.
pub fn import(inventory: &Inventory<'_>, variables: &[VariableFile]) -> Result<Imported, ImportErrors> {
    let mut sources = Sources::new();
    let file = sources.add(inventory.name, inventory.text);
    let outline = read(inventory, file, variables, &mut sources);
    let notes = sources.finish().map_err(ImportErrors)?;
    Ok(Imported { outline, notes })
}

fn read(inventory: &Inventory<'_>, file: usize, variables: &[VariableFile], sources: &mut Sources) -> Outline {
    let start = Origin { file, place: Place::START };
    let mut tree = if is_yaml(inventory) {
        let Some(root) = parse_foreign(inventory.text, sources.report(file)) else {
            if !sources.report(file).has_errors() {
                empty(start, sources);
            }
            return Outline::default();
        };
        if k0sctl::is(&root) {
            return k0sctl::outline(&root, file, sources);
        }
        inventory_yaml::read(&root, file, sources)
    } else {
        ini::read(inventory.text, file, sources)
    };
    tree.break_circles(sources);
    if tree.hosts.is_empty() {
        if !sources.report(file).has_errors() {
            empty(start, sources);
        }
        return Outline::default();
    }
    let files = variable_files(variables, &tree, sources);
    ansible::outline(&Layers { tree: &tree, files: &files }, start, sources)
}

fn empty(start: Origin, sources: &mut Sources) {
    sources.error(start, "there is no host in this file", "name an Ansible inventory (INI or YAML) or a k0sctl.yaml with `--from FILE`");
}

/// The variables of the files that count for a group or host of the inventory.
fn variable_files(variables: &[VariableFile], tree: &Tree, sources: &mut Sources) -> Vec<(Scope, Variables)> {
    let mut files = Vec::new();
    for VariableFile { scope, name, text } in variables {
        let counts = match scope {
            Scope::Group(group) => group == "all" || tree.groups.contains_key(group),
            Scope::Host(host) => tree.hosts.iter().any(|entry| entry.name == *host),
        };
        if counts {
            let file = sources.add(name, text);
            let root: Option<Node> = parse_foreign(text, sources.report(file));
            files.extend(root.map(|root| (scope.clone(), inventory_yaml::variables(&root, file, sources))));
        }
    }
    files
}

/// Whether it is YAML: by its name, else by its first line that is no comment.
fn is_yaml(inventory: &Inventory<'_>) -> bool {
    let ending = inventory.name.rsplit(['.', '/']).next().unwrap_or_default().to_lowercase();
    match ending.as_str() {
        "yaml" | "yml" | "json" => true,
        "ini" | "cfg" => false,
        _ => {
            let lines = inventory.text.lines().map(str::trim);
            let mut telling = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
            telling.next().is_some_and(|line| line == "---" || line.ends_with(':') || line.contains(": ") || line.starts_with('{'))
        }
    }
}
