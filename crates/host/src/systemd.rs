//! What systemd says of units.

use std::collections::BTreeMap;
use std::time::Duration;

use barque_event::Failure;

use crate::command::{Command, CommandError};
use crate::context::HostContext;
use crate::error::HostError;

/// Properties asked for, in one call for all units.
const PROPERTIES: &str =
    "Id,LoadState,ActiveState,SubState,UnitFileState,NRestarts,ActiveEnterTimestampMonotonic,NeedDaemonReload,Type,Restart,Result";
/// systemd answers within milliseconds; busy hosts get time.
const SHOW_TIMEOUT: Duration = Duration::from_secs(20);
/// Reading all units again; some hosts have thousands.
const RELOAD_TIMEOUT: Duration = Duration::from_mins(1);

/// A unit as systemd shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) loaded: bool,
    pub(crate) enabled: bool,
    pub(crate) active: String,
    pub(crate) sub: String,
    pub(crate) restarts: u32,
    pub(crate) active_since: u64,
    pub(crate) needs_reload: bool,
    pub(crate) kind: String,
    pub(crate) restarts_itself: bool,
    pub(crate) result: String,
}

impl Shown {
    /// Whether its process runs.
    pub(crate) fn is_active(&self) -> bool {
        self.active == "active" || self.active == "reloading"
    }

    /// State for people, such as `activating (auto-restart), result exit-code`.
    pub(crate) fn words(&self) -> String {
        let result = if self.result.is_empty() || self.result == "success" { String::new() } else { format!(", result {}", self.result) };
        format!("{} ({}){result}", self.active, self.sub)
    }
}

/// Asks systemd for `units`, in one call; answers in the same order.
pub(crate) async fn show(units: &[&str]) -> Result<Vec<Shown>, HostError> {
    if units.is_empty() {
        return Ok(Vec::new());
    }
    let command =
        Command::new("systemctl", ["show", "-p", PROPERTIES, "--"].into_iter().chain(units.iter().copied())).timeout(SHOW_TIMEOUT);
    let output = match command.run().await {
        Ok(output) => output,
        // Preflight reports a host without systemd; to observe it is no error.
        Err(error) if error.is_missing() => return Ok(vec![Shown { active: "inactive".to_owned(), ..Shown::default() }; units.len()]),
        // A unit that systemd does not know is no error: systemd itself does not answer, as on a host that is going down. That passes.
        Err(error) => return Err(passing(Failure::from(error))),
    };
    let shown = parse_show(&output.stdout);
    if shown.len() != units.len() {
        // Seen on a host so busy that systemd took a minute to start a unit: success, and nothing printed.
        let detail = format!("{} units asked for, {} answered {}", units.len(), shown.len(), output.stderr.trim());
        return Err(passing(HostError::Output { command: command.line(), detail: detail.trim_end().to_owned() }.into()));
    }
    Ok(shown)
}

/// What another try may not meet.
fn passing(failure: Failure) -> HostError {
    let hint = "see that the host runs (`systemctl is-system-running`), then run `barque up` again";
    HostError::Failed(Box::new(failure.with_hint(hint).retryable()))
}

/// Blocks of `Property=value` lines, separated by empty lines (systemctl(1), `show`).
fn parse_show(text: &str) -> Vec<Shown> {
    let blocks = text.trim().split("\n\n").filter(|block| !block.trim().is_empty());
    blocks.map(|block| shown(&block.lines().filter_map(|line| line.split_once('=')).collect())).collect()
}

fn shown(properties: &BTreeMap<&str, &str>) -> Shown {
    let text = |name: &str| properties.get(name).copied().unwrap_or_default();
    Shown {
        loaded: text("LoadState") == "loaded",
        // A unit without an [Install] section cannot be enabled; others pull it in.
        enabled: matches!(text("UnitFileState"), "enabled" | "static" | "alias" | "generated" | "indirect"),
        active: text("ActiveState").to_owned(),
        sub: text("SubState").to_owned(),
        restarts: text("NRestarts").parse().unwrap_or(0),
        active_since: text("ActiveEnterTimestampMonotonic").parse().unwrap_or(0),
        needs_reload: text("NeedDaemonReload") == "yes",
        kind: text("Type").to_owned(),
        restarts_itself: !matches!(text("Restart"), "" | "no"),
        result: text("Result").to_owned(),
    }
}

/// Lets systemd read its units again when a file of them was written since the last time, or it says that it needs to.
pub(crate) async fn reload_if_needed(context: &HostContext, needs_reload: bool) -> Result<(), HostError> {
    let _guard = context.reload_lock().lock().await;
    // Taken before the reload: a file written meanwhile asks for another one.
    if !context.take_units_changed() && !needs_reload {
        return Ok(());
    }
    let reloaded = Command::new("systemctl", ["daemon-reload"]).timeout(RELOAD_TIMEOUT).run().await;
    if reloaded.is_err() {
        context.mark_units_changed();
    }
    reloaded?;
    Ok(())
}

/// The last `lines` lines of a unit's journal, without dates; empty when there is no journal.
pub async fn journal_tail(unit: &str, lines: u32) -> Vec<String> {
    let count = lines.to_string();
    let command = Command::new("journalctl", ["-u", unit, "-n", &count, "-o", "cat", "--no-pager", "-q"]).timeout(Duration::from_secs(10));
    match command.output().await {
        Ok(output) => output.stdout.lines().map(str::to_owned).collect(),
        Err(CommandError::Start { .. } | CommandError::Timeout { .. } | CommandError::Status { .. }) => Vec::new(),
    }
}

/// Microseconds of the clock that systemd's monotonic timestamps use.
pub(crate) fn monotonic_microseconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1000
}

/// Says why `unit` has not been active without a break for `seconds`, or nothing when it has.
pub async fn unit_instability(unit: &str, seconds: u32) -> Result<Option<String>, HostError> {
    let shown = show(&[unit]).await?.pop().unwrap_or_default();
    if !shown.is_active() {
        return Ok(Some(format!("{unit} is {}", shown.words())));
    }
    let age = monotonic_microseconds().saturating_sub(shown.active_since) / 1_000_000;
    Ok((age < u64::from(seconds)).then(|| format!("{unit} is active since {age} s and was restarted {} times", shown.restarts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_blocks_in_order() {
        let text = "Type=notify\nRestart=always\nNRestarts=2\nResult=success\nId=etcd.service\nLoadState=loaded\nActiveState=active\nSubState=running\n\
            UnitFileState=enabled\nNeedDaemonReload=no\nActiveEnterTimestampMonotonic=123456\n\n\
            Restart=no\nNRestarts=0\nId=nope.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\nNeedDaemonReload=no\n";
        let units = parse_show(text);
        assert_eq!(units.len(), 2);
        assert!(units[0].loaded && units[0].enabled && units[0].restarts_itself && units[0].is_active());
        assert_eq!((units[0].restarts, units[0].active_since), (2, 123_456));
        assert!(!units[1].loaded && !units[1].enabled && !units[1].restarts_itself);
        assert_eq!(units[1].words(), "inactive (dead)");
    }
}
