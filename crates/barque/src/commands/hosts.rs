//! `barque hosts`: who is in which role.

use anyhow::Result;
use barque_engine::{Context, EngineError, HostRow, host_rows};
use barque_event::exit;
use barque_model::Cluster;
use barque_plan::Limit;

use crate::arguments::{HostsArguments, Output, StateArguments};
use crate::settings;
use crate::terminal::{print_json, say, table};

/// Prints the hosts of the cluster file, or those within the limits.
pub(crate) fn run(arguments: &HostsArguments) -> Result<u8> {
    let state = StateArguments { state_dir: None, identity: Some("unused".into()), passphrase_file: None };
    let context = Context::load(settings::local(&arguments.cluster, &state)?)?;
    let limits = limits(arguments, &context.cluster)?;
    let rows: Vec<HostRow> = host_rows(&context.cluster).into_iter().filter(|row| is_within(row, &limits)).collect();
    if arguments.list && arguments.cluster.output == Output::Text {
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        say(&names.join("\n"))?;
        return Ok(exit::DONE);
    }
    if arguments.cluster.output == Output::Json {
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

fn limits(arguments: &HostsArguments, cluster: &Cluster) -> Result<Vec<Limit>, EngineError> {
    let roles = arguments.role.iter().map(|role| format!("role={role}"));
    let texts = arguments.limit.iter().cloned().chain(roles);
    Ok(texts.map(|text| Limit::parse(&text, cluster)).collect::<Result<_, _>>()?)
}

/// Whether one of the limits names the host; without limits every host is meant. Hosts have no stage.
fn is_within(row: &HostRow, limits: &[Limit]) -> bool {
    let names = |limit: &Limit| match limit {
        Limit::Host(name) => name.as_str() == row.name,
        Limit::Role(role) => row.roles.contains(role),
        Limit::Stage(_) => false,
    };
    limits.is_empty() || limits.iter().any(names)
}
