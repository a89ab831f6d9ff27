//! `init` from inventories of other installers, on real hosts: what it writes is accepted by `validate` and `plan`, and the ranges that it
//! proposes collide with nothing that the hosts route.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use anyhow::{Context as _, Result, ensure};
use barque_e2e::Scenario;
use serde_json::Value;

/// What kubeasz writes for three masters, two balancers and two nodes.
const KUBEASZ: &str = r"
[etcd]
@m1
@m2
@m3

[kube_master]
@m1 k8s_nodename='master-01'
@m2 k8s_nodename='master-02'
@m3 k8s_nodename='master-03'

[kube_node]
@n1
@n2 k8s_nodename='worker-gpu-01'

[ex_lb]
@lb1 LB_ROLE=backup EX_APISERVER_VIP=@vip EX_APISERVER_PORT=8443
@lb2 LB_ROLE=master EX_APISERVER_VIP=@vip EX_APISERVER_PORT=8443

[all:vars]
ansible_user=root
ansible_ssh_private_key_file=@key
CONTAINER_RUNTIME='containerd'
CLUSTER_NETWORK='flannel'
PROXY_MODE='iptables'
SERVICE_CIDR='10.68.0.0/16'
CLUSTER_CIDR='172.20.0.0/16'
NODE_PORT_RANGE='30000-32767'
CLUSTER_DNS_DOMAIN='cluster.local'
";

/// A kubespray inventory in YAML, its settings in group_vars.
const KUBESPRAY: &str = r"
all:
  vars:
    ansible_user: root
    ansible_ssh_private_key_file: @key
  hosts:
    node1: {ansible_host: @m1, ip: @m1, access_ip: @m1}
    node2: {ansible_host: @m2, ip: @m2, access_ip: @m2}
    node3: {ansible_host: @m3, ip: @m3, access_ip: @m3}
    node4.example.com: {ansible_host: @n1}
  children:
    kube_control_plane: {hosts: {node1: , node2: , node3: }}
    kube_node: {hosts: {node3: , node4.example.com: }}
    etcd: {hosts: {node1: , node2: , node3: }}
    k8s_cluster: {children: {kube_control_plane: , kube_node: }}
    calico_rr: {hosts: {}}
";

const KUBESPRAY_VARS: &str = r#"
kube_version: v1.37.2
kube_network_plugin: flannel
kube_service_addresses: 10.233.0.0/18
kube_pods_subnet: 10.233.64.0/18
kube_network_node_prefix: 24
kube_proxy_mode: nftables
cluster_name: cluster.local
dns_domain: "{{ cluster_name }}"
container_manager: containerd
"#;

/// A k0sctl file that leaves the ranges to the tool.
const K0SCTL: &str = r"
apiVersion: k0sctl.k0sproject.io/v1beta1
kind: Cluster
metadata:
  name: k0s-prod
spec:
  hosts:
  - role: controller
    ssh: {address: @m1, user: root, port: 22, keyPath: @key}
  - role: worker
    hostname: Worker-A.example.com
    ssh: {address: @n1, user: root, port: 22, keyPath: @key}
  - role: worker
    ssh: {address: @n2, user: root, keyPath: @key}
";

/// What hosts inside containers need; no installer's inventory says so.
const CONTAINERS: &str = "  kubelet:\n    failCgroupV1: false\n  runtime:\n    restrictOomScoreAdj: true\n";

