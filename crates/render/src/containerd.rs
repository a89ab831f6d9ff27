//! containerd.

use barque_model::{Cluster, Component, Host, HostFile, Release, Version};
use serde_json::Value;

use crate::args::Args;
use crate::header::managed;
use crate::host::kernel_modules;
use crate::paths::{CERTS_D, CNI_BINARIES, CNI_CONFIG};
use crate::unit::{Sandbox, Service};

const CONFIG: &str = "/etc/containerd/config.toml";

pub(crate) fn args(cluster: &Cluster) -> Args {
    let mut args = Args::new();
    args.set("config", CONFIG);
    args.merged(cluster, Component::Containerd)
}

pub(crate) fn files(cluster: &Cluster, release: &Release, host: &Host) -> Vec<HostFile> {
    let environment = args(cluster).environment_file("ARGS");
    let mut lines = vec![
        // Not modules-load.d: that fails at boot on kernels with these built in and no module tree. A failure here is of no consequence.
        format!("ExecStartPre=-/sbin/modprobe -abq {}", kernel_modules(cluster, host).join(" ")),
        // The bridge's parameters exist only once its module is there, which at boot may be after systemd-sysctl ran.
        format!("ExecStartPre=-/usr/lib/systemd/systemd-sysctl {}", crate::host::SYSCTL_FILE),
        // Containers outlive a restart of containerd, and their cgroups are its own to manage.
        "Delegate=yes".into(),
        "KillMode=process".into(),
        "LimitNPROC=infinity".into(),
        "LimitCORE=infinity".into(),
        "TasksMax=infinity".into(),
    ];
    if !cluster.runtime.restrict_oom_score_adj {
        lines.push("OOMScoreAdjust=-999".into());
    }
    let unit = Service {
        component: Component::Containerd,
        description: "containerd container runtime",
        documentation: "https://containerd.io/docs/",
        after: &["dbus.service"],
        wants: &[],
        kind: "notify",
        environment_file: "/etc/containerd/containerd.env",
        lines: &lines,
        sandbox: Sandbox::None,
        start_timeout: 120,
        stop_timeout: 30,
    };
    vec![
        HostFile::public("/etc/containerd/containerd.env", environment),
        HostFile::public(CONFIG, managed(&config(cluster, release))),
        unit.file(),
    ]
}

/// The configuration, in the form of the containerd that reads it. No TCP listener: sockets in `/run/containerd`, and a stream server for
/// `kubectl exec` on loopback.
fn config(cluster: &Cluster, release: &Release) -> String {
    let values = Values {
        root: quoted(&cluster.runtime.data_directory),
        pause: cluster.runtime.pause_image.clone().unwrap_or_else(|| crate::needs::pause_reference(release)),
        restrict: cluster.runtime.restrict_oom_score_adj,
    };
    if release.containerd < Version::new(2, 0, 0) { config_of_1(&values) } else { config_of_2(&values, release.containerd) }
}

struct Values {
    root: String,
    pause: String,
    restrict: bool,
}

/// containerd 1.x: version 2 of the form, with one plugin for all of CRI (containerd 1.7, `docs/cri/config.md`).
fn config_of_1(values: &Values) -> String {
    format!(
        "version = 2
root = {root}
imports = ['/etc/containerd/conf.d/*.toml']

[plugins.'io.containerd.grpc.v1.cri']
  sandbox_image = '{pause}'
  restrict_oom_score_adj = {restrict}
  disable_tcp_service = true
  stream_server_address = '127.0.0.1'

[plugins.'io.containerd.grpc.v1.cri'.registry]
  config_path = '{CERTS_D}'

[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc.options]
  BinaryName = '/usr/local/bin/runc'
  SystemdCgroup = true

[plugins.'io.containerd.grpc.v1.cri'.cni]
  bin_dir = '{CNI_BINARIES}'
  conf_dir = '{CNI_CONFIG}'
",
        root = values.root,
        pause = values.pause,
        restrict = values.restrict,
    )
}

/// containerd 2.x: version 3 of the form, 4 from 2.3 on; a list of folders with CNI plugins from 2.1 on (containerd 2.x, `docs/cri/config.md`).
fn config_of_2(values: &Values, containerd: Version) -> String {
    let version = if containerd < Version::new(2, 3, 0) { 3 } else { 4 };
    let binaries =
        if containerd < Version::new(2, 1, 0) { format!("bin_dir = '{CNI_BINARIES}'") } else { format!("bin_dirs = ['{CNI_BINARIES}']") };
    format!(
        "version = {version}
root = {root}
imports = ['/etc/containerd/conf.d/*.toml']

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{pause}'

[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = '{CERTS_D}'

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = {restrict}

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = '/usr/local/bin/runc'
  SystemdCgroup = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
  {binaries}
  conf_dir = '{CNI_CONFIG}'

[plugins.'io.containerd.grpc.v1.cri']
  disable_tcp_service = true
  stream_server_address = '127.0.0.1'
",
        root = values.root,
        pause = values.pause,
        restrict = values.restrict,
    )
}

/// A TOML basic string; for the characters that occur here JSON's quoting is the same.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn each_containerd_gets_its_own_form() {
        let shown = |version| {
            let release = Release { containerd: version, ..testing::release() };
            config(&testing::cluster(), &release)
        };
        insta::assert_snapshot!("config-of-1.7", shown(Version::new(1, 7, 28)));
        let lines = |version: Version| {
            let text = shown(version);
            let wanted = |line: &&str| line.starts_with("version") || line.contains("bin_dir");
            text.lines().filter(wanted).map(str::trim).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(lines(Version::new(2, 0, 6)), "version = 3; bin_dir = '/opt/cni/bin'");
        assert_eq!(lines(Version::new(2, 2, 1)), "version = 3; bin_dirs = ['/opt/cni/bin']");
        assert_eq!(lines(Version::new(2, 4, 2)), "version = 4; bin_dirs = ['/opt/cni/bin']");
    }

    #[test]
    fn the_image_behind_every_pod_may_come_from_a_registry() {
        let mut cluster = testing::cluster();
        cluster.runtime.pause_image = Some("registry.example:5000/pause:3.10".to_owned());
        let text = config(&cluster, &testing::release());
        assert!(text.contains("sandbox = 'registry.example:5000/pause:3.10'"), "{text}");
        let needs = |cluster: &Cluster| crate::needed_images(cluster, &testing::release()).len();
        assert_eq!(needs(&cluster) + 1, needs(&testing::cluster()));
    }
}
