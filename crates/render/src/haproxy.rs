//! haproxy: passes TLS through to the API servers that say they are ready.

use std::fmt::Write as _;

use barque_model::{Cluster, Component, HostFile, LoadBalancer, Role};

use crate::args::Args;
use crate::component::{RenderFacts, url_host};
use crate::header::managed;
use crate::paths::{API_PORT, CA};

/// The backend's name; barque drains `masters/HOST` through the admin socket before it restarts that master.
const BACKEND: &str = "masters";

/// On loopback, with the add-on `monitoring` only: haproxy's metrics in Prometheus's format.
pub(crate) const METRICS_PORT: u16 = 8405;
/// Their path.
pub(crate) const METRICS_PATH: &str = "/metrics";

/// haproxy's only flag of barque's, which has one dash and no `=`: Debian's unit would set it itself if this file did not.
const MASTER_SOCKET: (&str, &str) = ("S", "/run/haproxy-master.sock");

/// Flags as `explain` shows them.
/// Lines of `[Service]` on every host.
const SERVICE: &str = "EnvironmentFile=/etc/haproxy/haproxy.env\nRestart=always\nRestartSec=1\nLimitNOFILE=1048576\n# Holds the admin socket.\nRuntimeDirectory=haproxy\nRuntimeDirectoryPreserve=yes\n";

/// Says what Debian's unit says and [`SERVICE`], for hosts that have no unit. The shell's `kill`, since small systems have no other.
fn whole_unit() -> HostFile {
    let text = format!(
        "\
[Unit]
Description=haproxy, which spreads connections to the API
Documentation=https://docs.haproxy.org
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=/usr/local/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid $EXTRAOPTS
ExecReload=/usr/local/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg -c $EXTRAOPTS
ExecReload=/bin/sh -c \"kill -USR2 $MAINPID\"
KillMode=mixed
# After SIGTERM it ends with 128 and the signal's number.
SuccessExitStatus=143
{SERVICE}
[Install]
WantedBy=multi-user.target
"
    );
    HostFile::public("/etc/systemd/system/haproxy.service", managed(&text))
}

pub(crate) fn args(cluster: &Cluster) -> Args {
    let mut args = Args::new();
    args.set(MASTER_SOCKET.0, MASTER_SOCKET.1);
    args.merged(cluster, Component::Haproxy)
}

pub(crate) fn files(cluster: &Cluster, facts: &RenderFacts) -> Vec<HostFile> {
    let Some(balancer) = &cluster.load_balancer else {
        return Vec::new();
    };
    let (flag, socket) = MASTER_SOCKET;
    let mut environment = Args::new().merged(cluster, Component::Haproxy).environment_file("EXTRAOPTS");
    environment = environment.replacen("EXTRAOPTS=\"", &format!("EXTRAOPTS=\"-{flag} {socket} "), 1).replace(" \"\n", "\"\n");
    let drop_in = format!("[Unit]\nStartLimitIntervalSec=0\n\n[Service]\n{SERVICE}");
    let config = format!("{}{}{}", config(cluster, &bind(balancer, balancer.port)), web(cluster, balancer), metrics(cluster));
    let unit = if facts.whole_units {
        whole_unit()
    } else {
        HostFile::public("/etc/systemd/system/haproxy.service.d/10-barque.conf", managed(&drop_in))
    };
    vec![HostFile::public("/etc/haproxy/haproxy.env", environment), HostFile::public("/etc/haproxy/haproxy.cfg", managed(&config)), unit]
}

/// All addresses: the VIP comes and goes.
fn bind(balancer: &LoadBalancer, port: u16) -> String {
    if balancer.vip.is_ipv6() { format!("[::]:{port} v4v6") } else { format!("*:{port}") }
}

