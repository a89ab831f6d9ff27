//! What a release consists of.

use barque_model::Release;

/// The image of the workload that end-to-end tests run, without its tag.
pub const TOOLBOX_IMAGE: &str = "barque.test/toolbox";
/// Its tag.
pub(super) const TOOLBOX_VERSION: &str = "1";

/// The registry that end-to-end tests run, whatever the release: that of the add-on `registry`.
const REGISTRY_VERSION: &str = "3.1.2";

/// The version whose `promtool` judges the alert rules: that of the add-on `monitoring`.
const PROMETHEUS_VERSION: &str = "3.16.0";

/// The S3-compatible store that end-to-end tests run.
const VERSITYGW_VERSION: &str = "1.8.0";

/// Whether only tests use the component or image of this name.
pub(super) fn is_for_tests(name: &str) -> bool {
    name == TOOLBOX_IMAGE || matches!(name, "registry" | "prometheus" | "versitygw")
}

/// Programs that come from one project at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Component {
    /// Name of the component; `recipes/<name>-<version>` builds it.
    pub(super) name: &'static str,
    /// Version without `v`.
    pub(super) version: String,
    /// Names of its programs in the bundle.
    pub(super) programs: &'static [&'static str],
    /// SPDX expression of its licence, with that of what is linked in besides its language's own libraries.
    pub(super) licence: &'static str,
}

const APACHE: &str = "Apache-2.0";

/// The components of `release` that hosts get as programs, those first that other items are made from, and what tests run.
pub(super) fn components(release: &Release) -> Vec<Component> {
    let component =
        |name, version: barque_model::Version, programs| Component { name, version: version.to_string(), programs, licence: APACHE };
    vec![
        component("coredns", release.coredns, &["coredns"]),
        component("etcd", release.etcd, &["etcd", "etcdctl", "etcdutl"]),
        // libseccomp and glibc are linked in.
        Component { licence: "Apache-2.0 AND LGPL-2.1-only AND LGPL-2.1-or-later", ..component("runc", release.runc, &["runc"]) },
        component("containerd", release.containerd, &["containerd", "containerd-shim-runc-v2", "ctr"]),
        component("cni-plugins", release.cni_plugins, &["cni-bridge", "cni-host-local", "cni-loopback", "cni-portmap", "cni-ptp"]),
        component("flannel-cni", release.flannel_cni, &["cni-flannel"]),
        component("flannel", release.flannel, &["flanneld"]),
        component(
            "kubernetes",
            release.kubernetes,
            &["kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"],
        ),
        Component { name: "registry", version: REGISTRY_VERSION.to_owned(), programs: &["registry"], licence: APACHE },
        Component { name: "versitygw", version: VERSITYGW_VERSION.to_owned(), programs: &["versitygw"], licence: APACHE },
        Component { name: "prometheus", version: PROMETHEUS_VERSION.to_owned(), programs: &["promtool"], licence: APACHE },
    ]
}
