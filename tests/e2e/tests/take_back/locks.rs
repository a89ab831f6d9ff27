//! One run per cluster, from whichever folder or machine.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use barque_e2e::{Running, Scenario, run};

/// A copy of the operator's state, as another machine would have it. Made while no run goes on.
pub(crate) fn copy_of_state(scenario: &Scenario) -> Result<PathBuf> {
    let copy = scenario.folder.path().join("elsewhere");
    let _ = fs_err::remove_dir_all(&copy);
    run("cp", ["-a", &scenario.state().display().to_string(), &copy.display().to_string()])?.ok()?;
    Ok(copy)
}

/// While `first` goes on, a second run is refused and names the first: from the same state directory, and from a copy of it.
pub(crate) fn a_second_run_is_refused(scenario: &Scenario, first: &mut Running, copy: &Path) -> Result<()> {
    scenario.step("a second run beside the first");
    first.says(&["\"planned\""])?;
    let pid = first.id().to_string();
    scenario.up(&[])?.code(5)?.says(&[&pid])?;
    ensure!(!first.has_ended()?, "the first run has ended before the second was refused: nothing was shown");
    let elsewhere = copy.display().to_string();
    scenario.up(&["--state-dir", &elsewhere])?.code(5)?.says(&["in use", &pid])?;
    scenario.remote(&["rollback", "--yes", "--state-dir", &elsewhere])?.code(5)?.says(&["in use", &pid])?;
    ensure!(!first.has_ended()?, "the first run has ended before the others were refused: nothing was shown");
    Ok(())
}
