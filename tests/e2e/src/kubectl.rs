//! The real `kubectl`, from the bundle.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::Finished;
use crate::command::finish;

/// Runs kubectl with one kubeconfig.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Uses `kubeconfig`; the program lies in the directory that `BARQUE_TEST_BINARIES` names.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        let binaries =
            std::env::var_os("BARQUE_TEST_BINARIES").context("BARQUE_TEST_BINARIES is not set; run the scenarios by `cargo xtask e2e`")?;
        Ok(Self { program: Path::new(&binaries).join("kubectl"), kubeconfig: kubeconfig.to_owned() })
    }

    /// The folder that it lies in.
    pub fn folder(&self) -> &Path {
        self.program.parent().unwrap_or(&self.program)
    }

    /// Runs it; a request that hangs ends after ten seconds.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished> {
        self.run_for("10s", arguments)
    }

    /// Runs it with another limit for each request, such as `2s`.
    pub fn run_for(&self, limit: &str, arguments: &[&str]) -> Result<Finished> {
        let mut command = Command::new(&self.program);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg(format!("--request-timeout={limit}")).args(arguments).stdin(Stdio::null());
        finish(&mut command)
    }

    /// Standard output of a run that must succeed.
    pub fn get(&self, arguments: &[&str]) -> Result<String> {
        Ok(self.run(arguments)?.ok()?.stdout.trim().to_owned())
    }

    /// The answer of `get … -o json`.
    pub fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let mut all = arguments.to_vec();
        all.extend(["-o", "json"]);
        Ok(serde_json::from_str(&self.get(&all)?)?)
    }

    /// Applies objects.
    pub fn apply(&self, folder: &Path, name: &str, yaml: &str) -> Result<()> {
        let file = folder.join(format!("{name}.yaml"));
        fs_err::write(&file, yaml)?;
        self.run(&["apply", "-f", &file.display().to_string()])?.ok()?;
        Ok(())
    }
}
