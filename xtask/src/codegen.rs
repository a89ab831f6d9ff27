//! Files made from the code and checked in, so that editors and readers find them.

use std::path::Path;

use anyhow::{Result, bail};
use fs_err as fs;

use crate::run::{self, root};

/// Writes the generated files, or only compares them.
pub(crate) fn run(check: bool) -> Result<()> {
    let schema = serde_json::to_string_pretty(&barque_spec::schema())?;
    let commands = run::output(&mut run::cargo(&["run", "--quiet", "--locked", "--package", "barque", "--", "reference"]))?;
    let files =
        [("docs/cluster.schema.json", schema), ("docs/cluster-file.md", barque_spec::reference_markdown()), ("docs/cli.md", commands)];
    let mut stale = Vec::new();
    for (name, text) in files {
        if !update(&root().join(name), &format!("{}\n", text.trim_end()), check)? {
            continue;
        }
        println!("{name}: {}", if check { "not up to date" } else { "written" });
        stale.push(name);
    }
    if check && !stale.is_empty() {
        bail!("{} generated files are not up to date; run `cargo xtask codegen` and commit them", stale.len());
    }
    Ok(())
}

/// Answers whether the file differed. Writes it then, unless `check`.
fn update(path: &Path, text: &str, check: bool) -> Result<bool> {
    match fs::read_to_string(path) {
        Ok(present) if present == text => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    if !check {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn checking_changes_nothing_and_writing_converges() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docs/file.md");
        assert!(update(&path, "one\n", true).unwrap());
        assert!(!path.exists());
        assert!(update(&path, "one\n", false).unwrap());
        assert!(!update(&path, "one\n", true).unwrap());
        assert!(update(&path, "two\n", true).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    }
}
