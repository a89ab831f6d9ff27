//! `barque validate`: is the cluster file right?

use anyhow::Result;
use barque_engine::{Context, EngineError};
use barque_event::exit;
use serde_json::json;

use crate::arguments::{ClusterArguments, Output, StateArguments};
use crate::settings;
use crate::terminal::{print_json, say, warn_all};

/// Validates; JSON output lists the errors as data.
pub(crate) fn run(arguments: &ClusterArguments) -> Result<u8> {
    let state = StateArguments { state_dir: None, identity: Some("unused".into()), passphrase_file: None };
    let options = settings::local(arguments, &state)?;
    match (Context::load(options), arguments.output) {
        (Ok(context), Output::Text) => {
            warn_all(&context)?;
            let cluster = &context.cluster;
            say(&format!(
                "{}: cluster `{}`, Kubernetes {}, {} hosts: valid",
                arguments.file.display(),
                cluster.name,
                cluster.kubernetes,
                cluster.hosts.len()
            ))?;
            Ok(exit::DONE)
        }
        (Ok(context), Output::Json) => {
            print_json(&json!({ "valid": true, "warnings": context.warnings.items(), "errors": [] }))?;
            Ok(exit::DONE)
        }
        (Err(EngineError::Spec(errors)), Output::Json) => {
            print_json(&json!({ "valid": false, "warnings": [], "errors": errors.items() }))?;
            Ok(exit::USAGE)
        }
        (Err(error), _) => Err(error.into()),
    }
}
