//! containerd.

use std::fmt::Write as _;

use barque_model::{Cluster, Component, Host, HostFile, Release};
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

/// The configuration, in the form of containerd 2.3 and later (version 4). No TCP listener: sockets in `/run/containerd`, and a stream
/// server for `kubectl exec` on loopback.
fn config(cluster: &Cluster, release: &Release) -> String {
    format!(
        "version = 4
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
  bin_dirs = ['{CNI_BINARIES}']
  conf_dir = '{CNI_CONFIG}'

[plugins.'io.containerd.grpc.v1.cri']
  disable_tcp_service = true
  stream_server_address = '127.0.0.1'
",
        root = quoted(&cluster.runtime.data_directory),
        pause = crate::needs::pause_reference(release),
        restrict = cluster.runtime.restrict_oom_score_adj,
    )
}

/// One `hosts.toml` per mirrored registry. containerd reads it at each pull, so a change restarts nothing.
pub(crate) fn mirror_files(cluster: &Cluster) -> Vec<HostFile> {
    let file = |(registry, mirrors): (&String, &Vec<String>)| {
        // Docker Hub answers at another name than its images carry.
        let server = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        let mut text = format!("server = {}\n", quoted(&format!("https://{server}")));
        for mirror in mirrors {
            let _ = write!(text, "\n[host.{}]\n  capabilities = [\"pull\", \"resolve\"]\n", quoted(mirror));
        }
        HostFile::public(format!("{CERTS_D}/{registry}/hosts.toml"), managed(&text))
    };
    cluster.runtime.mirrors.iter().map(file).collect()
}

/// A TOML basic string; for the characters that occur here JSON's quoting is the same.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
