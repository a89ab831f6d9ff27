//! The words of `runs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use barque_engine::{ChangeResult, Former, History, ResourceChange, RunDetail, RunResult, RunRow, Undoable};
use barque_model::{HostName, RunId};
use similar::TextDiff;

use super::{plain, table};

/// The runs in a table, the space that they take, and what is kept how long.
pub(crate) fn overview(history: &History, now: jiff::Timestamp, asked: bool) -> String {
    if history.runs.is_empty() && history.hosts.is_empty() {
        return format!("cluster `{}`: no runs", history.cluster);
    }
    let mut runs = table(["RUN", "WHEN", "WHO", "VERB", "RESULT", "CHANGED", "CAN BE UNDONE"]);
    for row in &history.runs {
        let when = row.started.map_or_else(|| "-".to_owned(), |started| when(started, now));
        let who = row.operator.as_deref().unwrap_or("-");
        let verb = row.verb.as_deref().unwrap_or("-");
        runs.add_row([row.run.as_str(), &when, who, verb, result(row.result), &row.changed.to_string(), &undo(row)]);
    }
    let mut text = format!("{runs}\n");
    for row in &history.runs {
        if let Some(reason) = &row.reason {
            let _ = writeln!(text, "\n{} was made by the hosts: it {reason}", row.run);
        }
    }
    if !history.hosts.is_empty() {
        let mut space = table(["HOST", "TAKES", "PROGRAMS", "FORMER CONTENTS", "JOURNALS", "SNAPSHOTS", "AGENTS"]);
        for host in &history.hosts {
            let parts = [host.total, host.space.store, host.space.prior, host.space.journals, host.space.snapshots, host.space.agents];
            let mut cells = vec![host.host.to_string()];
            cells.extend(parts.map(size));
            space.add_row(cells);
        }
        let _ = writeln!(text, "\n{space}");
    }
    for silent in &history.silent {
        let _ = writeln!(text, "\n{} does not answer: {}", silent.host, silent.message);
    }
    let _ = write!(
        text,
        "\nhosts keep what takes back the last {} runs that changed something; older ones only together with everything",
        history.generations
    );
    if !asked {
        text.push_str("\nthe hosts were not asked what can be undone");
    }
    plain(&text)
}

/// A time in UTC, and how long ago it was.
fn when(at: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    let ago = match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    format!("{} UTC, {ago} ago", at.strftime("%Y-%m-%d %H:%M:%S"))
}

