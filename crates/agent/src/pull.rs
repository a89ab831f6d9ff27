//! A test pull with containerd's own client.

use std::time::Duration;

use barque_host::{Command, CommandError};

/// Namespace of test pulls: kubelet's images are in another one, and are neither used nor removed.
const NAMESPACE: &str = "barque-test";
/// One try; the gate has its own time for all of them.
const TRY: Duration = Duration::from_secs(100);
/// Pause after a try that failed: a registry is not asked four times a second, and one that counts wrong passwords not at all for long.
const PAUSE: Duration = Duration::from_secs(5);

/// Pulls `image` by the settings of registries in `settings`, and removes what was fetched. Says why it cannot be pulled.
pub(crate) async fn refused(image: &str, settings: &str) -> Option<String> {
    let pull = Command::new("ctr", ["-n", NAMESPACE, "images", "pull", "--hosts-dir", settings, image]).timeout(TRY);
    let answer = pull.run().await;
    forget(image).await;
    let error = answer.err()?;
    let reason = reason(&error);
    tokio::time::sleep(PAUSE).await;
    Some(reason)
}

/// Also after a try that failed: a part may have been fetched. That nothing is there is no fault.
async fn forget(image: &str) {
    // `--sync` waits until the contents are gone, so that the namespace is empty.
    for arguments in [vec!["-n", NAMESPACE, "images", "rm", "--sync", image], vec!["namespaces", "rm", NAMESPACE]] {
        let _may_be_gone = Command::new("ctr", arguments).output().await;
    }
}

/// ctr's own words, which are the last line that it prints.
fn reason(error: &CommandError) -> String {
    match error {
        CommandError::Status { output, .. } => {
            let last = output.iter().rev().find(|line| !line.trim().is_empty());
            last.map_or_else(|| error.to_string(), |line| line.trim().trim_start_matches("ctr: ").to_owned())
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_why() {
        let output = ["docker.io/library/x:1: resolving", "ctr: failed to resolve image: 401 Unauthorized", ""];
        let error = CommandError::Status { command: "ctr".into(), status: 1, output: output.map(str::to_owned).into() };
        assert_eq!(reason(&error), "failed to resolve image: 401 Unauthorized");
        let silent = CommandError::Status { command: "ctr".into(), status: 1, output: Vec::new() };
        assert_eq!(reason(&silent), "`ctr` ended with status 1");
    }
}
