//! `barque validate`: is the cluster file right?

use anyhow::Result;
use barque_engine::{Context, EngineError};
use barque_event::exit;
use barque_model::{Cluster, Role};
use serde_json::{Value, json};

use crate::arguments::{ClusterArguments, Output, StateArguments};
use crate::settings;
use crate::terminal::{many, print_json, say, warn_all};

/// Validates; JSON output lists the errors as data.
pub(crate) fn run(arguments: &ClusterArguments) -> Result<u8> {
    let state = StateArguments { state_dir: None, identity: Some("unused".into()), passphrase_file: None };
    let options = settings::local(arguments, &state)?;
    match (Context::load(options), arguments.output) {
        (Ok(context), Output::Text) => {
            warn_all(&context)?;
            let (file, warnings) = (arguments.file.display(), context.warnings.items().len());
            let warnings = if warnings == 0 { String::new() } else { format!(", with {}", many(warnings, "warning")) };
            say(&format!("{file}: {}: valid{warnings}", summary(&context.cluster)))?;
            Ok(exit::DONE)
        }
        (Ok(context), Output::Json) => {
            let cluster = &context.cluster;
            print_json(&json!({
                "valid": true, "cluster": cluster.name, "kubernetes": cluster.kubernetes, "hosts": counts(cluster),
                "warnings": context.warnings.items(), "errors": [],
            }))?;
            Ok(exit::DONE)
        }
        (Err(EngineError::Spec(errors)), Output::Json) => {
            print_json(&json!({ "valid": false, "warnings": [], "errors": errors.items() }))?;
            Ok(exit::USAGE)
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// The cluster in a phrase: its version, and how many hosts have which role.
fn summary(cluster: &Cluster) -> String {
    let roles = Role::ALL.into_iter().map(|role| (role, cluster.with_role(role).count())).filter(|(_, count)| *count > 0);
    let roles: Vec<String> = roles.map(|(role, count)| format!("{count} {role}")).collect();
    let hosts = many(cluster.hosts.len(), "host");
    format!("cluster `{}`, Kubernetes {}, {hosts} ({})", cluster.name, cluster.kubernetes, roles.join(", "))
}

/// How many hosts there are, and how many of each role.
fn counts(cluster: &Cluster) -> Value {
    let roles = Role::ALL.into_iter().map(|role| (role.to_string(), Value::from(cluster.with_role(role).count())));
    let mut counts: serde_json::Map<String, Value> = roles.collect();
    counts.insert("all".into(), cluster.hosts.len().into());
    Value::Object(counts)
}