fn size(bytes: u64) -> String {
    match bytes {
        0 => "-".to_owned(),
        1..1_000_000 => format!("{:.0} kB", (bytes as f64 / 1e3).ceil()),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

const fn result(result: RunResult) -> &'static str {
    match result {
        RunResult::Done => "done",
        RunResult::Failed => "FAILED",
        RunResult::Partial => "partial",
        RunResult::Interrupted => "interrupted",
        RunResult::Running => "running",
        RunResult::Died => "DIED",
        RunResult::Elsewhere => "made elsewhere",
        RunResult::ByHosts => "by the hosts",
    }
}

fn undo(row: &RunRow) -> String {
    match &row.undo {
        Undoable::Yes { hosts } => format!("yes, on {}", hosts_named(hosts)),
        Undoable::Partly { hosts } => format!("on {}; elsewhere taken back", hosts_named(hosts)),
        Undoable::TakenBack => "taken back".to_owned(),
        Undoable::Nothing => "-".to_owned(),
        Undoable::TooOld => "only with everything".to_owned(),
        Undoable::Unknown => "?".to_owned(),
    }
}

fn hosts_named(hosts: &[HostName]) -> String {
    const SHOWN: usize = 3;
    if hosts.len() > SHOWN { format!("{} hosts", hosts.len()) } else { hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ") }
}

/// What a run changed on each host, and what is kept.
pub(crate) fn detail(detail: &RunDetail) -> String {
    let mut text = String::new();
    let mut example = None;
    for host in &detail.hosts {
        let count = if host.changes.len() == 1 { "1 change".to_owned() } else { format!("{} changes", host.changes.len()) };
        let _ = writeln!(text, "{}: {count}", host.host);
        let width = host.changes.iter().map(|change| change.resource.0.len()).max().unwrap_or(0);
        for change in &host.changes {
            let _ = writeln!(text, "  {:<width$}  {}", change.resource.0, change_words(change));
            if let (Former::File { kept: true, .. }, None, Some(path)) = (&change.former, &example, path_of(change)) {
                example = Some(format!("{}:{path}", host.host));
            }
        }
    }
    if detail.hosts.is_empty() {
        text.push_str("no host that answers has a journal of this run\n");
    }
    for silent in &detail.silent {
        let _ = writeln!(text, "{} does not answer: {}", silent.host, silent.message);
    }
    if let Some(example) = example {
        let _ = writeln!(text, "restore one file: barque rollback {} --only {example}", detail.run);
    }
    plain(text.trim_end())
}

fn path_of(change: &ResourceChange) -> Option<&str> {
    change.resource.0.strip_prefix("file ").or_else(|| change.resource.0.strip_prefix("binary "))
}

fn change_words(change: &ResourceChange) -> String {
    let result = match change.result {
        ChangeResult::Changed => "",
        ChangeResult::Failed => "FAILED; ",
        ChangeResult::Open => "cut off by a crash; ",
    };
    let former = match &change.former {
        Former::Absent => "was not there".to_owned(),
        Former::File { digest, mode, owner, kept } => {
            let kept = if *kept { "kept" } else { "not kept any more" };
            format!("former content {digest}, mode {mode:04o}, {owner}: {kept}")
        }
        Former::Other { text } => format!("before: {text}"),
    };
    format!("{result}{former}")
}

/// What two runs differ in.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunsDiff {
    /// Unified diff of the cluster files; empty when they are equal.
    pub(crate) spec: String,
    /// Changed by the first only.
    pub(crate) first_only: Vec<String>,
    /// Changed by the second only.
    pub(crate) second_only: Vec<String>,
    /// Changed by both.
    pub(crate) both: Vec<String>,
}

impl RunsDiff {
    pub(crate) fn of(left: (&RunId, &str, &BTreeSet<String>), right: (&RunId, &str, &BTreeSet<String>)) -> Self {
        let spec = if left.1 == right.1 {
            String::new()
        } else {
            let (old, new) = (format!("{}/spec.yaml", left.0), format!("{}/spec.yaml", right.0));
            TextDiff::from_lines(left.1, right.1).unified_diff().context_radius(3).header(&old, &new).to_string()
        };
        Self {
            spec,
            first_only: left.2.difference(right.2).cloned().collect(),
            second_only: right.2.difference(left.2).cloned().collect(),
            both: left.2.intersection(right.2).cloned().collect(),
        }
    }

    /// The difference for people.
    pub(crate) fn text(&self, left: &RunId, right: &RunId) -> String {
        let mut text = if self.spec.is_empty() { "the cluster files are equal\n".to_owned() } else { self.spec.clone() };
        let lists = [
            (format!("changed by {left} only"), &self.first_only),
            (format!("changed by {right} only"), &self.second_only),
            ("changed by both".to_owned(), &self.both),
        ];
        for (title, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
            let _ = writeln!(text, "\n{title} ({}):", names.len());
            for name in names {
                let _ = writeln!(text, "  {name}");
            }
        }
        plain(text.trim_end())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_engine::{HostChanges, HostSpace, Pending};
    use barque_plan::ResourceId;

    use super::*;

    fn run(second: u8) -> RunId {
        format!("20261125T0000{second:02}Z-0000").parse().unwrap()
    }

    fn host(name: &str) -> HostName {
        name.parse().unwrap()
    }

    fn row(second: u8, result: RunResult, changed: u32, undo: Undoable) -> RunRow {
        let started = barque_store::started_at(&run(second));
        RunRow {
            run: run(second),
            started,
            operator: Some("ann@desk".into()),
            verb: Some("up".into()),
            result,
            changed,
            undo,
            reason: None,
        }
    }

    #[test]
    fn runs_and_space_are_tables() {
        let hosts = ["m1", "m2", "m3", "n1"].map(host).to_vec();
        let mut history = History {
            cluster: "demo".parse().unwrap(),
            runs: vec![
                RunRow { verb: None, operator: None, ..row(5, RunResult::Elsewhere, 2, Undoable::Yes { hosts: hosts[..2].to_vec() }) },
                row(4, RunResult::Died, 1, Undoable::Partly { hosts: vec![host("n1")] }),
                row(3, RunResult::Done, 0, Undoable::Nothing),
                row(2, RunResult::Partial, 3, Undoable::TakenBack),
                row(1, RunResult::Done, 478, Undoable::Yes { hosts }),
            ],
            hosts: vec![HostSpace {
                host: host("m1"),
                space: barque_agent::DiskUse { store: 400_000_000, prior: 20_000, journals: 1_250_000, snapshots: 0, agents: 9_000_000 },
                total: 410_270_000,
            }],
            silent: vec![Pending { host: host("n2"), message: "no route to host".into(), hint: None }],
            generations: 10,
        };
        let now = "2026-11-25T02:00:05Z".parse().unwrap();
        let trimmed = |text: String| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(trimmed(overview(&history, now, true)), @r"
        RUN                    WHEN                              WHO       VERB  RESULT          CHANGED  CAN BE UNDONE
        20261125T000005Z-0000  2026-11-25 00:00:05 UTC, 2 h ago  -         -     made elsewhere  2        yes, on m1, m2
        20261125T000004Z-0000  2026-11-25 00:00:04 UTC, 2 h ago  ann@desk  up    DIED            1        on n1; elsewhere taken back
        20261125T000003Z-0000  2026-11-25 00:00:03 UTC, 2 h ago  ann@desk  up    done            0        -
        20261125T000002Z-0000  2026-11-25 00:00:02 UTC, 2 h ago  ann@desk  up    partial         3        taken back
        20261125T000001Z-0000  2026-11-25 00:00:01 UTC, 2 h ago  ann@desk  up    done            478      yes, on 4 hosts

        HOST  TAKES     PROGRAMS  FORMER CONTENTS  JOURNALS  SNAPSHOTS  AGENTS
        m1    410.3 MB  400.0 MB  20 kB            1.2 MB    -          9.0 MB

        n2 does not answer: no route to host

        hosts keep what takes back the last 10 runs that changed something; older ones only together with everything
        ");
        history.hosts.clear();
        assert!(overview(&history, now, false).ends_with("the hosts were not asked what can be undone"));
        history.runs.clear();
        assert_eq!(overview(&history, now, false), "cluster `demo`: no runs");
    }

    #[test]
    fn former_contents_are_listed_with_how_to_get_one_back() {
        let file = |kept| Former::File { digest: "0123456789ab".into(), mode: 0o600, owner: "root:root".into(), kept };
        let change = |name: &str, result, former| ResourceChange { resource: ResourceId(name.into()), result, former };
        let changes = vec![
            change("file /etc/a", ChangeResult::Changed, Former::Absent),
            change("file /etc/kubernetes/b.env", ChangeResult::Changed, file(true)),
            change("file /etc/c", ChangeResult::Failed, file(false)),
            change("unit etcd.service", ChangeResult::Open, Former::Other { text: "unit, active, enabled".into() }),
        ];
        let mut shown = RunDetail { run: run(1), hosts: vec![HostChanges { host: host("m1"), changes }], silent: Vec::new() };
        insta::assert_snapshot!(detail(&shown), @r"
        m1: 4 changes
          file /etc/a                 was not there
          file /etc/kubernetes/b.env  former content 0123456789ab, mode 0600, root:root: kept
          file /etc/c                 FAILED; former content 0123456789ab, mode 0600, root:root: not kept any more
          unit etcd.service           cut off by a crash; before: unit, active, enabled
        restore one file: barque rollback 20261125T000001Z-0000 --only m1:/etc/kubernetes/b.env
        ");
        shown.hosts.clear();
        assert_eq!(detail(&shown), "no host that answers has a journal of this run");
    }

    #[test]
    fn two_runs_are_compared() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let (left, right) = (names(&["m1: file /a", "m1: file /b"]), names(&["m1: file /b", "m2: file /c"]));
        let diff = RunsDiff::of((&run(1), "a: 1\nb: 2\n", &left), (&run(2), "a: 1\nb: 3\n", &right));
        insta::assert_snapshot!(diff.text(&run(1), &run(2)), @r"
        --- 20261125T000001Z-0000/spec.yaml
        +++ 20261125T000002Z-0000/spec.yaml
        @@ -1,2 +1,2 @@
         a: 1
        -b: 2
        +b: 3

        changed by 20261125T000001Z-0000 only (1):
          m1: file /a

        changed by 20261125T000002Z-0000 only (1):
          m2: file /c

        changed by both (1):
          m1: file /b
        ");
        let same = RunsDiff::of((&run(1), "a", &names(&[])), (&run(2), "a", &names(&[])));
        assert_eq!(same.text(&run(1), &run(2)), "the cluster files are equal");
    }
}