#[test]
fn files_of_other_installers_are_taken_over() -> Result<()> {
    let scenario = Scenario::new("init", "")?;
    scenario.step("kubeasz");
    write(&scenario, "hosts", KUBEASZ)?;
    let hosts = taken_over(&scenario, "hosts", &[])?;
    let names: Vec<&str> = hosts.as_array().context("a list of hosts")?.iter().filter_map(|host| host["name"].as_str()).collect();
    ensure!(names.len() == 7 && names.contains(&"master-01") && names.contains(&"worker-gpu-01"), "{names:?}");
    scenario.step("kubespray");
    write(&scenario, "inventory/hosts.yaml", KUBESPRAY)?;
    write(&scenario, "inventory/group_vars/k8s_cluster/k8s-cluster.yml", KUBESPRAY_VARS)?;
    taken_over(&scenario, "inventory/hosts.yaml", &[])?;
    ensure!(fs_err::read_to_string(scenario.cluster_file())?.contains("10.233.64.0/18"), "the pod range of the inventory");
    scenario.step("k0sctl, with ranges that the hosts use already");
    scenario.lab.get("n1", "ip route add 10.244.0.0/16 dev eth0 && ip route add 10.96.0.0/12 dev eth0")?;
    write(&scenario, "k0sctl.yaml", K0SCTL)?;
    let known_hosts = scenario.lab.known_hosts().display().to_string();
    taken_over(&scenario, "k0sctl.yaml", &["--ask-hosts", "--known-hosts", &known_hosts])?;
    let network: Value = serde_json::from_str(&scenario.barque(&["network", "--output", "json"])?.ok()?.stdout)?;
    let text = network.to_string();
    ensure!(!text.contains("10.244.0.0/16") && !text.contains("10.96.0.0/12"), "ranges that n1 routes elsewhere: {text}");
    scenario.step("network --ask-hosts names what hosts route, and a bridge");
    let asking = ["network", "--ask-hosts", "--known-hosts", &known_hosts];
    scenario.barque(&asking)?.ok()?;
    scenario.lab.get("n2", "ip link add docker0 type bridge && ip address add 10.88.0.1/16 dev docker0")?;
    let ranges =
        ["--file", &scenario.cluster_file().display().to_string(), "--pod-cidr", "10.244.0.0/16", "--service-cidr", "10.88.0.0/16"]
            .map(str::to_owned);
    let all: Vec<&str> = asking.into_iter().chain(ranges.iter().map(String::as_str)).collect();
    scenario.barque(&all)?.code(1)?.says(&["10.244.0.0/16", "worker-a", "10.88.0.0/16", "docker0"]).map(drop)
}

/// Writes an inventory with the lab's addresses in it.
fn write(scenario: &Scenario, name: &str, text: &str) -> Result<()> {
    let mut text = text.replace("@key", &scenario.lab.key().display().to_string()).replace("@vip", &scenario.lab.vip().to_string());
    for host in scenario.lab.hosts() {
        text = text.replace(&format!("@{}", host.name), &host.address.to_string());
    }
    let path = scenario.folder.path().join(name);
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    Ok(fs_err::write(path, text)?)
}

/// Makes a cluster file of it, which `validate` and, on the real hosts, `plan` accept. Answers what `hosts` says.
fn taken_over(scenario: &Scenario, name: &str, arguments: &[&str]) -> Result<Value> {
    let source = scenario.folder.path().join(name).display().to_string();
    let target = scenario.cluster_file();
    if target.exists() {
        fs_err::remove_file(&target)?;
    }
    let mut all = vec!["init", "--from", &source];
    all.extend(arguments);
    scenario.barque(&all)?.ok()?;
    let written = fs_err::read_to_string(&target)?;
    ensure!(written.lines().any(|line| line.trim_start().starts_with('#')), "no comments:\n{written}");
    scenario.barque(&["validate"])?.ok()?;
    fs_err::write(&target, format!("{}\n{CONTAINERS}", written.trim_end()))?;
    scenario.barque(&["validate"])?.ok()?;
    let plan = scenario.remote(&["plan"])?.code(3)?;
    ensure!(!plan.stderr.contains("would refuse") && !plan.stdout.contains("would refuse"), "{}\n{}", plan.stdout, plan.stderr);
    Ok(serde_json::from_str(&scenario.barque(&["hosts", "--output", "json"])?.ok()?.stdout)?)
}
