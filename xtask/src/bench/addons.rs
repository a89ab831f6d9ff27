//! What add-ons cost: `up` with those of the demo beside the floor with the same pods, and what each uses when nothing happens.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::report::digits;
use super::{Cluster, Interrupt, Kubectl, Lab, Place, floor, step};
use crate::unpack;

/// From the end of `up` to the first look at what add-ons use.
const SETTLE: Duration = Duration::from_mins(2);
/// Looks at what they use; the API of metrics-server has a new value every fifteen seconds.
const LOOKS: u32 = 8;
const BETWEEN: Duration = Duration::from_secs(15);
/// What objects of an add-on are labelled with.
const LABEL: &str = "barque.dev/addon";

/// What an add-on's pods, or the gateways on hosts, use.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Use {
    pods: usize,
    bytes: f64,
    /// Thousandths of a processor.
    millicores: f64,
}

/// Measures on one lab and answers the tables as Markdown.
pub(crate) fn measure(place: &Place, interrupt: &Interrupt) -> Result<String> {
    let folder = place.fresh("addons")?;
    let programs = folder.join("bin");
    unpack::programs(&programs, &["kubectl"])?;
    step("boot seven hosts; up with the demo's add-ons");
    let lab = Lab::up(interrupt)?;
    let cluster = Cluster::new(&lab, &folder)?;
    let up = cluster.up("up", interrupt)?;
    let kubectl = Kubectl::new(&programs.join("kubectl"), cluster.kubeconfig()?);
    step(&format!("up: {:.1} s; what add-ons use at rest", up.wall.as_secs_f64()));
    wait(SETTLE, interrupt)?;
    let mut looks = Vec::new();
    let before = gateways(&cluster)?;
    let begun = Instant::now();
    for _ in 0..LOOKS {
        looks.push(pods(&kubectl)?);
        wait(BETWEEN, interrupt)?;
    }
    let after = gateways(&cluster)?;
    let mut uses = averages(&looks);
    let ticks = after.ticks.saturating_sub(before.ticks);
    // A tick is a hundredth of a second on every Linux that barque runs on (proc(5), `sysconf(_SC_CLK_TCK)`).
    let millicores = f64::from(u32::try_from(ticks).unwrap_or(u32::MAX)) * 10.0 / begun.elapsed().as_secs_f64();
    let bytes = f64::from(u32::try_from(after.kibibytes).unwrap_or(u32::MAX)) * 1024.0;
    uses.insert("metrics gateways, on hosts".into(), Use { pods: after.count, bytes, millicores });
    step("the floor, with the add-ons' pods");
    let floor = floor::measure_with_pods(&cluster, &kubectl, interrupt)?;
    Ok(table(up.wall, floor, &uses))
}

fn wait(time: Duration, interrupt: &Interrupt) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < time {
        interrupt.check()?;
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// What the metrics API says of the pods of each add-on, CoreDNS as `dns` among them.
fn pods(kubectl: &Kubectl) -> Result<BTreeMap<String, Use>> {
    let workloads = kubectl.get(&["deployments,statefulsets,daemonsets", "--all-namespaces"])?;
    let measured = kubectl.get(&["pods.metrics.k8s.io", "--all-namespaces"])?;
    let owners: Vec<(String, String, String)> = items(&workloads)
        .filter_map(|workload| {
            let name = workload["metadata"]["name"].as_str()?;
            let addon = workload["metadata"]["labels"][LABEL].as_str().or((name == "coredns").then_some("dns"))?;
            Some((workload["metadata"]["namespace"].as_str()?.to_owned(), format!("{name}-"), addon.to_owned()))
        })
        .collect();
    let mut uses: BTreeMap<String, Use> = BTreeMap::new();
    for pod in items(&measured) {
        let (namespace, name) = (pod["metadata"]["namespace"].as_str(), pod["metadata"]["name"].as_str().unwrap_or_default());
        // The longest name that fits: `prometheus-` is also the beginning of others.
        let fitting = owners.iter().filter(|(of, start, _)| Some(of.as_str()) == namespace && name.starts_with(start.as_str()));
        let Some((_, _, addon)) = fitting.max_by_key(|(_, start, _)| start.len()) else { continue };
        let one = uses.entry(addon.clone()).or_default();
        one.pods += 1;
        for container in pod["containers"].as_array().into_iter().flatten() {
            one.bytes += quantity(&container["usage"]["memory"])?;
            one.millicores += quantity(&container["usage"]["cpu"])? * 1000.0;
        }
    }
    Ok(uses)
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

/// A Kubernetes quantity in the forms that metrics-server uses.
fn quantity(value: &Value) -> Result<f64> {
    const SUFFIXES: [(&str, f64); 6] =
        [("Ki", 1024.0), ("Mi", 1_048_576.0), ("Gi", 1_073_741_824.0), ("n", 1e-9), ("u", 1e-6), ("m", 1e-3)];
    let text = value.as_str().context("a usage is no text")?;
    let (number, factor) = SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor))).unwrap_or((text, 1.0));
    Ok(number.parse::<f64>().with_context(|| format!("`{text}` is no usage"))? * factor)
}

