//! Every flag that the catalog names is known to the program that runs on the hosts.

use anyhow::{Result, ensure};
use barque_catalog::missing_flags;
use barque_e2e::Scenario;
use barque_model::Component;

const CATALOGUED: [Component; 7] = [
    Component::Etcd,
    Component::KubeApiserver,
    Component::KubeControllerManager,
    Component::KubeScheduler,
    Component::Kubelet,
    Component::KubeProxy,
    Component::Flanneld,
];

pub(crate) fn check(scenario: &Scenario) -> Result<()> {
    scenario.step("flags of the catalog against --help");
    for component in CATALOGUED {
        // flanneld's help ends with the status of a wrong flag and goes to standard error.
        let help = scenario.lab.get("m1", &format!("/usr/local/bin/{} --help 2>&1 || true", component.program()))?;
        ensure!(help.lines().count() > 10, "{component} prints no help: {help}");
        let missing = missing_flags(component, &help);
        ensure!(missing.is_empty(), "{component} does not know {missing:?}");
    }
    Ok(())
}
