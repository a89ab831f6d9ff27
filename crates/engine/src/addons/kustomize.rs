//! Builds a kustomization by the program that knows how: barque has no builder of its own.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use barque_addon::{Files, is_kustomization};

/// Programs that build one, each with what stands before the folder. The first that is installed is used.
const BUILDERS: [(&str, &str); 2] = [("kubectl", "kustomize"), ("kustomize", "build")];
/// Lines of a builder's complaint that are shown.
const SHOWN: usize = 5;

/// The objects of a kustomization as one file; `None` for a folder that is none, and when no builder is installed. The error is the builder's.
pub(crate) fn built(folder: &Path) -> Result<Option<Files>, String> {
    if !folder.is_dir()
        || !fs_err::read_dir(folder)
            .is_ok_and(|entries| entries.flatten().any(|entry| is_kustomization(&entry.file_name().to_string_lossy())))
    {
        return Ok(None);
    }
    for (program, verb) in BUILDERS {
        let mut command = Command::new(program);
        command.arg(verb).arg(folder).stdin(Stdio::null());
        // It builds files; the cluster is none of its business.
        command.env_remove("KUBECONFIG");
        let output = match command.output() {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("cannot start `{program}`: {error}")),
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
            let last = lines.iter().skip(lines.len().saturating_sub(SHOWN)).copied().collect::<Vec<_>>().join("; ");
            return Err(format!("`{program} {verb} {}` ended with {}: {last}", folder.display(), output.status));
        }
        let text = String::from_utf8(output.stdout).map_err(|error| format!("what `{program} {verb}` wrote is no text: {error}"))?;
        return Ok(Some(Files::from([("built.yaml".to_owned(), text)])));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_kustomization_is_built() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(built(folder.path()), Ok(None));
        assert_eq!(built(&folder.path().join("gone")), Ok(None));
        fs_err::write(folder.path().join("a.yaml"), "").unwrap();
        assert_eq!(built(folder.path()), Ok(None));
    }
}
