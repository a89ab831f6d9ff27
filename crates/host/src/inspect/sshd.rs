//! sshd's limits.

use std::time::Duration;

use barque_check::SshLimits;

use crate::command::Command;

/// It only reads its configuration.
const CALL: Duration = Duration::from_secs(2);

/// From `sshd -T`, which prints the configuration in force; `None` when it does not say.
pub(super) async fn limits() -> Option<SshLimits> {
    let output = Command::new("sshd", ["-T"]).timeout(CALL).run().await.ok()?;
    parse(&output.stdout)
}

fn parse(text: &str) -> Option<SshLimits> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).map(str::trim);
    // `10:30:100`: from 10 on some are refused, from 100 on all. A single number is both.
    let startups = value("maxstartups")?.split(':').next()?;
    Some(SshLimits { max_sessions: value("maxsessions")?.parse().ok()?, startups_begin: startups.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let found = parse("port 22\nmaxauthtries 6\nmaxsessions 10\nmaxstartups 10:30:100\n");
        assert_eq!(found, Some(SshLimits { max_sessions: 10, startups_begin: 10 }));
        assert_eq!(parse("maxsessions 10\n"), None);
    }
}
