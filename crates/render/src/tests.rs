//! Snapshots of every file, and the properties that matter whatever the text is.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use barque_model::{Cluster, Component, FlannelBackend, Host, HostFile, KubeProxyMode, RUN_MARKER, Role, Taint, TaintEffect};
use serde_json::Value;

use crate::testing::{cluster, release};
use crate::{
    RenderFacts, WATCHDOG_FILES, binaries, component_files, directories, host_files, images, kernel_modules, objects, packages, sysctls,
};

mod whole_units;

fn facts() -> RenderFacts {
    RenderFacts { interface: Some("eth0".into()), whole_units: false }
}

fn host<'a>(cluster: &'a Cluster, name: &str) -> &'a Host {
    cluster.host(&name.parse().unwrap()).unwrap()
}

fn files(cluster: &Cluster, name: &str, component: Component) -> Vec<HostFile> {
    component_files(cluster, &release(), host(cluster, name), component, &facts())
}

fn all_files(cluster: &Cluster) -> Vec<HostFile> {
    let mut all = Vec::new();
    for host in &cluster.hosts {
        for component in Component::ALL {
            all.extend(component_files(cluster, &release(), host, component, &facts()));
        }
        all.extend(host_files(cluster, host));
    }
    all
}

fn text(file: &HostFile) -> String {
    String::from_utf8(file.content.expose().to_vec()).unwrap()
}

fn content(cluster: &Cluster, name: &str, component: Component, path: &str) -> String {
    text(files(cluster, name, component).iter().find(|file| file.path == path).unwrap())
}

fn show(files: &[HostFile]) -> String {
    let mut shown = String::new();
    for file in files {
        let _ = write!(shown, "===== {} {:04o} {}:{}\n{}", file.path, file.mode, file.owner.user, file.owner.group, text(file));
    }
    shown
}

#[test]
fn files_of_one_host_of_each_role() {
    let cluster = cluster();
    for name in ["lb1", "m1", "n1"] {
        for component in Component::ALL.into_iter().filter(|component| host(&cluster, name).runs(*component)) {
            insta::assert_snapshot!(format!("{name}-{component}"), show(&files(&cluster, name, component)));
        }
        insta::assert_snapshot!(format!("{name}-host"), show(&host_files(&cluster, host(&cluster, name))));
    }
}

#[test]
fn balancers_pass_web_ports_on_to_the_ingress() {
    let mut cluster = cluster();
    let settings = serde_json::json!({"behindLoadBalancer": true, "httpPort": 80, "httpsPort": 443, "httpNodePort": 30080, "httpsNodePort": 30443, "healthNodePort": 30081});
    let name = "ingress".parse().unwrap();
    cluster.addons.push(barque_model::ClusterAddon { name, origin: barque_model::AddonOrigin::Barque, settings });
    let files = component_files(&cluster, &release(), host(&cluster, "lb1"), Component::Haproxy, &facts());
    let config = text(files.iter().find(|file| file.path.ends_with("haproxy.cfg")).unwrap());
    insta::assert_snapshot!("lb1-haproxy-ingress", &config[config.find("frontend ingress-http").unwrap()..]);
}

#[test]
fn monitoring_asks_etcd_and_balancers_through_a_gateway() {
    let without = cluster();
    let mut with = cluster();
    let settings = serde_json::json!({"hostMetricsPort": 9100, "gatewayPort": 9259});
    let name = "monitoring".parse().unwrap();
    with.addons.push(barque_model::ClusterAddon { name, origin: barque_model::AddonOrigin::Barque, settings });
    let own = |cluster: &Cluster, name: &str| {
        let mut files = host_files(cluster, host(cluster, name));
        files.retain(|file| crate::is_of_metrics_gateway(&file.path));
        files
    };
    for name in ["lb1", "m1"] {
        insta::assert_snapshot!(format!("{name}-metrics-gateway"), show(&own(&with, name)));
    }
    assert!(own(&with, "n1").is_empty(), "neither etcd nor a balancer");
    assert!(without.hosts.iter().all(|host| own(&without, host.name.as_str()).is_empty()));
    let config = content(&with, "lb1", Component::Haproxy, "/etc/haproxy/haproxy.cfg");
    insta::assert_snapshot!("lb1-haproxy-metrics", &config[config.find("frontend metrics").unwrap()..]);
    let flags = with.extra_args.entry(Component::Etcd).or_default();
    flags.insert("listen-metrics-urls".into(), "https://10.0.0.11:2381,http://127.0.0.1:12381/".into());
    assert!(show(&own(&with, "m1")).contains("\"/etcd\" = \"http://127.0.0.1:12381/metrics\""), "a flag of the cluster file counts");
}

