//! What a rollback is asked for, and what came of it.

use std::path::PathBuf;

use barque_event::{Failure, exit};
use barque_model::{HostName, RunId};
use barque_plan::Plan;
use serde::Serialize;

use super::HostUndo;
use crate::Pending;

/// What is asked of a rollback.
#[derive(Debug, Clone, Default)]
pub struct RollbackRequest {
    /// The state of before this run is restored: it and all later ones are taken back. The newest run that changed something and is not
    /// taken back yet when not given.
    pub to: Option<RunId>,
    /// Restores these files only, each `HOST:/path`.
    pub only: Vec<String>,
    /// Whether etcd's data may be deleted.
    pub delete_data: bool,
    /// Whether barque's own folder is removed from the hosts at the end; for a rollback of everything only.
    pub forget: bool,
    /// Shows what would be done, and changes nothing.
    pub preview: bool,
    /// The runs that the operator has agreed to take back; when others would be, nothing is done.
    pub agreed: Option<Vec<RunId>>,
}

/// How a rollback went, or would go.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RollbackReport {
    /// Its own run; `None` for a preview.
    pub run: Option<RunId>,
    /// Where its log lies; `None` for a preview.
    pub directory: Option<PathBuf>,
    /// The state of before this run is restored; `None` when there is nothing to take back.
    pub before: Option<RunId>,
    /// The runs taken back, newest first.
    pub runs: Vec<RunId>,
    /// Whether that is everything that barque ever did to the hosts.
    pub everything: bool,
    /// What is restored on each host.
    pub hosts: Vec<HostUndo>,
    /// Cluster objects and nodes that go back, `Kind namespace/name`.
    pub objects: Vec<String>,
    /// What cannot be undone, a sentence each.
    pub irreversible: Vec<String>,
    /// What else must be known, a sentence each.
    pub notes: Vec<String>,
    /// Hosts where etcd ends for good, so that its data must be deleted.
    pub data: Vec<HostName>,
    /// The run whose cluster file belongs to the restored state, when it is here and differs from the present one.
    pub spec: Option<RunId>,
    /// Steps that change something.
    pub planned: u32,
    /// The plan, in a preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Steps that changed something.
    pub changed: u32,
    /// Resources that were right already.
    pub unchanged: u32,
    /// What failed.
    pub failures: Vec<Failure>,
    /// Hosts that did not answer; the next `rollback` to before the same run catches them up.
    pub pending: Vec<Pending>,
    /// Steps that did not run because of a failure.
    pub skipped: u32,
    /// Whether the operator stopped it.
    pub interrupted: bool,
    /// Hosts that barque's own folder is removed from.
    pub forgotten: Vec<HostName>,
    /// Milliseconds from start to end.
    pub millis: u64,
}

impl RollbackReport {
    /// What is said before anything is done, a line each: the host it concerns, if any, and a sentence.
    pub fn announcement(&self) -> Vec<(Option<&HostName>, String)> {
        let mut lines = Vec::new();
        if let (Some(before), false) = (&self.before, self.runs.is_empty()) {
            // A pruned run has no journal of its own any more.
            let later: Vec<&str> = self.runs.iter().filter(|run| *run != before).map(RunId::as_str).collect();
            let with = if later.is_empty() { String::new() } else { format!(", and with it {} later: {}", later.len(), later.join(", ")) };
            let everything = if self.everything { "; that is everything barque did to these hosts" } else { "" };
            lines.push((None, format!("takes back run {before}{with}{everything}")));
        }
        lines.extend(self.hosts.iter().map(|host| (Some(&host.host), host.to_string())));
        if !self.objects.is_empty() {
            let count =
                if self.objects.len() == 1 { "1 cluster object goes".into() } else { format!("{} cluster objects go", self.objects.len()) };
            lines.push((None, format!("{count} back: {}", shortened(&self.objects))));
        }
        lines.extend(self.irreversible.iter().map(|text| (None, format!("cannot be undone: {text}"))));
        lines.extend(self.notes.iter().map(|text| (None, text.clone())));
        lines
    }
}

