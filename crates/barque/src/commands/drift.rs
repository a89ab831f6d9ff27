//! `barque drift`: what differs from what barque applied. Hosts are only read.

use std::fmt::Write as _;

use anyhow::Result;
use barque_engine::{ContentChange, Context, Drift, DriftReport, Events};
use barque_event::exit;
use barque_model::ObjectDifference;

use crate::arguments::{Output, RemoteArguments};
use crate::settings;
use crate::terminal::{content_lines, content_words, many, print_json, printable, say, warn_all};

/// Prints what differs; exit code 3 when something does, 4 when hosts did not answer and the rest is as applied.
pub(crate) fn run(arguments: &RemoteArguments) -> Result<u8> {
    let context = Context::load(settings::remote(arguments, None, false)?)?;
    warn_all(&context)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (events, _reader) = Events::new();
    let report = runtime.block_on(barque_engine::drift(&context, &events))?;
    if arguments.cluster.output == Output::Json {
        print_json(&report)?;
    } else {
        say(&text(&report))?;
    }
    Ok(exit_code(&report))
}

fn exit_code(report: &DriftReport) -> u8 {
    if report.is_drifted() {
        exit::PENDING
    } else if report.pending.is_empty() {
        exit::DONE
    } else {
        exit::PARTIAL
    }
}

fn text(report: &DriftReport) -> String {
    let mut text = String::new();
    for host in report.hosts.iter().filter(|host| !host.drifts.is_empty() || host.uncertain > 0) {
        let _ = writeln!(text, "{}: {} of {} differ", host.host, host.drifts.len(), many(host.managed, "resource"));
        for drift in &host.drifts {
            text.push_str(&drift_lines(drift));
        }
        if host.uncertain > 0 {
            let _ = writeln!(text, "  {} not compared: a run was cut short there; `barque up` puts that right", host.uncertain);
        }
        text.push('\n');
    }
    if !report.objects.is_empty() || !report.nodes.is_empty() {
        text.push_str("in the cluster:\n");
        for object in &report.objects {
            let how = match object.state {
                ObjectDifference::Absent => "is gone",
                ObjectDifference::Edited => "was changed since barque applied it",
                ObjectDifference::Differs | ObjectDifference::Same => "is not as the last run wanted it",
            };
            let _ = writeln!(text, "  {} {how}", object.name);
            text.push_str(&lines(object.content.as_ref()));
        }
        for node in &report.nodes {
            let _ = writeln!(text, "  node {}: {}", node.node, printable(&node.reasons.join(", ")));
        }
        text.push('\n');
    }
    for pending in &report.pending {
        let _ = writeln!(text, "{} does not answer: {}", pending.host, printable(&pending.message));
        if let Some(hint) = &pending.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
    }
    for line in &report.notes {
        let _ = writeln!(text, "{line}");
    }
    text.push_str(&verdict(report));
    text
}

fn drift_lines(drift: &Drift) -> String {
    let mut words = drift.reasons.clone();
    words.extend(drift.content.as_ref().map(content_words).filter(|words| !words.is_empty()));
    let words = if words.is_empty() { "was edited".to_owned() } else { printable(&words.join("; ")) };
    format!("  {}: {words} (applied by run {})\n{}", drift.resource, drift.run, lines(drift.content.as_ref()))
}

fn lines(content: Option<&ContentChange>) -> String {
    content.map_or_else(String::new, |content| content_lines(content, true, 4))
}

fn verdict(report: &DriftReport) -> String {
    let (managed, hosts) = (many(report.managed(), "resource"), many(report.hosts.len(), "host"));
    let (name, count) = (&report.cluster, report.count());
    if count == 0 {
        return format!("cluster `{name}`: nothing differs; {managed} on {hosts} are as barque applied them");
    }
    let verb = if count == 1 { "differs" } else { "differ" };
    let things = many(count, "thing");
    format!(
        "cluster `{name}`: {things} {verb} from what barque applied ({managed} on {hosts} compared); `barque plan` shows what `barque up` would do"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_engine::{HostDrift, NodeDrift, ObjectDrift, Pending};
    use barque_plan::ResourceId;

    use super::*;

    fn report() -> DriftReport {
        let host = |name: &str, uncertain, drifts| HostDrift { host: name.parse().unwrap(), managed: 143, uncertain, drifts };
        DriftReport {
            cluster: "ha".parse().unwrap(),
            hosts: vec![host("m1", 0, Vec::new()), host("m2", 0, Vec::new())],
            objects: Vec::new(),
            nodes: Vec::new(),
            pending: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn drift(resource: &str, reasons: &[&str], content: Option<ContentChange>) -> Drift {
        let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
        Drift { resource: ResourceId(resource.into()), run: "20261125T020304Z-1a2b".parse().unwrap(), reasons, content }
    }

    #[test]
    fn what_differs_is_shown_as_diffs() {
        let mut report = report();
        let diff = "--- as applied\n+++ on the host\n@@ -1 +1 @@\n-A=1\n+A=2\n".to_owned();
        report.hosts[0].drifts = vec![
            drift("file /etc/etcd/etcd.env", &[], Some(ContentChange::Text { diff })),
            drift("file /etc/kubernetes/pki/sa.key", &["has mode 0644, not 0600"], Some(ContentChange::Secret)),
            drift("unit etcd.service", &["is inactive", "does not start at boot"], None),
        ];
        report.hosts[1].uncertain = 1;
        report.objects = vec![ObjectDrift { name: "ConfigMap kube-system/coredns".into(), state: ObjectDifference::Edited, content: None }];
        report.nodes = vec![NodeDrift { node: "n1".parse().unwrap(), reasons: vec!["label a=1 is gone".into()] }];
        report.pending = vec![Pending { host: "n2".parse().unwrap(), message: "no route to host".into(), hint: Some("look at it".into()) }];
        insta::assert_snapshot!(anstream::adapter::strip_str(&text(&report)).to_string(), @r"
        m1: 3 of 143 resources differ
          file /etc/etcd/etcd.env: was edited (applied by run 20261125T020304Z-1a2b)
            --- as applied
            +++ on the host
            @@ -1 +1 @@
            -A=1
            +A=2
          file /etc/kubernetes/pki/sa.key: has mode 0644, not 0600; secret: content changed (applied by run 20261125T020304Z-1a2b)
          unit etcd.service: is inactive; does not start at boot (applied by run 20261125T020304Z-1a2b)

        m2: 0 of 143 resources differ
          1 not compared: a run was cut short there; `barque up` puts that right

        in the cluster:
          ConfigMap kube-system/coredns was changed since barque applied it
          node n1: label a=1 is gone

        n2 does not answer: no route to host
          hint: look at it
        cluster `ha`: 5 things differ from what barque applied (286 resources on 2 hosts compared); `barque plan` shows what `barque up` would do
        ");
        assert_eq!(exit_code(&report), exit::PENDING);
    }

    #[test]
    fn nothing_differs() {
        insta::assert_snapshot!(text(&report()), @"cluster `ha`: nothing differs; 286 resources on 2 hosts are as barque applied them");
        assert_eq!(exit_code(&report()), exit::DONE);
        let pending = vec![Pending { host: "n2".parse().unwrap(), message: "no route to host".into(), hint: None }];
        assert_eq!(exit_code(&DriftReport { pending, ..report() }), exit::PARTIAL);
    }
}
