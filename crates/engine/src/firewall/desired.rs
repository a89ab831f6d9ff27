//! What must be on a host for its packet filter: rules, and the unit that loads them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use barque_agent::AgentClient;
use barque_bundle::Bundle;
use barque_event::Stage;
use barque_firewall::{Matrix, RuleSet, rule_set, service};
use barque_model::{Cluster, Digest, FirewallBackend, HostFile, HostName, Owner};
use barque_plan::{
    DesiredResource, Directory, FIREWALL_FOLDER, FIREWALL_PACKAGE, FIREWALL_UNIT, File, HostDesired, OnChange, Package, Probe, Resource,
    ResourceId, Unit,
};

use super::FirewallError;
use crate::{EngineError, artifacts};

/// Loading rules takes a moment.
const START_SECONDS: u32 = 30;
/// Where programs of packet filters lie, by distribution.
const PLACES: [&str; 5] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"];

/// Works out what must be on each host; nothing where `backend` is none. Fails when a host lacks a program of the backend and barque cannot
/// bring it along.
pub(super) async fn desired(
    cluster: &Cluster,
    matrix: &Matrix,
    agents: &BTreeMap<HostName, AgentClient>,
    backend: FirewallBackend,
    bundle: &Path,
) -> Result<BTreeMap<HostName, HostDesired>, EngineError> {
    let mut desired = BTreeMap::new();
    for host in &cluster.hosts {
        let Some(agent) = agents.get(&host.name) else { continue };
        let wanted = match rule_set(matrix, cluster, host, backend) {
            Some(rules) => {
                let package = package(agent, &host.name, &rules, bundle).await?;
                on_host(rules, package)
            }
            None => HostDesired::default(),
        };
        desired.insert(host.name.clone(), wanted);
    }
    Ok(desired)
}

/// The package that brings the backend's program, where the host lacks it.
async fn package(agent: &AgentClient, host: &HostName, rules: &RuleSet, bundle: &Path) -> Result<Option<Package>, EngineError> {
    let Some(program) = missing(agent, rules.programs).await else { return Ok(None) };
    let refused = || FirewallError::Program { host: host.clone(), program, backend: rules.backend };
    if rules.backend != FirewallBackend::Nftables {
        return Err(refused().into());
    }
    let facts = agent.facts().await.map_err(|error| EngineError::Observe { host: host.clone(), message: error.to_string() })?;
    let (index, _) = artifacts::index_for(&Bundle::open(bundle)?, &facts);
    let archives = index.packages.get(FIREWALL_PACKAGE).cloned().ok_or_else(refused)?;
    Ok(Some(Package { name: FIREWALL_PACKAGE.to_owned(), archives, form: index.package_form }))
}

/// The first of `programs` that the host lacks.
async fn missing(agent: &AgentClient, programs: &[&'static str]) -> Option<&'static str> {
    for program in programs {
        let mut found = false;
        for place in PLACES {
            let probe = Probe::PathExists { path: format!("{place}/{program}") };
            found |= agent.probe(probe, Duration::ZERO, Duration::from_millis(1)).await.is_ok();
        }
        if !found {
            return Some(program);
        }
    }
    None
}

fn on_host(rules: RuleSet, package: Option<Package>) -> HostDesired {
    let directory = Directory { path: FIREWALL_FOLDER.trim_end_matches('/').to_owned(), mode: 0o755, owner: Owner::root() };
    let directory = Resource::Directory(directory);
    let files: Vec<HostFile> = rules.files.into_iter().chain([service()]).collect();
    let inputs: Vec<ResourceId> = files.iter().map(|file| ResourceId(format!("file {}", file.path))).collect();
    let mut lines: Vec<String> = files.iter().map(|file| format!("{} {}", file.path, file.digest())).collect();
    lines.sort();
    let before = vec![directory.id()];
    let mut resources: Vec<DesiredResource> = package.map(|package| plain(Resource::Package(package), Vec::new())).into_iter().collect();
    resources.push(plain(directory, Vec::new()));
    resources.extend(files.into_iter().map(|file| of_file(file, before.clone())));
    let unit = Resource::Unit(Unit {
        name: FIREWALL_UNIT.to_owned(),
        fingerprint: Digest::of(lines.join("\n").as_bytes()),
        on_change: OnChange::Reload,
        start_timeout_seconds: START_SECONDS,
        restart_limit: 1,
    });
    let after = resources.iter().map(|other| other.resource.id()).collect();
    resources.push(DesiredResource { inputs, ..plain(unit, after) });
    HostDesired { resources }
}

fn plain(resource: Resource, after: Vec<ResourceId>) -> DesiredResource {
    DesiredResource { resource, content: None, stage: Stage::Hosts, after, inputs: Vec::new(), component: None }
}

fn of_file(file: HostFile, after: Vec<ResourceId>) -> DesiredResource {
    let digest = file.digest();
    let resource = File { path: file.path, digest, mode: file.mode, owner: file.owner, sensitive: file.sensitive };
    DesiredResource { content: Some(file.content), ..plain(Resource::File(resource), after) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planner_and_the_rules_mean_the_same_things() {
        assert_eq!(FIREWALL_FOLDER, format!("{}/", barque_firewall::FIREWALL_FOLDER));
        assert_eq!(FIREWALL_UNIT, barque_firewall::FIREWALL_UNIT);
        assert_eq!(barque_plan::FIREWALL_UNIT_FILE, service().path);
    }
}
