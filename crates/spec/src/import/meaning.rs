//! What becomes of the variables that Ansible, kubeasz and kubespray know.

/// What becomes of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It becomes part of the outline.
    Read,
    /// Barque knows one value of it only.
    Only {
        /// The value.
        value: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// Something else does this.
    Instead(&'static str),
    /// Its value must not be shown.
    Secret(&'static str),
    /// Barque has no use for it.
    Unknown,
}

const BALANCERS: &str = "name balancers of barque's own with `--lb` and `--vip`";
const FLANNEL: &str = "the pod network is flannel";
const PROXY: &str = "kube-proxy runs in mode nftables; `network.kubeProxyMode: iptables` is for older kernels";
const RUNTIME: &str = "the runtime is containerd";
const PORT: &str = "the API server listens on port 6443";
const VERSION: &str = "name another version than the newest with `--kubernetes-version`";
const JUMP: &str = "name a host to go through with `--jump`";
const LOGIN: &str = "logins are by key; `ssh-copy-id USER@HOST` puts one there";
const SUDO: &str = "the sudo password is asked for when it is needed";

/// What becomes of the variable called `name`.
pub(super) fn meaning(name: &str) -> Meaning {
    match name {
        "ansible_host"
        | "ansible_ssh_host"
        | "ansible_port"
        | "ansible_ssh_port"
        | "ansible_user"
        | "ansible_ssh_user"
        | "ansible_private_key_file"
        | "ansible_ssh_private_key_file"
        | "ansible_connection"
        | "ansible_become"
        | "ip"
        | "k8s_nodename"
        | "LB_ROLE"
        | "EX_APISERVER_VIP"
        | "EX_APISERVER_PORT"
        | "MASTER_IP"
        | "SERVICE_CIDR"
        | "CLUSTER_CIDR"
        | "NODE_PORT_RANGE"
        | "CLUSTER_DNS_DOMAIN"
        | "kube_service_addresses"
        | "kube_pods_subnet"
        | "kube_network_node_prefix"
        | "kube_apiserver_node_port_range"
        | "cluster_name"
        | "supplementary_addresses_in_ssl_keys" => Meaning::Read,
        "CLUSTER_NETWORK" | "kube_network_plugin" => Meaning::Only { value: "flannel", reason: FLANNEL },
        "PROXY_MODE" | "kube_proxy_mode" => Meaning::Only { value: "nftables", reason: PROXY },
        "CONTAINER_RUNTIME" | "container_manager" => Meaning::Only { value: "containerd", reason: RUNTIME },
        "SECURE_PORT" | "kube_apiserver_port" => Meaning::Only { value: "6443", reason: PORT },
        "kube_version" | "K8S_VER" => Meaning::Instead(VERSION),
        "loadbalancer_apiserver" | "kube_vip_address" | "apiserver_loadbalancer_domain_name" => Meaning::Instead(BALANCERS),
        "node_labels" => Meaning::Instead("write them as `labels` of the host"),
        "node_taints" => Meaning::Instead("write them as `taints` of the host"),
        "access_ip" => Meaning::Instead("hosts are reached at the address on which their components listen"),
        "ansible_ssh_common_args" | "ansible_ssh_extra_args" => Meaning::Instead(JUMP),
        "ansible_password" | "ansible_ssh_pass" => Meaning::Secret(LOGIN),
        "ansible_become_password" | "ansible_become_pass" | "ansible_sudo_pass" => Meaning::Secret(SUDO),
        _ => Meaning::Unknown,
    }
}
