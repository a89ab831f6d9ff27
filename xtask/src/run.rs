//! Runs programs from the root of the workspace.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    // CARGO_MANIFEST_DIR is the folder of this crate, one below the root.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// `program` with `arguments`, to be run in the root.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).args(arguments);
    // Set by `cargo xtask` itself; a cargo below would take them for its own.
    command.env_remove("CARGO_PKG_NAME").env_remove("CARGO_MANIFEST_DIR");
    command
}

/// `cargo` with `arguments`.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    command("cargo", arguments)
}

/// Runs to the end with the caller's terminal; fails unless it exits with 0.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let words = words(command);
    eprintln!("$ {words}");
    let status = command.status().with_context(|| format!("cannot start `{words}`"))?;
    if !status.success() {
        bail!("`{words}` failed ({status})");
    }
    Ok(())
}

/// Runs to the end and answers stdout; stderr goes to the terminal.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let words = words(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{words}`"))?;
    if !output.status.success() {
        bail!("`{words}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{words}` wrote something that is not text"))
}

/// Runs to the end, shows stderr as it comes and answers it too, with whether the exit status was 0.
pub(crate) fn tee_stderr(command: &mut Command) -> Result<(bool, Vec<String>)> {
    let words = words(command);
    eprintln!("$ {words}");
    let mut child = command.stderr(Stdio::piped()).spawn().with_context(|| format!("cannot start `{words}`"))?;
    let mut lines = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            eprintln!("{line}");
            lines.push(line);
        }
    }
    Ok((child.wait()?.success(), lines))
}

fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_root_is_the_workspace() {
        assert!(fs_err::read_to_string(root().join("Cargo.toml")).unwrap().contains("[workspace]"));
    }

    #[test]
    fn failures_name_the_command() {
        let error = check(&mut command("sh", &["-c", "exit 3"])).unwrap_err().to_string();
        assert!(error.contains("sh -c exit 3") && error.contains('3'), "{error}");
        assert_eq!(output(&mut command("echo", &["a"])).unwrap(), "a\n");
        let (success, lines) = tee_stderr(&mut command("sh", &["-c", "echo one >&2; echo two >&2; exit 1"])).unwrap();
        assert!(!success);
        assert_eq!(lines, ["one", "two"]);
    }
}
