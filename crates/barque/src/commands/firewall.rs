//! `barque firewall`: what the cluster needs of the network, and rules that let exactly that through.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use barque_engine::{Context, EngineError};
use barque_event::exit;
use barque_firewall::{FIREWALL_SCRIPT, Language, Matrix, Segments, csv, markdown, matrix, rows, rule_set, segments};
use barque_model::{Cluster, FirewallBackend, Host, HostFile, RUN_MARKER};
use barque_plan::Limit;
use serde_json::{Value, json};

use crate::arguments::{
    ClusterArguments, FirewallCommand, FirewallRulesArguments, FirewallTableArguments, Output, StateArguments, TableFormat, TableLanguage,
};
use crate::settings;
use crate::terminal::{flow_table, print_error, print_json, say, warn_all};

/// Runs one of the verbs.
pub(crate) fn run(command: &FirewallCommand) -> Result<u8> {
    match command {
        FirewallCommand::Table(arguments) => table(arguments),
        FirewallCommand::Rules(arguments) => rules(arguments),
        FirewallCommand::Test(arguments) => super::firewall_test::run(arguments),
        FirewallCommand::Apply(arguments) => {
            super::firewall_apply::run(&arguments.change, arguments.backend.map(FirewallBackend::from), "firewall apply")
        }
        FirewallCommand::Remove(arguments) => super::firewall_apply::run(arguments, Some(FirewallBackend::None), "firewall remove"),
    }
}

fn load(arguments: &ClusterArguments) -> Result<Cluster> {
    let state = StateArguments { state_dir: None, identity: Some("unused".into()), passphrase_file: None };
    let context = Context::load(settings::local(arguments, &state)?)?;
    warn_all(&context)?;
    Ok(context.cluster)
}

fn table(arguments: &FirewallTableArguments) -> Result<u8> {
    let cluster = load(&arguments.cluster)?;
    let segments = segments(&cluster, &BTreeMap::new(), arguments.prefix);
    let rows = rows(&matrix(&cluster), &cluster, &segments);
    let language = match arguments.lang {
        TableLanguage::En => Language::English,
        TableLanguage::Zh => Language::Chinese,
    };
    match (arguments.cluster.output, arguments.format) {
        (Output::Json, _) => print_json(&json!({"segments": segments_json(&segments), "rows": rows}))?,
        (Output::Text, TableFormat::Text) => say(flow_table(&rows).trim_end())?,
        (Output::Text, TableFormat::Csv) => say(csv(&rows, language).trim_end())?,
        (Output::Text, TableFormat::Markdown) => say(markdown(&rows, language).trim_end())?,
    }
    Ok(exit::DONE)
}

fn segments_json(segments: &Segments) -> Vec<Value> {
    segments.iter().map(|(network, hosts)| json!({"network": network, "hosts": hosts})).collect()
}

fn rules(arguments: &FirewallRulesArguments) -> Result<u8> {
    let cluster = load(&arguments.cluster)?;
    let backend = arguments.backend.map_or(cluster.firewall.backend, FirewallBackend::from);
    if backend == FirewallBackend::None {
        print_error(&anyhow!("`spec.firewall.backend` is `none`, so hosts have no rules; name a packet filter with `--backend nftables`"));
        return Ok(exit::USAGE);
    }
    let matrix = matrix(&cluster);
    let hosts = chosen(&arguments.host, &cluster)?;
    if arguments.cluster.output == Output::Json {
        let answer: Vec<Value> = hosts.iter().map(|host| host_json(&matrix, &cluster, host, backend)).collect();
        print_json(&answer)?;
        return Ok(exit::DONE);
    }
    let files: Vec<(&Host, HostFile)> = hosts
        .iter()
        .flat_map(|host| rule_files(&matrix, &cluster, host, backend).into_iter().map(|file| (*host, file)))
        .filter(|(_, file)| file.path != FIREWALL_SCRIPT)
        .collect();
    // One file goes out as it is, so that it can be piped into `nft -f -`.
    let alone = files.len() == 1;
    let text = |(host, file): &(&Host, HostFile)| {
        let content = content(file);
        if alone { content } else { format!("# {} of host {}\n{content}", file.path, host.name) }
    };
    say(files.iter().map(text).collect::<Vec<_>>().join("\n").trim_end())?;
    Ok(exit::DONE)
}

/// The hosts that are asked for, in the order of the cluster file; all when none is named.
fn chosen<'cluster>(wanted: &[String], cluster: &'cluster Cluster) -> Result<Vec<&'cluster Host>, EngineError> {
    let limits = wanted.iter().map(|text| Limit::parse(text, cluster)).collect::<Result<Vec<_>, _>>()?;
    let is_wanted = |host: &&Host| {
        let names = |limit: &Limit| match limit {
            Limit::Host(name) => *name == host.name,
            Limit::Role(role) => host.has(*role),
            Limit::Stage(_) => false,
        };
        limits.is_empty() || limits.iter().any(names)
    };
    Ok(cluster.hosts.iter().filter(is_wanted).collect())
}

fn rule_files(matrix: &Matrix, cluster: &Cluster, host: &Host, backend: FirewallBackend) -> Vec<HostFile> {
    rule_set(matrix, cluster, host, backend).map_or_else(Vec::new, |set| set.files)
}

fn host_json(matrix: &Matrix, cluster: &Cluster, host: &Host, backend: FirewallBackend) -> Value {
    let file = |file: &HostFile| json!({"path": file.path, "mode": format!("{:04o}", file.mode), "content": content(file)});
    let files: Vec<Value> = rule_files(matrix, cluster, host, backend).iter().map(file).collect();
    json!({"host": host.name, "backend": backend, "files": files})
}

/// The file as it would lie on the host, but for the run that puts it there.
fn content(file: &HostFile) -> String {
    String::from_utf8_lossy(file.content.expose()).replace(RUN_MARKER, "<run>")
}
