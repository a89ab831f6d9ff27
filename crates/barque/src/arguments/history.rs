//! Arguments of the verbs that show runs and take them back.

use barque_model::RunId;
use clap::{Args, Subcommand};

use super::RemoteArguments;

/// Arguments of `runs`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArguments {
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
    /// Do not connect: what this machine knows, without what can be undone
    #[arg(long)]
    pub(crate) local: bool,
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
}

/// What can be asked of single runs.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum RunsCommand {
    /// Show what happened in a run, what it changed on each host, and what is kept of the former state
    Show(RunsShowArguments),
    /// Compare the cluster files of two runs, and what each of them changed
    Diff(RunsDiffArguments),
}

/// Arguments of `runs show`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunsShowArguments {
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
    /// The run
    pub(crate) run: RunId,
    /// Go on with the run's events until it ends
    #[arg(long, conflicts_with_all = ["spec", "plan"])]
    pub(crate) follow: bool,
    /// Print its cluster file, and nothing else
    #[arg(long, conflicts_with = "plan")]
    pub(crate) spec: bool,
    /// Print the steps of its plan, and nothing else
    #[arg(long)]
    pub(crate) plan: bool,
    /// Do not connect: its events only
    #[arg(long)]
    pub(crate) local: bool,
    /// Print each step, not only stages and restarts
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Arguments of `runs diff`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunsDiffArguments {
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
    /// A run
    #[arg(value_name = "A")]
    pub(crate) left: RunId,
    /// Another run
    #[arg(value_name = "B")]
    pub(crate) right: RunId,
}

/// Arguments of `rollback`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RollbackArguments {
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
    /// Take back this run and all later ones; the newest that changed something and is not taken back when not given
    pub(crate) run: Option<RunId>,
    /// Restore this file only, and restart nothing; may be given several times
    #[arg(long, value_name = "HOST:PATH")]
    pub(crate) only: Vec<String>,
    /// Delete etcd's data where etcd itself goes: everything that the cluster holds
    #[arg(long)]
    pub(crate) delete_data: bool,
    /// Remove barque's own folder from the hosts at the end; only when everything is taken back
    #[arg(long)]
    pub(crate) forget: bool,
    /// Show what would be done and change nothing; exit code 3 when there is something to take back
    #[arg(long)]
    pub(crate) plan: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Print each step, not only stages and restarts
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Take the run lock from another run that is dead or gone
    #[arg(long)]
    pub(crate) break_lock: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use clap::Parser as _;

    use super::super::{Arguments, Verb};
    use super::*;

    fn parse(words: &str) -> Result<Verb, clap::Error> {
        Arguments::try_parse_from(words.split(' ')).map(|arguments| arguments.verb)
    }

    #[test]
    fn runs_takes_flags_with_and_without_a_subcommand() {
        let Verb::Runs(arguments) = parse("barque runs --local -f a.yaml").unwrap() else { panic!("not runs") };
        assert!(arguments.local && arguments.command.is_none());
        assert_eq!(arguments.remote.cluster.file, PathBuf::from("a.yaml"));
        let Verb::Runs(arguments) = parse("barque runs show 20261125T020304Z-1a2b --spec -f a.yaml --known-hosts k").unwrap() else {
            panic!("not runs")
        };
        let Some(RunsCommand::Show(show)) = arguments.command else { panic!("not show") };
        assert!(show.spec && show.remote.known_hosts == [PathBuf::from("k")]);
        assert!(parse("barque runs diff 20261125T020304Z-1a2b 20261125T020304Z-1a2c --output json").is_ok());
        assert!(parse("barque runs show 20261125T020304Z-1a2b --spec --follow").is_err());
        assert!(parse("barque runs show yesterday").is_err());
    }

    #[test]
    fn rollback_takes_a_run_or_none() {
        let Verb::Rollback(last) = parse("barque rollback --yes").unwrap() else { panic!("not rollback") };
        assert!(last.run.is_none() && last.yes);
        let words = "barque rollback 20261125T020304Z-1a2b --only m1:/etc/a --only m2:/etc/b --delete-data --forget --plan";
        let Verb::Rollback(one) = parse(words).unwrap() else { panic!("not rollback") };
        assert_eq!((one.run.unwrap().as_str(), one.only.len()), ("20261125T020304Z-1a2b", 2));
    }
}
