//! The way in.

use barque_addon::Library;
use barque_model::{Cluster, Version};

use crate::addons::Sources;
use crate::operator_files::{NoFiles, OperatorFiles};
use crate::report::{Findings, Report, SpecErrors};
use crate::yaml::{Content, Node};
use crate::{decode, resolve, schema, structure, yaml};

/// What the rest of barque supports; the catalog says.
#[derive(Debug, Clone, Copy)]
pub struct Known<'list> {
    /// Kubernetes versions that can be deployed.
    pub kubernetes: &'list [Version],
}

/// A cluster file that is right.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it describes.
    pub cluster: Cluster,
    /// What works, but perhaps not as its writer thinks.
    pub warnings: Findings,
}

/// Reads and validates the text of a cluster file. `file_name` appears in the report only.
///
/// Paths of SSH keys are left as written; [`crate::resolve_key_paths`] makes them absolute. Other files that the text names are not read, and
/// naming one is an error; add-ons of the user's own are not known. [`parse_with`] takes both.
pub fn parse(text: &str, file_name: &str, known: &Known<'_>) -> Result<Loaded, SpecErrors> {
    parse_with(text, file_name, known, &Surroundings { files: &NoFiles, addons: &Library::embedded() })
}

/// What a cluster file refers to.
#[derive(Clone, Copy)]
pub struct Surroundings<'run> {
    /// Files that the text names: certificates and passwords of registries.
    pub files: &'run dyn OperatorFiles,
    /// The add-ons that the file's [`addon_sources`](crate::addon_sources) name, and barque's own.
    pub addons: &'run Library,
}

/// The same, with what the text refers to.
pub fn parse_with(text: &str, file_name: &str, known: &Known<'_>, around: &Surroundings<'_>) -> Result<Loaded, SpecErrors> {
    let mut report = Report::new(file_name, text);
    let cluster = read(text, known, around, &mut report);
    let (cluster, warnings) = report.finish(cluster)?;
    Ok(Loaded { cluster, warnings })
}

fn read(text: &str, known: &Known<'_>, around: &Surroundings<'_>, report: &mut Report) -> Option<Cluster> {
    let root = yaml::parse(text, report)?;
    if !is_cluster(&root, report) {
        return None;
    }
    structure::check(&root, &schema::schema(), report);
    let sources = Sources { library: around.addons, root: &root };
    resolve::cluster(decode::decode(&root)?, known, around.files, &sources, report)
}

/// Reports an object of another kind or version: checking its fields would drown the real fault.
fn is_cluster(root: &Node, report: &mut Report) -> bool {
    let wanted = [("apiVersion", "barque.dev/v1"), ("kind", "Cluster")];
    let mut right = true;
    for (field, value) in wanted {
        let Some(node) = root.get(field) else { continue };
        let Content::Scalar(scalar) = &node.content else { continue };
        if scalar.text != value {
            let message = format!("`{field}` is `{}`; this version of barque reads `{value}`", scalar.text);
            report.error(node.place, message, format!("write `{field}: {value}`, or name another file with `-f`"));
            right = false;
        }
    }
    right
}