#[test]
fn dns_serves_its_metrics_over_tls_where_they_are_asked_for() {
    let mut with = cluster();
    let settings = serde_json::json!({"hostMetricsPort": 9100, "gatewayPort": 9259});
    let name = "monitoring".parse().unwrap();
    with.addons.push(barque_model::ClusterAddon { name, origin: barque_model::AddonOrigin::Barque, settings });
    let (before, after) = (objects(&cluster(), &release()).dns, objects(&with, &release()).dns);
    assert_eq!((after.len(), &after[0]["metadata"]["name"]), (before.len() + 1, &"coredns-tls".into()), "before the pods that wait for it");
    assert!(before.iter().all(|object| object["kind"] != "Secret"));
    let changed: Vec<String> =
        after[1..].iter().zip(&before).filter(|(after, before)| after != before).map(|(after, _)| after["kind"].to_string()).collect();
    assert_eq!(changed, ["\"ConfigMap\"", "\"Deployment\""]);
    let of = |kind: &str| after.iter().find(|object| object["kind"] == kind).unwrap();
    let corefile = of("ConfigMap")["data"]["Corefile"].as_str().unwrap();
    let metrics = corefile.find("    prometheus").map(|place| &corefile[place..corefile.find("    forward").unwrap()]);
    let volume = &of("Deployment")["spec"]["template"]["spec"]["volumes"][0];
    insta::assert_snapshot!(
        "dns-metrics-over-tls",
        format!("{}{:#}\n{}{volume:#}", metrics.unwrap(), after[0], of("ConfigMap")["data"]["web.yaml"].as_str().unwrap())
    );
}

