//! Puts an inspection together.

use std::io;
use std::time::SystemTime;

use barque_check::{Feature, InspectRequest, Inspection, Managed, Parameter, Process};
use barque_plan::{Observed, Sysctl};

use super::{dpkg, features, links, machine, networkd, processes, proxies, resolvers, routes, sockets, sshd, swaps, sync, traces, volumes};
use crate::context::HostContext;
use crate::error::HostError;
use crate::facts::facts;
use crate::sysctl;

/// Programs that keep the clock right, as the kernel names processes: the first 15 characters.
const TIME_SERVICES: [&str; 5] = ["chronyd", "systemd-timesyn", "ntpd", "ptp4l", "phc2sys"];

/// Inspects this host; what waits for something (names, DNS servers, the disk, programs) runs at the same time. What barque manages is left
/// empty: only the agent knows.
pub async fn inspect(context: &HostContext, request: &InspectRequest) -> Result<Inspection, HostError> {
    let processes = {
        let context = context.clone();
        tokio::task::spawn_blocking(move || processes::processes(&context))
    };
    let kernel = {
        let (context, request) = (context.clone(), request.clone());
        tokio::task::spawn_blocking(move || kernel(&context, &request))
    };
    let measured = {
        let (context, path) = (context.clone(), request.sync_path.clone());
        tokio::task::spawn_blocking(move || path.and_then(|path| sync::measure(&context, &path)))
    };
    let (facts, processes, kernel, measured, resolvers, systemd, ssh, filters) = tokio::join!(
        facts(context),
        processes,
        kernel,
        measured,
        resolvers::resolvers(context, request.thorough),
        machine::systemd_version(),
        async { if request.thorough { sshd::limits().await } else { None } },
        async { if request.thorough { traces::packet_filters().await } else { Vec::new() } },
    );
    let processes: Vec<Process> = processes.map_err(io::Error::other)?;
    let (features, parameters) = kernel.map_err(io::Error::other)?;
    let mut system = machine::system(context);
    system.systemd = systemd;
    let mut traces = traces::traces(context, &processes);
    traces.extend(filters);
    let inspection = Inspection {
        facts: facts?,
        managed: Managed::default(),
        interrupted: Managed::default(),
        system,
        features,
        parameters,
        swaps: swaps::swaps(context),
        volumes: volumes::volumes(context, &request.paths),
        sync: measured.map_err(io::Error::other)?,
        links: links::links(),
        routes: routes::routes(context),
        resolvers,
        networkd: networkd::networkd(context, &processes),
        listeners: sockets::listeners(context, &request.ports, &processes),
        traces,
        ssh,
        proxies: proxies::proxies(context),
        packages: dpkg::package_manager(context),
        time_service: processes.iter().any(|process| TIME_SERVICES.contains(&process.name.as_str())),
        clock_millis: 0,
    };
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Inspection { clock_millis: i64::try_from(clock.as_millis()).unwrap_or(i64::MAX), ..inspection })
}

fn kernel(context: &HostContext, request: &InspectRequest) -> (Vec<Feature>, Vec<Parameter>) {
    let parameter = |key: &String| {
        let asked = Sysctl { key: key.clone(), value: String::new(), required: false };
        match sysctl::observe(context, &asked) {
            Ok(Observed::Sysctl { value, writable }) => Parameter { key: key.clone(), value: Some(value), writable },
            _ => Parameter { key: key.clone(), value: None, writable: false },
        }
    };
    (features::features(context, &request.features), request.parameters.iter().map(parameter).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn inspects_this_machine() {
        let request = InspectRequest {
            paths: vec!["/var/lib/etcd".into()],
            features: vec!["overlay".into()],
            parameters: vec!["net.ipv4.ip_forward".into(), "net.none.such".into()],
            ports: [1].into(),
            sync_path: None,
            thorough: false,
        };
        let found = inspect(&HostContext::new("/"), &request).await.unwrap();
        assert!(found.volumes.len() == 1 && found.features.len() == 1 && found.links.iter().all(|link| link.mac.len() == 17));
        assert!(found.parameters[0].value.is_some() && found.parameters[1].value.is_none());
        assert!(found.clock_millis > 1_700_000_000_000);
    }
}
