//! From the file's fields to a [`Cluster`], checking what they mean.

use barque_model::{Cluster, ClusterName, Version};

use crate::addons::{self, Sources};
use crate::field::Text;
use crate::file::{ClusterFile, Kubernetes, Metadata, Spec};
use crate::hosts::Draft;
use crate::load::Known;
use crate::operator_files::OperatorFiles;
use crate::report::{Located, Place, Report};
use crate::{arguments, balancer, checks, firewall, hosts, network, registries, settings, topology};

/// Resolves the whole file. `None` always comes with an error in `report`.
pub(crate) fn cluster(
    file: ClusterFile,
    known: &Known<'_>,
    files: &dyn OperatorFiles,
    sources: &Sources<'_>,
    report: &mut Report,
) -> Option<Cluster> {
    let name = file.metadata.located(Place::START).and_then(|metadata| cluster_name(metadata, report));
    let Located { value: spec, place } = file.spec.located(Place::START)?;
    let Spec {
        kubernetes,
        hosts: entries,
        ssh,
        network,
        load_balancer,
        runtime,
        registries,
        kubelet,
        checks: accepted,
        extra_sans,
        extra_args,
        logs,
        firewall,
        addons: addon_entries,
    } = spec;

    let kubernetes = kubernetes.located(place).and_then(|kubernetes| version(kubernetes, known, report));
    let entries = entries.located(place);
    let drafts = match entries {
        Some(entries) => {
            let drafts = hosts::drafts(entries.value, entries.place, ssh.section(place)?.value, report);
            topology::check(&drafts, entries.place, load_balancer.place, report);
            Some(drafts)
        }
        None => None,
    };
    let known_drafts: &[Draft] = drafts.as_deref().unwrap_or_default();
    let has_balancer = load_balancer.place.is_some();
    let balancer = load_balancer.located(place).map(|section| balancer::resolve(section, name.as_ref(), known_drafts, report));
    let vip = balancer.as_ref().and_then(|draft| draft.vip);
    let port = balancer.as_ref().and_then(|draft| draft.port);
    let kubelet = settings::kubelet(kubelet.section(place)?, report);
    let network =
        network::resolve(network.section(place)?, known_drafts, vip, port, kubelet.as_ref().map(|kubelet| kubelet.max_pods), report);
    let runtime = settings::runtime(runtime.section(place)?, report);
    let registries = registries::resolve(registries, place, files, report);
    let logs = settings::logs(logs.section(place)?, report);
    let firewall = firewall::resolve(firewall.section(place)?, report);
    let accepted_checks = checks::resolve(accepted.section(place)?, known_drafts, report);
    let extra_sans = settings::names(extra_sans, place, report);
    let (addons, addon_places) = addons::resolve(addon_entries.located(place), kubernetes, sources, report);
    let extra_args = arguments::resolve(extra_args.section(place)?, report);

    let load_balancer = if has_balancer { Some(balancer?.finished?) } else { None };
    let cluster = Cluster {
        name: name?,
        kubernetes: kubernetes?,
        hosts: drafts?.into_iter().map(Draft::finish).collect::<Option<_>>()?,
        network: network?,
        load_balancer,
        runtime: runtime?,
        registries,
        kubelet: kubelet?,
        extra_sans,
        extra_args,
        logs: logs?,
        accepted_checks,
        firewall: firewall?,
        addons,
    };
    addon_places.check_ports(&cluster, report);
    Some(cluster)
}

fn cluster_name(metadata: Located<Metadata>, report: &mut Report) -> Option<ClusterName> {
    let name = metadata.value.name.located(metadata.place)?;
    match name.value.parse() {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            report.error(name.place, format!("the cluster's name {error}"), hosts::name_hint(&name.value));
            None
        }
    }
}

fn version(kubernetes: Located<Kubernetes>, known: &Known<'_>, report: &mut Report) -> Option<Version> {
    let Located { value: Text(text), place } = kubernetes.value.version.located(kubernetes.place)?;
    let supported = known.kubernetes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match text.parse::<Version>() {
        Ok(version) if known.kubernetes.contains(&version) => Some(version),
        Ok(version) => {
            report.error(
                place,
                format!("Kubernetes {version} is not supported by this version of barque"),
                format!("supported: {supported}"),
            );
            None
        }
        Err(error) => {
            report.error(place, error.to_string(), format!("supported: {supported}"));
            None
        }
    }
}
