//! Files made from the code and checked in, so that editors and readers find them.

use std::path::Path;

use anyhow::{Result, bail};
use fs_err as fs;

use crate::run::{self, root};

/// Folder that holds generated pages only.
const REFERENCE: &str = "docs/reference";

/// Writes the generated files, or only compares them.
pub(crate) fn run(check: bool) -> Result<()> {
    let schema = serde_json::to_string_pretty(&barque_spec::schema())?;
    let commands = run::output(&mut run::cargo(&["run", "--quiet", "--locked", "--package", "barque", "--", "reference"]))?;
    let mut files = vec![
        ("docs/cluster.schema.json".to_owned(), schema),
        ("docs/cluster-file.md".to_owned(), barque_spec::reference_markdown()),
        ("docs/cli.md".to_owned(), commands),
    ];
    files.extend(barque_catalog::reference_pages().into_iter().map(|page| (format!("{REFERENCE}/{}", page.path), page.text)));
    let mut stale = Vec::new();
    for folder in [REFERENCE.to_owned(), format!("{REFERENCE}/zh")] {
        for name in left_over(&root(), &folder, &files)? {
            println!("{name}: {}", if check { "not generated any more" } else { "removed" });
            if !check {
                fs::remove_file(root().join(&name))?;
            }
            stale.push(name);
        }
    }
    for (name, text) in files {
        if !update(&root().join(&name), &format!("{}\n", text.trim_end()), check)? {
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

/// Files of `folder` that nothing generates, as paths below `root`; none when there is no such folder.
fn left_over(root: &Path, folder: &str, generated: &[(String, String)]) -> Result<Vec<String>> {
    let present = match fs::read_dir(root.join(folder)) {
        Ok(present) => present,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for entry in present {
        let entry = entry?;
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_file() && !generated.iter().any(|(known, _)| *known == name) {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
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
    fn pages_that_nothing_generates_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let generated = [("docs/a.md".to_owned(), String::new())];
        assert!(left_over(folder.path(), "docs", &generated).unwrap().is_empty());
        for name in ["docs/a.md", "docs/b.md", "docs/zh/c.md"] {
            update(&folder.path().join(name), "", false).unwrap();
        }
        assert_eq!(left_over(folder.path(), "docs", &generated).unwrap(), ["docs/b.md"]);
    }

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
