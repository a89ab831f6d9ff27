//! The last line of `plan`.

use barque_engine::{HostPreview, Preview, Restarts, UnitVerb};
use barque_model::HostName;

/// Hosts named at most in the order of restarts.
const NAMES: usize = 12;

/// What would be done, in a sentence. `up` is the command that would do it.
pub(crate) fn summary(preview: &Preview, up: &str) -> String {
    let hosts = many(preview.answering, "host");
    let limited = if preview.limits.is_empty() { String::new() } else { format!(" within {}", preview.limits.join(", ")) };
    let mut also = Vec::new();
    let held = preview.held.len() + preview.held_objects.len();
    if held > 0 {
        also.push(format!("{} by hand left as {}", many(held, "edit"), if held == 1 { "it is" } else { "they are" }));
    }
    if !preview.pending.is_empty() {
        also.push(format!("{} without an answer", many(preview.pending.len(), "host")));
    }
    let also = if also.is_empty() { String::new() } else { format!("; {}", also.join(", ")) };
    if preview.changes == 0 {
        // What a limit left out or somebody edited is not as it should be.
        let whole = preview.limits.is_empty() && held == 0;
        let resources = many(preview.resources, "resource");
        let right = if whole { format!(": {resources} on {hosts} are as they should be") } else { String::new() };
        return format!("nothing to change{limited}{right}{also}");
    }
    let changed = many(preview.hosts.len(), "host");
    let parts = parts(preview);
    let gates = many(preview.gates, "check");
    format!("{changed}: {}{limited}{also}; {gates} in between; nothing is changed until `{up}`", parts.join(", "))
}

fn parts(preview: &Preview) -> Vec<String> {
    let count = |of: fn(&HostPreview) -> usize| preview.hosts.iter().map(of).sum::<usize>();
    let verbs = |wanted: UnitVerb| preview.turns.iter().flat_map(|turn| &turn.units).filter(|unit| unit.verb == wanted).count();
    let mut parts: Vec<String> = [
        (count(|host| host.files.len()), "file"),
        (count(|host| host.binaries.len()), "program"),
        (count(|host| host.packages.len()), "package"),
        (count(|host| host.images.len()), "image"),
        (count(|host| host.settings.len()), "setting"),
        (count(|host| host.removals.len()), "removal"),
        (verbs(UnitVerb::Start), "start"),
        (verbs(UnitVerb::Enable), "unit enabled at boot"),
        (verbs(UnitVerb::Stop) + verbs(UnitVerb::Restore), "stop"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| many(count, what))
    .collect();
    let (restarts, reloads) = (verbs(UnitVerb::Restart), verbs(UnitVerb::Reload));
    let turning: Vec<String> = [(restarts, "restart"), (reloads, "reload")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| many(count, what))
        .collect();
    if !turning.is_empty() {
        parts.push(format!("{}{}", turning.join(" and "), order(&preview.restarts)));
    }
    parts.extend((!preview.objects.is_empty()).then(|| many(preview.objects.len(), "object")));
    parts.extend((!preview.removed_objects.is_empty()).then(|| many(preview.removed_objects.len(), "object removal")));
    parts.extend((!preview.nodes.is_empty()).then(|| many(preview.nodes.len(), "node label")));
    parts.extend((preview.bytes_to_send > 0).then(|| format!("{} to send", bytes(preview.bytes_to_send))));
    parts
}

/// In which order hosts restart.
fn order(restarts: &Restarts) -> String {
    let names: usize = restarts.turns.iter().map(Vec::len).sum();
    let turn = |hosts: &Vec<HostName>| hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(" and ");
    let turns: Vec<String> = restarts.turns.iter().map(turn).collect();
    match turns.as_slice() {
        [] => String::new(),
        _ if names > NAMES => format!(" (on {names} hosts in {})", many(turns.len(), "turn")),
        [only] if names == 1 => format!(" (on {only})"),
        [only] => format!(" (at once on {only})"),
        _ if restarts.one_host_at_a_time => format!(" (one host at a time: {})", turns.join(", ")),
        _ => format!(" (first {})", turns.join(", then ")),
    }
}

/// `1 file`, `2 files`.
pub(crate) fn many(count: usize, what: &str) -> String {
    match (count, what.split_once(' ')) {
        (1, _) => format!("1 {what}"),
        (_, Some((first @ "unit", rest))) => format!("{count} {first}s {rest}"),
        (_, _) => format!("{count} {what}s"),
    }
}

/// Bytes for people, in powers of ten.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} bytes"),
        1_000..1_000_000 => format!("{:.0} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.0} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn restarts(turns: &[&[&str]], one_host_at_a_time: bool) -> Restarts {
        let turns = turns.iter().map(|hosts| hosts.iter().map(|host| host.parse().unwrap()).collect());
        Restarts { count: 1, turns: turns.collect(), one_host_at_a_time }
    }

    #[test]
    fn the_order_of_restarts_in_words() {
        assert_eq!(order(&restarts(&[], true)), "");
        assert_eq!(order(&restarts(&[&["m1"]], true)), " (on m1)");
        assert_eq!(order(&restarts(&[&["n1", "n2"]], false)), " (at once on n1 and n2)");
        assert_eq!(order(&restarts(&[&["m1"], &["m2"], &["m3"]], true)), " (one host at a time: m1, m2, m3)");
        assert_eq!(order(&restarts(&[&["m1", "n1"], &["m2"]], false)), " (first m1 and n1, then m2)");
        let group: &[&str] = &["n1", "n2", "n3", "n4", "n5"];
        assert_eq!(order(&restarts(&[group, group, group], false)), " (on 15 hosts in 3 turns)");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(
            [many(1, "file"), many(2, "file"), many(2, "unit enabled at boot"), many(1, "unit enabled at boot")],
            ["1 file", "2 files", "2 units enabled at boot", "1 unit enabled at boot"]
        );
        assert_eq!([bytes(999), bytes(340_000), bytes(120_300_000), bytes(1_250_000_000)], ["999 bytes", "340 kB", "120 MB", "1.2 GB"]);
    }
}
