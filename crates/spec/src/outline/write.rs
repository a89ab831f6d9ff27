//! An outline as a commented cluster file.

use std::fmt::Write as _;

use barque_model::{Role, Sudo, Version};
use serde_json::Value;

use super::commented::{Given, section, wrapped};
use super::names::named;
use super::scalar::scalar;
use super::share::{own, shared};
use super::{Outline, OutlineJump, OutlineSsh};
use crate::schema::schema;

/// Port of the API on a balancer that is a master too, whose own API server has 6443.
const SHARED_PORT: u16 = 8443;

/// The order of the first sections; the others follow as the schema has them.
const FIRST: [&str; 5] = ["kubernetes", "ssh", "hosts", "loadBalancer", "network"];

const HEAD: &str = "\
# A cluster file of barque. `barque validate` checks it, `barque plan` shows what it leads to, `barque up` makes it so.
# Lines that are commented out show other fields with their defaults; docs/cluster-file.md has the whole reference.
apiVersion: barque.dev/v1
kind: Cluster
metadata:
";

impl Outline {
    /// The cluster file: every section with its meaning, what is set, and the defaults of what is not. Same outline, same bytes.
    pub fn cluster_file(&self, kubernetes: Version) -> String {
        let schema = schema();
        let mut page = HEAD.to_owned();
        let meaning = schema["properties"]["metadata"]["properties"]["name"]["description"].as_str().unwrap_or_default();
        for line in wrapped(meaning, 110) {
            let _ = writeln!(page, "  # {line}");
        }
        let name = self.name.as_ref().map_or("cluster", |name| name.as_str());
        let _ = write!(page, "  name: {}\nspec:", scalar(name));
        let sections = schema["properties"]["spec"]["properties"].as_object();
        let rest = sections.into_iter().flatten().map(|(name, _)| name.as_str()).filter(|name| !FIRST.contains(name));
        let given = self.given();
        for name in FIRST.into_iter().chain(rest) {
            let schema = &schema["properties"]["spec"]["properties"][name];
            match name {
                "hosts" => self.hosts(&mut page, schema),
                // Its only field says itself what the section is.
                "kubernetes" => _ = write!(page, "\n{}", kubernetes_section(schema, kubernetes)),
                _ => section(&mut page, name, schema, &given),
            }
        }
        page
    }

    fn given(&self) -> Given {
        let mut given = Given::new();
        let mut set = |path: &str, value: Option<String>| {
            if let Some(value) = value {
                given.insert(path.to_owned(), value);
            }
        };
        for (field, value) in ssh_fields(&shared(&self.hosts)) {
            set(&format!("ssh.{field}"), Some(value));
        }
        set("network.podCidr", self.pods.map(|range| range.to_string()));
        set("network.nodePrefix", self.node_prefix.map(|prefix| prefix.to_string()));
        set("network.serviceCidr", self.services.map(|range| range.to_string()));
        set("network.nodePorts", self.node_ports.map(|ports| ports.to_string()));
        set("network.dnsDomain", self.dns_domain.as_deref().map(scalar));
        if let Some(vip) = self.vip {
            let shared: Vec<String> = named(&self.hosts)
                .into_iter()
                .filter(|(_, host)| host.roles.contains(&Role::LoadBalancer) && host.roles.len() > 1)
                .map(|(name, _)| scalar(name.as_str()))
                .collect();
            let has_master = self.with(Role::LoadBalancer).any(|host| host.roles.contains(&Role::Master));
            let port = self.api_port.filter(|port| !has_master || *port != 6443).or(has_master.then_some(SHARED_PORT));
            set("loadBalancer.vip", Some(vip.to_string()));
            set("loadBalancer.port", port.map(|port| port.to_string()));
            set("loadBalancer.allowSharedHosts", (!shared.is_empty()).then(|| format!("[{}]", shared.join(", "))));
        }
        let sans: Vec<String> = self.extra_sans.iter().map(|name| scalar(name)).collect();
        set("extraSans", (!sans.is_empty()).then(|| format!("[{}]", sans.join(", "))));
        given
    }

    fn hosts(&self, page: &mut String, schema: &Value) {
        let _ = writeln!(page, "\n  # {}", schema["description"].as_str().unwrap_or_default());
        for choice in schema["items"]["properties"]["roles"]["items"]["oneOf"].as_array().into_iter().flatten() {
            let (word, meaning) = (choice["const"].as_str().unwrap_or_default(), choice["description"].as_str().unwrap_or_default());
            let _ = writeln!(page, "  #   {word}: {meaning}");
        }
        page.push_str("  hosts:\n");
        let shared = shared(&self.hosts);
        for (name, host) in named(&self.hosts) {
            let roles: Vec<&str> = host.roles.iter().map(|role| role.as_str()).collect();
            let _ = writeln!(page, "    - name: {}", scalar(name.as_str()));
            let _ = writeln!(page, "      address: {}\n      roles: [{}]", host.address, roles.join(", "));
            let own = own(host, &shared);
            if own != OutlineSsh::default() {
                page.push_str("      ssh:\n");
                let mut jump_begun = false;
                for (field, value) in ssh_fields(&own) {
                    match field.strip_prefix("jump.") {
                        None => _ = writeln!(page, "        {field}: {value}"),
                        Some(field) => {
                            if !jump_begun {
                                page.push_str("        jump:\n");
                                jump_begun = true;
                            }
                            let _ = writeln!(page, "          {field}: {value}");
                        }
                    }
                }
            }
        }
    }
}

fn kubernetes_section(schema: &Value, kubernetes: Version) -> String {
    let meaning = schema["properties"]["version"]["description"].as_str().unwrap_or_default();
    format!("  kubernetes:\n    # {meaning}\n    version: {kubernetes}\n")
}

/// The fields that are set, with the YAML that stands for each; those of the jump host last, as `jump.FIELD`.
fn ssh_fields(ssh: &OutlineSsh) -> Vec<(&'static str, String)> {
    let sudo = ssh.sudo.map(|sudo| match sudo {
        Sudo::None => "none",
        Sudo::Passwordless => "passwordless",
        Sudo::Password => "password",
    });
    let jump = |field: fn(&OutlineJump) -> Option<String>| ssh.jump.as_ref().and_then(field);
    let fields = [
        ("address", ssh.address.as_deref().map(scalar)),
        ("user", ssh.user.as_deref().map(scalar)),
        ("port", ssh.port.map(|port| port.to_string())),
        ("key", ssh.key.as_deref().map(scalar)),
        ("sudo", sudo.map(str::to_owned)),
        ("jump.address", jump(|jump| Some(scalar(&jump.address)))),
        ("jump.user", jump(|jump| jump.user.as_deref().map(scalar))),
        ("jump.port", jump(|jump| jump.port.map(|port| port.to_string()))),
        ("jump.key", jump(|jump| jump.key.as_deref().map(scalar))),
    ];
    fields.into_iter().filter_map(|(field, value)| Some((field, value?))).collect()
}
