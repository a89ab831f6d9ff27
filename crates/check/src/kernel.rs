//! The kernel: version, control groups, features, parameters.

use barque_model::KubeProxyMode;

use crate::evaluate::HostView;
use crate::inspection::FeatureState;
use crate::{CheckId, Finding};

/// kube-proxy's own limit for nftables (kubernetes.io, "Kernel Version Requirements").
const NFTABLES: (u32, u32) = (5, 13);
/// The oldest that Kubernetes is tested with.
const OLDEST: (u32, u32) = (4, 19);

pub(crate) fn find(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    if !view.host.is_node() {
        return;
    }
    version(view, findings);
    if !view.inspection.facts.cgroup_v2 && view.cluster.kubelet.fail_cgroup_v1 {
        findings.push(view.finding(
            CheckId::CgroupVersion,
            "it uses cgroup v1, which kubelet refuses from release 1.35 on",
            "boot it with cgroup v2 (`systemd.unified_cgroup_hierarchy=1`), or set `spec.kubelet.failCgroupV1: false`",
        ));
    }
    let missing = view.inspection.features.iter().filter(|feature| feature.state == FeatureState::Missing);
    for feature in missing {
        let remedy = if feature.name == "vxlan" {
            "use a kernel that has it, or set `spec.network.flannel.backend: host-gw`".to_owned()
        } else {
            format!("use a kernel that has it; `modprobe {}` on the host says more", feature.name)
        };
        let message = format!("its kernel {} has no {}, neither built in nor as a module", view.inspection.facts.kernel, feature.name);
        findings.push(view.finding(CheckId::KernelFeature, message, remedy));
    }
    parameters(view, findings);
}

fn version(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    let kernel = &view.inspection.facts.kernel;
    let Some(found) = parse(kernel) else { return };
    if found < OLDEST {
        let message = format!("its kernel {kernel} is older than {}.{}", OLDEST.0, OLDEST.1);
        findings.push(view.finding(CheckId::KernelVersion, message, "boot a newer kernel"));
    } else if found < NFTABLES && view.cluster.network.kube_proxy_mode == KubeProxyMode::Nftables {
        let message = format!("its kernel {kernel} is older than {}.{}, which kube-proxy needs for nftables", NFTABLES.0, NFTABLES.1);
        findings.push(view.finding(CheckId::KernelVersion, message, "boot a newer kernel, or set `spec.network.kubeProxyMode: iptables`"));
    }
}

/// The first two numbers of a kernel's release.
fn parse(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn parameters(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    for (key, wanted, required) in barque_render::sysctls(view.cluster, view.host) {
        let Some(found) = view.inspection.parameters.iter().find(|parameter| parameter.key == key) else { continue };
        let same = found.value.as_ref().is_some_and(|value| value.split_whitespace().eq(wanted.split_whitespace()));
        if same || found.writable {
            continue;
        }
        // Those that come with a module are there once it is loaded; containers are refused most.
        let expected = found.value.is_some() && !view.inspection.system.container;
        let id = match (required, expected) {
            (true, _) => CheckId::KernelParameter,
            (false, true) => CheckId::KernelTuning,
            (false, false) => continue,
        };
        let message = match &found.value {
            Some(value) => format!("the kernel parameter {key} is {value}, should be {wanted}, and cannot be written"),
            None => format!("the kernel has no parameter {key}"),
        };
        findings.push(view.finding(id, message, format!("set it on the machine that the kernel runs on: `sysctl -w {key}={wanted}`")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_have_two_numbers() {
        assert_eq!(parse("6.18.44-fc-v782"), Some((6, 18)));
        assert_eq!(parse("4.19-rc1"), Some((4, 19)));
        assert_eq!(parse("linux"), None);
        assert!((4, 20) > OLDEST && (5, 4) < NFTABLES && (10, 0) > NFTABLES);
    }
}