/// The gateways of all hosts together.
struct Gateways {
    count: usize,
    kibibytes: u64,
    ticks: u64,
}

fn gateways(cluster: &Cluster) -> Result<Gateways> {
    const LOOK: &str =
        "pid=$(systemctl show --property=MainPID --value barque-metrics.service 2>/dev/null); [ \"${pid:-0}\" != 0 ] || exit 0
sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$pid/status
cut -d' ' -f14,15 /proc/$pid/stat";
    let mut all = Gateways { count: 0, kibibytes: 0, ticks: 0 };
    for host in cluster.hosts() {
        let answer = Lab::shell(&host.name, LOOK)?;
        let numbers: Vec<u64> = answer.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match numbers.as_slice() {
            [] => {}
            [kibibytes, user, system] => {
                all.count += 1;
                all.kibibytes += kibibytes;
                all.ticks += user + system;
            }
            _ => bail!("cannot read what the gateway of {} uses: {answer}", host.name),
        }
    }
    Ok(all)
}

fn averages(looks: &[BTreeMap<String, Use>]) -> BTreeMap<String, Use> {
    let mut all: BTreeMap<String, Use> = BTreeMap::new();
    for (addon, one) in looks.iter().flatten() {
        let sum = all.entry(addon.clone()).or_default();
        sum.pods = sum.pods.max(one.pods);
        sum.bytes += one.bytes;
        sum.millicores += one.millicores;
    }
    let count = f64::from(u32::try_from(looks.len().max(1)).unwrap_or(u32::MAX));
    for sum in all.values_mut() {
        sum.bytes /= count;
        sum.millicores /= count;
    }
    all
}

fn table(up: Duration, floor: Duration, uses: &BTreeMap<String, Use>) -> String {
    let seconds = |duration: Duration| format!("{:.*} s", digits(duration.as_secs_f64()), duration.as_secs_f64());
    let mut text = format!(
        "| with the demo's add-ons | value | aim |\n|---|---:|---:|\n\
         | `up` on fresh hosts | {} |  |\n\
         | the floor, every pod ready | {} |  |\n\
         | `up` / floor | {:.2} | <= 2 |\n\n\
         | at rest | pods | memory | processor |\n|---|---:|---:|---:|\n",
        seconds(up),
        seconds(floor),
        up.as_secs_f64() / floor.as_secs_f64(),
    );
    for (addon, one) in uses {
        let _ = writeln!(text, "| {addon} | {} | {:.0} MB | {:.0} m |", one.pods, one.bytes / 1e6, one.millicores);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_of_the_metrics_api() {
        for (text, value) in [("12345678n", 0.012_345_678), ("5m", 0.005), ("2", 2.0), ("10Ki", 10_240.0), ("3Mi", 3_145_728.0)] {
            assert!((quantity(&json!(text)).unwrap() - value).abs() < 1e-9, "{text}");
        }
        assert!(quantity(&json!("many")).is_err() && quantity(&Value::Null).is_err());
    }

    #[test]
    fn looks_are_averaged_and_shown() {
        let look = |bytes, millicores| BTreeMap::from([("ingress".to_owned(), Use { pods: 2, bytes, millicores })]);
        let uses = averages(&[look(1e8, 10.0), look(3e8, 30.0)]);
        let text = table(Duration::from_secs(48), Duration::from_secs(32), &uses);
        assert!(text.contains("| `up` / floor | 1.50 | <= 2 |") && text.contains("| ingress | 2 | 200 MB | 20 m |"), "{text}");
    }
}
