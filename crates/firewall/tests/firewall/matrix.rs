//! Which flows a configuration has.

use barque_firewall::{FlowId, Matrix, Party, Protocol, matrix};
use barque_model::PortRange;

use crate::clusters::{example, narrow, read, seven};

fn ids(matrix: &Matrix) -> Vec<&str> {
    matrix.flows.iter().map(|flow| flow.id.as_str()).collect()
}

fn pairs(matrix: &Matrix, id: &FlowId) -> String {
    let pairs = matrix.with_id(id).flat_map(barque_firewall::Flow::host_pairs);
    pairs.map(|(from, to)| format!("{from}>{to}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn seven_hosts_with_etcd_beside_the_masters() {
    let matrix = matrix(&example("ha.yaml"));
    let expected = [
        "ssh",
        "contents",
        "icmp",
        "api-vip",
        "api",
        "etcd-check",
        "etcd-peer",
        "kubelet",
        "vrrp",
        "vxlan",
        "pods",
        "pods-out",
        "node-ports-tcp",
        "node-ports-udp",
    ];
    assert_eq!(ids(&matrix), expected);
    assert_eq!(pairs(&matrix, &FlowId::EtcdPeer), "m1>m2 m1>m3 m2>m1 m2>m3 m3>m1 m3>m2");
    assert_eq!(pairs(&matrix, &FlowId::Vrrp), "lb1>lb2 lb2>lb1");
    assert!(pairs(&matrix, &FlowId::Kubelet).ends_with("m3>n1 m3>n2"));
    assert!(pairs(&matrix, &FlowId::Api).contains("lb2>m3") && pairs(&matrix, &FlowId::Api).contains("n1>m1"));
    assert_eq!(pairs(&matrix, &FlowId::EtcdClient), "", "an API server beside a member asks that one");
}

#[test]
fn ten_hosts_with_etcd_of_their_own_and_host_gw() {
    let matrix = matrix(&example("separate-etcd.yaml"));
    assert!(pairs(&matrix, &FlowId::EtcdClient).starts_with("m1>etcd1 m1>etcd2 m1>etcd3 m2>etcd1"));
    assert!(ids(&matrix).contains(&"nodes-to-pods") && !ids(&matrix).contains(&"vxlan"));
    let port = matrix.with_id(&FlowId::ApiVip).next().unwrap().ports;
    assert_eq!(port, Some(PortRange { first: 8443, last: 8443 }));
    let jump = Party::Outside("jump.example.com".to_owned());
    assert_eq!(matrix.with_id(&FlowId::Ssh).next().unwrap().from, std::slice::from_ref(&jump));
    assert_eq!(matrix.with_id(&FlowId::SshJump).next().unwrap().to, [jump]);
    assert_eq!(matrix.with_id(&FlowId::Mirror).next().unwrap().to, [Party::Outside("mirror.example.com".to_owned())]);
}

#[test]
fn one_host_talks_to_nobody_but_clients() {
    let matrix = matrix(&example("minimal.yaml"));
    assert_eq!(ids(&matrix), ["ssh", "icmp", "api", "pods", "pods-out", "node-ports-tcp", "node-ports-udp"]);
    assert!(matrix.flows.iter().all(|flow| flow.host_pairs().is_empty()));
}

#[test]
fn without_balancers_the_first_master_is_the_endpoint() {
    let cluster = read(
        "
apiVersion: barque.dev/v1
kind: Cluster
metadata: {name: two}
spec:
  kubernetes: {version: 1.37.2}
  hosts:
    - {name: e1, address: 192.0.2.1, roles: [etcd]}
    - {name: m1, address: 192.0.2.2, roles: [master]}
    - {name: m2, address: 192.0.2.3, roles: [master], ssh: {port: 2222}}
",
    );
    let matrix = matrix(&cluster);
    let api: Vec<bool> = matrix.with_id(&FlowId::Api).map(barque_firewall::Flow::is_open).collect();
    assert_eq!(api, [true, false]);
    let ssh: Vec<u16> = matrix.with_id(&FlowId::Ssh).map(|flow| flow.ports.unwrap().first).collect();
    assert_eq!(ssh, [22, 2222]);
}

#[test]
fn settings_name_sources_and_more_flows() {
    let matrix = matrix(&narrow());
    let from = |id: &FlowId| -> Vec<String> {
        let networks = matrix.with_id(id).flat_map(|flow| &flow.from).filter_map(|party| match party {
            Party::Network(network) => Some(network.to_string()),
            _ => None,
        });
        networks.collect()
    };
    assert_eq!(from(&FlowId::Ssh), ["198.51.100.0/28"]);
    assert_eq!(from(&FlowId::ApiVip), ["198.51.100.0/28", "198.51.100.0/24", "192.0.2.0/24"]);
    assert_eq!(from(&FlowId::NodePortsUdp), ["203.0.113.0/24", "192.0.2.0/25"]);
    let game = matrix.with_id(&FlowId::extra("game")).next().unwrap();
    assert!(game.is_open() && game.protocol == Protocol::Udp && game.to.len() == 2);
    let metrics = matrix.with_id(&FlowId::extra("metrics-server")).next().unwrap();
    assert!(metrics.from.contains(&Party::Pods) && metrics.host_pairs().len() == 20);
}

#[test]
fn a_flag_that_sends_resources_elsewhere_is_a_flow() {
    let cluster = seven(
        "
  extraArgs:
    kubeApiserver:
      etcd-servers-overrides: /events#https://192.0.2.77:2379;https://192.0.2.78:4001,/leases#https://events.example:2379
",
    );
    let matrix = matrix(&cluster);
    let targets: Vec<String> =
        matrix.with_id(&FlowId::EtcdOverride).map(|flow| format!("{:?} {}", flow.to[0], flow.ports.unwrap().first)).collect();
    assert_eq!(targets, ["Outside(\"192.0.2.77\") 2379", "Outside(\"192.0.2.78\") 4001", "Outside(\"events.example\") 2379"]);
}

#[test]
fn as_data() {
    insta::assert_json_snapshot!(matrix(&example("ha.yaml")));
    let text = serde_json::to_string(&matrix(&narrow())).unwrap();
    assert_eq!(serde_json::from_str::<Matrix>(&text).unwrap(), matrix(&narrow()));
}

#[test]
fn web_ports_of_the_balancers_come_with_the_ingress() {
    let text = |settings: &str| {
        let firewall = "  firewall:\n    nodePortSources: [198.51.100.0/24]\n";
        format!(
            "{}{firewall}  addons:\n    - name: ingress\n      settings: {{{settings}}}\n",
            include_str!("../../../../examples/ha.yaml")
        )
    };
    let on = matrix(&read(&text("")));
    let https = on.with_id(&FlowId::IngressHttps).next().unwrap();
    assert_eq!((https.ports, &https.from), (Some(PortRange { first: 443, last: 443 }), &vec![Party::Anyone]));
    assert_eq!(pairs(&on, &FlowId::NodePortsTcp), "lb1>m1 lb1>m2 lb1>m3 lb1>n1 lb1>n2 lb2>m1 lb2>m2 lb2>m3 lb2>n1 lb2>n2");
    let off = matrix(&read(&text("behindLoadBalancer: false")));
    assert!(!ids(&off).contains(&"ingress-http"));
    assert_eq!(pairs(&off, &FlowId::NodePortsTcp), "");
}

#[test]
fn kubelets_are_asked_with_metrics_server_too() {
    let pairs = |more: &str| -> Vec<usize> {
        let matrix = matrix(&seven(more));
        matrix.with_id(&FlowId::MetricsKubelet).map(|flow| flow.host_pairs().len()).collect()
    };
    assert_eq!(pairs(""), [0; 0]);
    assert_eq!(pairs("  addons:\n    - name: metrics-server\n"), [20], "from each of five to the others");
    assert_eq!(pairs("  addons:\n    - name: metrics-server\n    - name: monitoring\n"), [20], "once");
}

#[test]
fn gateways_of_etcd_and_balancers_come_with_the_monitoring() {
    let text = |settings: &str| {
        format!("{}  addons:\n    - name: monitoring\n      settings: {{{settings}}}\n", include_str!("../../../../examples/ha.yaml"))
    };
    let on = matrix(&read(&text("gatewayPort: 19259")));
    let flow = on.with_id(&FlowId::MetricsGateway).next().unwrap();
    assert_eq!(flow.ports, Some(PortRange { first: 19259, last: 19259 }));
    assert_eq!(flow.to.len(), 5, "two balancers and three hosts with etcd: {:?}", flow.to);
    assert!(flow.from.contains(&Party::Pods) && flow.from.len() == 6, "nodes and pods: {:?}", flow.from);
    assert!(!ids(&matrix(&example("ha.yaml"))).contains(&"metrics-gateway"));
}

#[test]
fn pods_reach_the_dns_cache_of_their_node() {
    let on = matrix(&read(&format!("{}  addons:\n    - name: dns-cache\n", include_str!("../../../../examples/ha.yaml"))));
    for id in [FlowId::DnsCacheUdp, FlowId::DnsCacheTcp] {
        let flow = on.with_id(&id).next().unwrap();
        assert_eq!((flow.ports, &flow.from), (Some(PortRange { first: 53, last: 53 }), &vec![Party::Pods]));
        assert_eq!(flow.to.len(), 5, "nodes and masters: {:?}", flow.to);
    }
    assert!(!ids(&matrix(&example("ha.yaml"))).contains(&"dns-cache-udp"));
}
