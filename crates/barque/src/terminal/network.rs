//! The words of `network`.

use std::fmt::Write as _;
use std::net::IpAddr;

use barque_network::{Band, Family, Finding, Growth, MtuPlan, NetworkPlan, PodPlan, ServicePlan, Severity};

use super::preview_summary::many;
use super::table;

/// A row: what, value, how it comes about.
type Row = [String; 3];

/// The plan as a table, then what is wrong with it, then how far it goes.
pub(crate) fn network_text(plan: &NetworkPlan) -> String {
    let mut table = table(["WHAT", "VALUE", "HOW"]);
    // With two families each row says which.
    let named = plan.pods.len() > 1 || plan.services.len() > 1;
    for pods in &plan.pods {
        table.add_rows(with_family(pod_rows(pods, plan), named.then_some(pods.family)));
    }
    for services in &plan.services {
        table.add_rows(with_family(service_rows(services), named.then_some(services.family)));
    }
    let ports = &plan.node_ports;
    table.add_row(["node ports".to_owned(), ports.range().to_string(), format!("{}, first and last included", many_ports(ports.ports))]);
    for mtu in &plan.mtu {
        table.add_rows(with_family(vec![mtu_row(mtu)], named.then_some(mtu.family)));
    }
    let mut text = table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    text.push_str("\n\n");
    for finding in &plan.findings {
        text.push_str(&finding_lines(finding));
    }
    if !plan.findings.is_empty() {
        text.push('\n');
    }
    text.push_str(&growth_lines(&plan.growth, plan));
    text.trim_end().to_owned()
}

fn with_family(rows: Vec<Row>, family: Option<Family>) -> Vec<Row> {
    let name = |what: String| family.map_or_else(|| what.clone(), |family| format!("{what}, {family}"));
    rows.into_iter().map(|[what, value, how]| [name(what), value, how]).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike are shown")]
fn row(what: &str, value: impl ToString, how: impl Into<String>) -> Row {
    [what.to_owned(), value.to_string(), how.into()]
}

fn pod_rows(pods: &PodPlan, plan: &NetworkPlan) -> Vec<Row> {
    let (prefix, bits) = (pods.range.prefix_len(), pods.family.bits());
    let mut rows = vec![row("pod range", pods.range, format!("a /{} block for each node", pods.node_prefix))];
    if pods.nodes.0 == 0 {
        return rows;
    }
    let edges = match pods.family {
        Family::V4 => "without network and broadcast address",
        Family::V6 => "without the network's address",
    };
    let first = pods.first_block.zip(pods.first_bridge).map(|(block, bridge)| format!("; the first block is {block}, its bridge {bridge}"));
    let limit = if pods.pods_per_node.0 < u128::from(plan.max_pods) { "more than that" } else { "the limit" };
    rows.extend([
        row("nodes", pods.nodes, format!("2^({} - {prefix}){}", pods.node_prefix, first.unwrap_or_default())),
        row("addresses of a node", pods.addresses_per_node, format!("2^({bits} - {})", pods.node_prefix)),
        row("usable addresses of a node", pods.usable_addresses_per_node, edges),
        row("addresses for pods of a node", pods.pods_per_node, "without the address of the pods' bridge"),
        row("pods of a node", pods.pods_on_a_node(plan.max_pods), format!("kubelet's maxPods is {}: {limit}", plan.max_pods)),
    ]);
    rows
}

fn service_rows(services: &ServicePlan) -> Vec<Row> {
    let edges = match services.family {
        Family::V4 => "network and broadcast address",
        Family::V6 => "the network's address",
    };
    let formula = format!("2^({} - {})", services.family.bits(), services.range.prefix_len());
    vec![
        row("service range", services.range, "must share no address with any network that pods or hosts talk to"),
        row("service addresses", services.services, format!("{formula} without {edges}")),
        row("API service", address(services.api_address), "the first address; the API server's certificate has it"),
        row("DNS service", address(services.dns_address), "the tenth address; pods ask it for names"),
        row(
            "best for fixed addresses",
            band(&services.static_band),
            format!("{} that Kubernetes gives out last", services.static_band.addresses),
        ),
        row("given out first", band(&services.dynamic_band), format!("{} addresses", services.dynamic_band.addresses)),
    ]
}

fn address(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "none".to_owned(), |address| address.to_string())
}

fn band(band: &Band) -> String {
    match (band.first, band.last) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "none".to_owned(),
    }
}

fn many_ports(count: u32) -> String {
    many(usize::try_from(count).unwrap_or(usize::MAX), "port")
}

fn mtu_row(mtu: &MtuPlan) -> Row {
    let backend = mtu.backend.as_str();
    let how = if mtu.is_set {
        format!("as the cluster file says; {backend} leaves {} of the link's {}", mtu.largest, mtu.link)
    } else {
        format!("{} of the hosts' link, less {} for {backend}", mtu.link, mtu.link - mtu.pods)
    };
    row("MTU of pods", mtu.pods, how)
}

fn finding_lines(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    format!("{severity}: {}\n  hint: {}\n", finding.message, finding.hint)
}

fn growth_lines(growth: &Growth, plan: &NetworkPlan) -> String {
    let mut text = String::new();
    let now = many(usize::try_from(growth.nodes).unwrap_or(usize::MAX), "node");
    let _ = writeln!(text, "{now} now, room for {} more; {} pods at most", growth.nodes_left, growth.pods_at_most);
    text.push_str("the pod range and its node prefix cannot be changed once nodes have their blocks\n");
    for wider in &growth.wider_pods {
        let _ = writeln!(text, "  for {} nodes, choose {} before the first deployment", wider.nodes, wider.range);
    }
    for services in &growth.more_services {
        let kind = if plan.services.len() > 1 { format!("{} services", Family::of(*services)) } else { "services".to_owned() };
        let _ = writeln!(text, "{kind} get more addresses later from a ServiceCIDR object, such as {services}, without a restart");
    }
    text
}