/// Web ports of the add-on `ingress`, passed on to the nodes that answer.
fn web(cluster: &Cluster, balancer: &LoadBalancer) -> String {
    let mut text = String::new();
    let Some(front) = cluster.ingress_front() else { return text };
    for (name, passed) in front.both() {
        let bind = bind(balancer, passed.port);
        let _ = write!(
            text,
            "
frontend ingress-{name}
    bind {bind}
    timeout client 1h
    default_backend ingress-{name}

backend ingress-{name}
    balance leastconn
    timeout server 1h
    # Connections to a node that is gone end within half a minute.
    srvtcpka-idle 10s
    srvtcpka-intvl 5s
    srvtcpka-cnt 3
    # kube-proxy says whether a node has a pod that takes new connections. One that is stopping finishes those that it has.
    option httpchk
    http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host {name}
    http-check expect status 200
    # The pod learns the client's address from the header, which it takes from balancers alone.
    default-server check port {health} inter 1s fall 2 rise 1 send-proxy-v2
",
            health = front.health_node_port
        );
        for node in cluster.hosts.iter().filter(|host| host.is_node()) {
            let _ = writeln!(text, "    server {} {}:{}", node.name, url_host(node.address), passed.node_port);
        }
    }
    text
}

/// For the metrics gateway of the add-on `monitoring`, which lets nobody else ask from outside.
fn metrics(cluster: &Cluster) -> String {
    if cluster.monitoring().is_none() {
        return String::new();
    }
    format!(
        "
frontend metrics
    bind 127.0.0.1:{METRICS_PORT}
    mode http
    # Each measurement is a request; only faults are worth a line.
    option dontlog-normal
    timeout client 10s
    timeout http-request 5s
    http-request use-service prometheus-exporter if {{ path {METRICS_PATH} }}
    http-request deny deny_status 404
"
    )
}

fn config(cluster: &Cluster, bind: &str) -> String {
    let mut servers = String::new();
    for master in cluster.with_role(Role::Master) {
        // With `check-sni` haproxy also verifies that the certificate is this host's.
        let _ = writeln!(
            servers,
            "    server {name} {address}:{API_PORT} check-sni {name}",
            name = master.name,
            address = url_host(master.address)
        );
    }
    format!(
        "\
global
    log stderr format raw local0 notice
    chroot /var/lib/haproxy
    user haproxy
    group haproxy
    # Half of these are connections, some 50000. No `maxconn`: haproxy would refuse to start on a host whose own limit is lower.
    fd-hard-limit 100000
    # barque takes a master out of balance here before it restarts it: `set server {BACKEND}/HOST state drain`. A reload loses no connection
    # without `expose-fd listeners`: Debian's unit runs a master, which hands the listeners from the old worker to the new one by itself.
    stats socket /run/haproxy/admin.sock mode 600 level admin
    # After a reload the old process lives as long as its connections, and watches last for hours.
    hard-stop-after 5m

defaults
    mode tcp
    log global
    option dontlognull
    # A connection to a dead master is tried at another one at once.
    retries 3
    option redispatch 1
    timeout connect 2s
    timeout check 1500ms
    timeout queue 10s
    # Watches, `kubectl exec` and `logs -f` are silent for long; clients of the API notice dead peers themselves (HTTP/2 pings).
    timeout client 4h
    timeout server 4h
    timeout client-fin 1s
    timeout server-fin 1s
    option clitcpka
    option srvtcpka

frontend kubernetes-api
    # All addresses: the VIP comes and goes, and both balancers serve on their own addresses too.
    bind {bind}
    default_backend {BACKEND}

backend {BACKEND}
    balance leastconn
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host kubernetes
    http-check expect status 200
    # Out after two failures, in after one success. kube-apiserver's --shutdown-delay-duration is longer than this takes. A master that is
    # marked down loses its connections, else clients of a frozen one would wait for their own timeouts.
    default-server check check-ssl verify required ca-file {CA} inter 1s fastinter 500ms downinter 1s fall 2 rise 1 on-marked-down shutdown-sessions
{servers}"
    )
}