/// Names, with a comma between two; many are cut short.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 8;
    if names.len() <= SHOWN { names.join(", ") } else { format!("{} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN) }
}

/// Why a rollback was not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// No host and no local log knows the run.
    #[error("no host that answers knows a run {0}")]
    UnknownRun(RunId),
    /// Its journals were pruned.
    #[error("run {run} is too old to be taken back: {host} keeps what is needed back to run {oldest}")]
    TooOld {
        /// The run.
        run: RunId,
        /// A host that has forgotten it.
        host: HostName,
        /// The oldest run that the host knows.
        oldest: RunId,
        /// The first run of all, as far as is known.
        first: RunId,
    },
    /// An `--only` of another form.
    #[error("`{0}` does not name a file of a host, as in `m1:/etc/kubernetes/kube-apiserver.env`")]
    Only(String),
    /// No such host.
    #[error("no host is called `{0}`")]
    OnlyHost(HostName),
    /// The host does not answer.
    #[error("{0} does not answer, so none of its files can be restored")]
    OnlySilent(HostName),
    /// No run that could be taken back changed the file.
    #[error("no run that can be taken back changed {path} on {host}")]
    OnlyUnchanged {
        /// The host.
        host: HostName,
        /// The file.
        path: String,
    },
    /// Flags that exclude each other.
    #[error("single files are restored without touching anything else: `--only` excludes `{0}`")]
    OnlyWith(&'static str),
    /// Not everything is taken back.
    #[error("barque's own folder is needed as long as something of its work is left on the hosts: run {0} would stay")]
    ForgetPart(RunId),
    /// etcd's members would be left without their data's programs.
    #[error("this ends etcd on {}, and its data in /var/lib/etcd would have to be deleted: all that the cluster holds", hosts(.0))]
    Data(Vec<HostName>),
    /// Nobody can be asked.
    #[error("a rollback is begun only when somebody agrees, and there is no terminal to ask on")]
    NobodyToAsk,
    /// Other runs than those agreed to.
    #[error("the hosts have changed since you were asked: run {0} would be taken back too, or not any more")]
    Moved(RunId),
}

impl RollbackError {
    /// The exit code it leads to.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Moved(_) | Self::Data(_) => exit::REFUSED,
            Self::OnlySilent(_) => exit::PARTIAL,
            _ => exit::USAGE,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownRun(_) => Some("`barque runs` lists what can be taken back".into()),
            Self::TooOld { first, .. } => {
                Some(format!("`barque runs` lists what can be taken back; everything can, with `barque rollback {first}`"))
            }
            Self::Only(_) | Self::OnlyUnchanged { .. } => Some("`barque runs show RUN` lists the files that a run changed".into()),
            Self::OnlyHost(_) => Some("`barque hosts` lists them".into()),
            Self::OnlySilent(_) => Some("run it again when the host answers".into()),
            Self::ForgetPart(oldest) => Some(format!("take everything back: `barque rollback {oldest} --forget`")),
            Self::Moved(_) => Some("run `barque rollback` again and look at what it says now".into()),
            Self::Data(_) => {
                Some("if that is meant, say so with `--delete-data`; etcd's snapshots can be copied from /var/lib/barque first".into())
            }
            Self::NobodyToAsk => Some("look at it with `barque rollback --plan`, then repeat the command with `--yes`".into()),
            Self::OnlyWith(_) => None,
        }
    }
}

fn hosts(names: &[HostName]) -> String {
    names.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn everything_is_said_before_it_is_done() {
        let runs = ["20261125T030000Z-0003", "20261125T020000Z-0002", "20261125T010000Z-0001"].map(|run| run.parse().unwrap()).to_vec();
        let report = RollbackReport {
            before: Some("20261125T010000Z-0001".parse().unwrap()),
            runs,
            everything: true,
            objects: (0..10).map(|number| format!("ConfigMap kube-system/c{number}")).collect(),
            irreversible: vec!["etcd's data stay in /var/lib/etcd".to_owned()],
            notes: vec!["n".to_owned()],
            ..RollbackReport::default()
        };
        let lines: Vec<String> = report.announcement().into_iter().map(|(_, text)| text).collect();
        assert_eq!(
            lines[0],
            "takes back run 20261125T010000Z-0001, and with it 2 later: 20261125T030000Z-0003, 20261125T020000Z-0002; that is everything barque did to these hosts"
        );
        assert!(lines[1].starts_with("10 cluster objects") && lines[1].ends_with("c7 and 2 more"), "{}", lines[1]);
        assert_eq!(lines[2..], ["cannot be undone: etcd's data stay in /var/lib/etcd", "n"]);
    }
}
