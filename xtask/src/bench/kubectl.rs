//! Looks at the cluster from outside, through its virtual address.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::text;
use crate::run;

/// `kubectl` as the administrator.
#[derive(Debug)]
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Uses `program` with a kubeconfig.
    pub(crate) fn new(program: &Path, kubeconfig: PathBuf) -> Self {
        Self { program: program.to_path_buf(), kubeconfig }
    }

    /// What `kubectl get ARGUMENTS -o json` answers within three seconds.
    pub(crate) fn get(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = run::command(&self.program, &["--kubeconfig", text(&self.kubeconfig)?, "--request-timeout=3s", "get"]);
        let output = command.args(arguments).args(["-o", "json"]).stdin(Stdio::null()).output().context("cannot start kubectl")?;
        if !output.status.success() {
            bail!("kubectl: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout).context("cannot read the answer of kubectl")
    }

    /// The address of a Service.
    pub(crate) fn service_address(&self, namespace: &str, name: &str) -> Result<String> {
        let service = self.get(&["service", "--namespace", namespace, name])?;
        let address = service["spec"]["clusterIP"].as_str().with_context(|| format!("the Service {namespace}/{name} has no address"))?;
        Ok(address.to_owned())
    }
}
