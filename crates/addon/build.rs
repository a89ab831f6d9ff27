//! Lists the folders of `addons/`, so that a new add-on is a new folder and no line of Rust.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../addons").canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    let mut text = String::from("&[\n");
    for folder in sorted(&root)?.into_iter().filter(|path| path.is_dir()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        writeln!(text, "    ({name:?}, &[")?;
        for file in files(&folder)? {
            println!("cargo::rerun-if-changed={}", file.display());
            let relative = file.strip_prefix(&folder)?.display().to_string();
            writeln!(text, "        ({relative:?}, include_str!({:?})),", file.display().to_string())?;
        }
        text.push_str("    ]),\n");
    }
    text.push(']');
    fs::write(Path::new(&std::env::var("OUT_DIR")?).join("embedded.rs"), text)?;
    Ok(())
}

/// What lies in a folder, by name, so that every build lists the same order.
fn sorted(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in sorted(folder)? {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
