//! The way from the balancers to the cluster's ingress.

use serde_json::Value;

use crate::{AddonOrigin, Cluster, PortRange};

/// The add-on whose web ports the balancers pass on.
const INGRESS: &str = "ingress";

/// Its settings that are node ports.
const NODE_PORTS: [&str; 3] = ["httpNodePort", "httpsNodePort", "healthNodePort"];

/// Web ports that the balancers pass on to node ports of the add-on `ingress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngressFront {
    /// HTTP.
    pub http: Passed,
    /// HTTPS, which is passed on as it is.
    pub https: Passed,
    /// Node port where kube-proxy says whether its node has a pod that takes new connections: HTTP 200 or 503.
    pub health_node_port: u16,
}

/// A port of the balancers, and the node port behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// On the balancers and the virtual address.
    pub port: u16,
    /// On every node.
    pub node_port: u16,
}

impl IngressFront {
    /// Both, with their names.
    pub const fn both(&self) -> [(&'static str, Passed); 2] {
        [("http", self.http), ("https", self.https)]
    }
}

impl Cluster {
    /// What the balancers pass on besides the API; `None` without balancers, without the add-on, and when its setting `behindLoadBalancer` is off.
    pub fn ingress_front(&self) -> Option<IngressFront> {
        let settings = self.load_balancer.as_ref().and_then(|_| self.ingress_settings())?;
        let port = |name: &str| settings[name].as_u64().and_then(|port| u16::try_from(port).ok());
        let passed = |port_name: &str, node: &str| Some(Passed { port: port(port_name)?, node_port: port(node)? });
        let front = IngressFront {
            http: passed("httpPort", "httpNodePort")?,
            https: passed("httpsPort", "httpsNodePort")?,
            health_node_port: port("healthNodePort")?,
        };
        (settings["behindLoadBalancer"] == true).then_some(front)
    }

    /// What is wrong with the ports of the add-on `ingress` in this cluster: the setting, a message and a hint.
    pub fn ingress_fault(&self) -> Option<(&'static str, String, String)> {
        let settings = self.ingress_settings()?;
        let port = |name: &str| settings[name].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
        let PortRange { first, last } = self.network.node_ports;
        for name in NODE_PORTS {
            if !(first..=last).contains(&port(name)) {
                let message = format!("`{name}` is {}, outside the cluster's node ports {first}-{last}", port(name));
                return Some((name, message, format!("give a port of {first}-{last}, or change `spec.network.nodePorts`")));
            }
        }
        for (index, name) in NODE_PORTS.iter().enumerate() {
            if let Some(other) = NODE_PORTS[..index].iter().find(|other| port(other) == port(name)) {
                return Some((name, format!("`{other}` and `{name}` are the same"), "give each a port of its own".to_owned()));
            }
        }
        let front = self.ingress_front()?;
        if front.http.port == front.https.port {
            return Some(("httpsPort", "`httpPort` and `httpsPort` are the same".to_owned(), "give each a port of its own".to_owned()));
        }
        let api = self.load_balancer.as_ref()?.port;
        let (name, taken) = front.both().into_iter().find(|(_, passed)| passed.port == api)?;
        let name = if name == "http" { "httpPort" } else { "httpsPort" };
        let message = format!("`{name}` is {}, which haproxy has for the API", taken.port);
        Some((name, message, "give it another port, or change `spec.loadBalancer.port`".to_owned()))
    }

    fn ingress_settings(&self) -> Option<&Value> {
        let ours = self.addons.iter().find(|addon| addon.name.as_str() == INGRESS && addon.origin == AddonOrigin::Barque);
        ours.map(|addon| &addon.settings)
    }
}
