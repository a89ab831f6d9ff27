//! `barque hosts`: who is in which role.

use anyhow::Result;
use barque_engine::{Context, host_rows};
use barque_event::exit;

use crate::arguments::{ClusterArguments, Output, StateArguments};
use crate::settings;
use crate::terminal::{print_json, say, table};

/// Prints the hosts of the cluster file.
pub(crate) fn run(arguments: &ClusterArguments) -> Result<u8> {
    let state = StateArguments { state_dir: None, identity: Some("unused".into()), passphrase_file: None };
    let context = Context::load(settings::local(arguments, &state)?)?;
    let rows = host_rows(&context.cluster);
    if arguments.output == Output::Json {
        print_json(&rows)?;
        return Ok(exit::DONE);
    }
    let mut table = table(["HOST", "ADDRESS", "ROLES", "COMPONENTS", "SSH"]);
    for row in rows {
        let roles: Vec<&str> = row.roles.iter().map(|role| role.as_str()).collect();
        table.add_row([row.name, row.address, roles.join(", "), row.components.join(", "), row.ssh]);
    }
    say(&table.to_string())?;
    Ok(exit::DONE)
}