#[test]
fn pods_ask_the_cache_of_their_node_before_the_service() {
    let mut with = cluster();
    let settings = serde_json::json!({"address": "169.254.20.10"});
    with.addons.push(barque_model::ClusterAddon {
        name: "dns-cache".parse().unwrap(),
        origin: barque_model::AddonOrigin::Barque,
        settings,
    });
    let added = |path: &str| {
        let (before, after) = (content(&cluster(), "n1", Component::Kubelet, path), content(&with, "n1", Component::Kubelet, path));
        after.lines().filter(|line| !before.contains(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(added("/var/lib/kubelet/config.yaml"), ["  - \"169.254.20.10\""]);
    assert_eq!(added("/etc/systemd/system/kubelet.service"), ["ExecStartPre=ip address replace 169.254.20.10/32 dev lo"]);
}

#[test]
fn dns_grows_with_the_cluster_and_knows_other_domains() {
    let dns = |cluster: &Cluster| {
        let objects = objects(cluster, &release()).dns;
        let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap().clone();
        (of("Deployment")["spec"]["replicas"].clone(), of("ConfigMap")["data"]["Corefile"].as_str().unwrap().to_owned())
    };
    let mut cluster = cluster();
    assert_eq!(dns(&cluster).0, 2, "five nodes");
    let node = host(&cluster, "n1").clone();
    for number in 0..30 {
        cluster.hosts.push(barque_model::Host { name: format!("x{number}").parse().unwrap(), ..node.clone() });
    }
    assert_eq!(dns(&cluster).0, 3, "35 nodes");
    let settings = serde_json::json!({"replicas": 1, "nodesPerReplica": 16, "cacheSeconds": 5, "forward": ["192.0.2.53"], "stubDomains": [{"domain": "corp.example", "servers": ["192.0.2.54", "192.0.2.55:5353"]}]});
    let name = "dns".parse().unwrap();
    cluster.addons = vec![barque_model::ClusterAddon { name, origin: barque_model::AddonOrigin::Barque, settings }];
    let (replicas, corefile) = dns(&cluster);
    assert_eq!(replicas, 1);
    insta::assert_snapshot!("corefile-with-settings", corefile);
}

#[test]
fn needs_of_one_host_of_each_role() {
    let cluster = cluster();
    let mut shown = String::new();
    for name in ["lb1", "m1", "n1"] {
        let host = host(&cluster, name);
        let _ = writeln!(shown, "{name}\n  packages {:?}\n  modules {:?}", packages(&cluster, host), kernel_modules(&cluster, host));
        for need in binaries(&release(), host) {
            let _ = writeln!(shown, "  {} {} {}", need.path, need.artifact, need.version);
        }
        for (path, mode, owner) in directories(&cluster, host) {
            let _ = writeln!(shown, "  {path} {mode:04o} {}:{}", owner.user, owner.group);
        }
        for (key, value, required) in sysctls(&cluster, host) {
            let _ = writeln!(shown, "  {key}={value}{}", if required { " required" } else { "" });
        }
    }
    for need in images(&release()) {
        let _ = writeln!(shown, "image {} {} {}", need.reference, need.artifact, need.version);
    }
    insta::assert_snapshot!("needs", shown);
}

#[test]
fn cluster_objects() {
    let objects = objects(&cluster(), &release());
    let show = |list: &[Value]| list.iter().map(|object| format!("{object:#}")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!("objects-bootstrap", show(&objects.bootstrap));
    insta::assert_snapshot!("objects-dns", show(&objects.dns));
    for object in objects.bootstrap.iter().chain(&objects.dns) {
        assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/managed-by"], "barque");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(all_files(&cluster()), all_files(&cluster()));
    assert_eq!(objects(&cluster(), &release()).dns, objects(&cluster(), &release()).dns);
}

#[test]
fn every_file_that_takes_comments_says_who_manages_it() {
    for file in all_files(&cluster()) {
        let text = text(&file);
        let is_json = file.path.contains("net-conf.json") || file.path.ends_with(".conflist");
        assert_eq!(text.matches(RUN_MARKER).count(), usize::from(!is_json), "{}", file.path);
        assert!(text.ends_with('\n') && !file.sensitive, "{}", file.path);
        let first = usize::from(text.starts_with("#!"));
        assert!(is_json || text.lines().nth(first).unwrap().starts_with("# Managed by barque"), "{}", file.path);
    }
}

#[test]
fn every_file_has_its_directory() {
    // Directories that any host with systemd has.
    let given = ["/etc/systemd/system", "/etc/sysctl.d"];
    let cluster = cluster();
    for host in &cluster.hosts {
        let known: BTreeSet<String> = directories(&cluster, host).into_iter().map(|(path, _, _)| path).collect();
        for component in Component::ALL {
            for file in component_files(&cluster, &release(), host, component, &facts()) {
                let parent = file.path.rsplit_once('/').unwrap().0;
                assert!(known.contains(parent) || given.contains(&parent), "{} {}", host.name, file.path);
            }
        }
    }
}

#[test]
fn each_component_has_files_exactly_where_it_runs() {
    let cluster = cluster();
    for host in &cluster.hosts {
        for component in Component::ALL {
            let files = component_files(&cluster, &release(), host, component, &facts());
            assert_eq!(files.is_empty(), !host.runs(component), "{} {component}", host.name);
        }
    }
}

/// Units and drop-ins of components.
fn units(cluster: &Cluster) -> Vec<HostFile> {
    let is_unit = |file: &HostFile| file.path.starts_with("/etc/systemd/system/") && !WATCHDOG_FILES.contains(&file.path.as_str());
    all_files(cluster).into_iter().filter(is_unit).collect()
}

#[test]
fn each_host_watches_exactly_its_own_units() {
    let cluster = cluster();
    for host in &cluster.hosts {
        let files = host_files(&cluster, host);
        let script = text(files.iter().find(|file| file.path == WATCHDOG_FILES[0]).unwrap());
        let units: Vec<&str> =
            script.lines().find_map(|line| line.strip_prefix("units='")?.strip_suffix('\'')).unwrap().split(' ').collect();
        let expected: Vec<String> = Component::ALL.into_iter().filter(|component| host.runs(*component)).map(Component::unit).collect();
        assert_eq!(units, expected, "{}", host.name);
        for path in WATCHDOG_FILES {
            assert!(files.iter().any(|file| file.path == path), "{} lacks {path}", host.name);
        }
    }
}

#[test]
fn units_restart_for_ever_and_start_at_boot() {
    for unit in units(&cluster()) {
        let text = text(&unit);
        for line in ["Restart=always", "RestartSec=1", "StartLimitIntervalSec=0"] {
            assert!(text.lines().any(|found| found == line), "{} lacks {line}", unit.path);
        }
        if unit.path.ends_with(".service") {
            assert!(text.contains("\nWants=network-online.target") && text.contains("\nAfter=network-online.target"), "{}", unit.path);
            assert!(text.ends_with("[Install]\nWantedBy=multi-user.target\n"), "{}", unit.path);
            assert!(text.contains("\nEnvironmentFile=/etc/"), "{}", unit.path);
        }
    }
}

#[test]
fn hosts_that_refuse_oom_scores_are_not_asked_for_them() {
    let mut cluster = cluster();
    assert!(units(&cluster).iter().any(|unit| text(unit).contains("OOMScoreAdjust=-999")));
    cluster.runtime.restrict_oom_score_adj = true;
    assert!(units(&cluster).iter().all(|unit| !text(unit).contains("OOMScoreAdjust")));
    let config = content(&cluster, "n1", Component::Containerd, "/etc/containerd/config.toml");
    assert!(config.contains("restrict_oom_score_adj = true"));
}

#[test]
fn an_api_server_stops_within_its_units_patience() {
    let unit = content(&cluster(), "m1", Component::KubeApiserver, "/etc/systemd/system/kube-apiserver.service");
    let seconds: u32 = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap().parse().unwrap();
    assert!(seconds >= 5 + 5 + 60, "{seconds}");
}

#[test]
fn one_master_neither_waits_nor_sends_clients_away() {
    let mut cluster = cluster();
    cluster.hosts.retain(|host| !matches!(host.name.as_str(), "m2" | "m3" | "lb1" | "lb2"));
    cluster.load_balancer = None;
    let flags = crate::apiserver::args(&cluster, host(&cluster, "m1")).environment_file("ARGS");
    assert!(flags.contains("--shutdown-delay-duration=0s") && !flags.contains("goaway"), "{flags}");
    assert!(flags.contains("--etcd-servers=https://10.77.0.21:2379 "), "{flags}");
}

#[test]
fn masters_are_tainted_unless_they_are_nodes_too() {
    let mut cluster = cluster();
    let config = |cluster: &Cluster, name: &str| crate::kubelet::config(cluster, host(cluster, name));
    assert_eq!(config(&cluster, "m1")["registerWithTaints"][0]["key"], "node-role.kubernetes.io/control-plane");
    assert!(config(&cluster, "n1").get("registerWithTaints").is_none());
    cluster.hosts[2].roles.insert(Role::Node);
    cluster.hosts[5].taints.push(Taint { key: "gpu".into(), value: "a".into(), effect: TaintEffect::NoExecute });
    assert!(config(&cluster, "m1").get("registerWithTaints").is_none());
    assert_eq!(config(&cluster, "n1")["registerWithTaints"], serde_json::json!([{"key": "gpu", "value": "a", "effect": "NoExecute"}]));
}

#[test]
fn the_packet_filter_is_the_same_everywhere() {
    let mut cluster = cluster();
    for (mode, word, nft) in [(KubeProxyMode::Nftables, "nftables", true), (KubeProxyMode::Iptables, "iptables", false)] {
        cluster.network.kube_proxy_mode = mode;
        let node = host(&cluster, "n1");
        // flanneld needs the program of the mode it is not in, too.
        assert_eq!(packages(&cluster, node), ["iptables", "nftables"]);
        assert_eq!(crate::kubelet::config(&cluster, node)["makeIPTablesUtilChains"], !nft);
        assert_eq!(crate::kube_proxy::config(&cluster, node)["mode"], word);
        let net_conf = content(&cluster, "n1", Component::Flanneld, "/etc/kube-flannel/net-conf.json");
        assert!(net_conf.contains(&format!("\"EnableNFTables\": {nft}")), "{net_conf}");
        let conflist = content(&cluster, "n1", Component::Flanneld, "/etc/cni/net.d/10-flannel.conflist");
        assert!(conflist.contains(&format!("\"backend\": \"{word}\"")), "{conflist}");
    }
}

#[test]
fn a_pod_mtu_is_told_to_flannel_with_the_tunnels_overhead() {
    let mut cluster = cluster();
    cluster.network.mtu = Some(1400);
    let parse =
        |cluster: &Cluster, path: &str| -> Value { serde_json::from_str(&content(cluster, "n1", Component::Flanneld, path)).unwrap() };
    assert_eq!(parse(&cluster, "/etc/kube-flannel/net-conf.json")["Backend"]["MTU"], 1450);
    assert_eq!(parse(&cluster, "/etc/cni/net.d/10-flannel.conflist")["plugins"][0]["delegate"]["mtu"], 1400);
    cluster.network.flannel_backend = FlannelBackend::HostGw;
    assert_eq!(parse(&cluster, "/etc/kube-flannel/net-conf.json")["Backend"], serde_json::json!({"Type": "host-gw"}));
}

#[test]
fn balancers_differ_in_priority_and_name_each_other() {
    let cluster = cluster();
    let config = |name| content(&cluster, name, Component::Keepalived, "/etc/keepalived/keepalived.conf");
    let (first, second) = (config("lb1"), config("lb2"));
    assert!(first.contains("priority 200\n") && first.contains("unicast_peer {\n        10.77.0.12\n    }"), "{first}");
    assert!(second.contains("priority 199\n") && second.contains("unicast_peer {\n        10.77.0.11\n    }"), "{second}");
    assert!(first.contains("interface eth0\n") && first.contains("10.77.0.10/32 dev eth0\n"));
    assert_eq!(files(&cluster, "lb1", Component::Haproxy), files(&cluster, "lb2", Component::Haproxy));
}

#[test]
fn the_cluster_file_names_the_interface_before_the_host_does() {
    let mut cluster = cluster();
    cluster.load_balancer.as_mut().unwrap().interface = Some("bond0".into());
    assert!(content(&cluster, "lb1", Component::Keepalived, "/etc/keepalived/keepalived.conf").contains("interface bond0\n"));
    cluster.load_balancer.as_mut().unwrap().interface = None;
    let lone = component_files(&cluster, &release(), host(&cluster, "lb1"), Component::Keepalived, &RenderFacts::default());
    assert!(!show(&lone).contains("interface ") && !show(&lone).contains(" dev "));
}

#[test]
fn coredns_never_asks_for_more_hosts_than_there_are() {
    let mut cluster = cluster();
    let replicas = |cluster: &Cluster| {
        objects(cluster, &release()).dns.iter().find(|object| object["kind"] == "Deployment").unwrap()["spec"]["replicas"].clone()
    };
    assert_eq!(replicas(&cluster), 2);
    cluster.hosts.retain(|host| matches!(host.name.as_str(), "m1" | "n1"));
    assert_eq!(replicas(&cluster), 2);
    cluster.hosts[0].taints.push(Taint { key: "x".into(), value: String::new(), effect: TaintEffect::NoSchedule });
    assert_eq!(replicas(&cluster), 1);
}

#[test]
fn no_listener_without_tls_leaves_loopback() {
    for file in all_files(&cluster()) {
        for line in text(&file).lines().filter(|line| line.contains("http://") || line.contains("0.0.0.0:")) {
            assert!(line.contains("http://127.0.0.1:"), "{}: {line}", file.path);
        }
    }
}
