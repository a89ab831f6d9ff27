//! A scenario: a lab, a cluster file, a state directory, and the program under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::command::finish;
use crate::{ClusterFile, Finished, Kubectl, Lab, Running};

/// What one scenario works with. Its lab goes when it is dropped.
pub struct Scenario {
    /// The lab.
    pub lab: Lab,
    /// Folder of the cluster file, the state and everything else of the scenario.
    pub folder: tempfile::TempDir,
    name: String,
    topology: String,
}

impl Scenario {
    /// Boots a lab with `topology` (TOML); the default one when it is empty.
    pub fn new(name: &str, topology: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("barque-{name}-")).tempdir()?;
        let lab = Lab::up(name, topology, folder.path())?;
        Ok(Self { lab, folder, name: name.to_owned(), topology: topology.to_owned() })
    }

    /// Says what is being checked now, so that a failure shows how far it got.
    pub fn step(&self, text: &str) {
        #[expect(clippy::print_stderr, reason = "the scenarios' own progress; the test runner keeps it with the result")]
        {
            eprintln!("== {}: {text}", self.name);
        }
    }

    /// Path of the cluster file.
    pub fn cluster_file(&self) -> PathBuf {
        self.folder.path().join("cluster.yaml")
    }

    /// Writes the cluster file.
    pub fn write(&self, file: &ClusterFile) -> Result<()> {
        fs_err::write(self.cluster_file(), file.text())?;
        Ok(())
    }

    /// The program, with this scenario's files.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(barque());
        command.args(arguments).stdin(Stdio::null());
        command
            .env("BARQUE_CLUSTER_FILE", self.cluster_file())
            .env("BARQUE_IDENTITY", self.folder.path().join("identity.txt"))
            .env_remove("SSH_AUTH_SOCK");
        command
    }

    /// Runs `barque` with `arguments`.
    pub fn barque(&self, arguments: &[&str]) -> Result<Finished> {
        finish(&mut self.command(arguments))
    }

    /// Runs `barque up` with the lab's host keys known, plus `arguments`.
    pub fn up(&self, arguments: &[&str]) -> Result<Finished> {
        let mut all = vec!["up"];
        all.extend(arguments);
        self.remote(&all)
    }

    /// Runs a verb that connects to the hosts, with their keys known.
    pub fn remote(&self, arguments: &[&str]) -> Result<Finished> {
        finish(&mut self.remote_command(arguments))
    }

    /// Starts a verb that connects to the hosts, and goes on.
    pub fn begin(&self, arguments: &[&str]) -> Result<Running> {
        Running::start(self.remote_command(arguments), self.folder.path())
    }

    /// A verb that connects to the hosts, with their keys known.
    pub fn remote_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.arg("--known-hosts").arg(self.lab.known_hosts());
        command
    }

    /// Where barque keeps the cluster's state.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join(".barque").join(self.lab.name())
    }

    /// Identifiers of all runs that the state directory knows, oldest first.
    pub fn runs(&self) -> Result<Vec<String>> {
        let folder = self.state().join("runs");
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let names = fs_err::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut runs: Vec<String> = names.collect::<std::io::Result<_>>()?;
        runs.sort();
        Ok(runs)
    }

    /// The latest run.
    pub fn last_run(&self) -> Result<String> {
        self.runs()?.pop().context("barque has recorded no run")
    }

    /// Puts new hosts of the same names and addresses in place of the lab's. What the operator's machine knows of the cluster stays,
    /// its certificates among it.
    pub fn renew_hosts(&mut self) -> Result<()> {
        let addresses = |lab: &Lab| lab.hosts().iter().map(|host| host.address).collect::<Vec<_>>();
        self.lab.down()?;
        let fresh = Lab::up(&self.name, &self.topology, self.folder.path())?;
        anyhow::ensure!(addresses(&fresh) == addresses(&self.lab), "the new hosts have other addresses: {fresh:?}");
        self.lab = fresh;
        Ok(())
    }

    /// Puts the image of the test workload, `barque.test/toolbox:1`, on nodes; barque's own images come with `up`.
    pub fn load_toolbox(&self, nodes: &[&str]) -> Result<()> {
        self.load_image("BARQUE_TEST_TOOLBOX", nodes)
    }

    /// Puts the image on nodes whose archive an environment variable names.
    pub fn load_image(&self, variable: &str, nodes: &[&str]) -> Result<()> {
        let image = std::env::var(variable).with_context(|| format!("{variable} is not set; run the scenarios by `cargo xtask e2e`"))?;
        for node in nodes {
            let root = &self.lab.host(node)?.root;
            fs_err::copy(&image, root.join("var/tmp/image.tar"))?;
            self.lab.get(node, "ctr -n k8s.io images import /var/tmp/image.tar && rm /var/tmp/image.tar")?;
        }
        Ok(())
    }

    /// A `kubectl` that reaches the cluster through its VIP as administrator.
    pub fn kubectl(&self) -> Result<Kubectl> {
        let kubeconfig = self.folder.path().join("kubeconfig");
        self.barque(&["kubeconfig", "--to", &kubeconfig.display().to_string()])?.ok()?;
        Kubectl::new(&kubeconfig)
    }

    /// One that asks a master's own API server, for when nobody holds the VIP.
    pub fn kubectl_of(&self, master: &str) -> Result<Kubectl> {
        self.kubectl()?;
        let text = fs_err::read_to_string(self.folder.path().join("kubeconfig"))?;
        let server = format!("server: https://{}:6443", self.lab.host(master)?.address);
        let lines = text.lines().map(|line| match line.find("server: ") {
            Some(place) => format!("{}{server}\n", &line[..place]),
            None => format!("{line}\n"),
        });
        let kubeconfig = self.folder.path().join(format!("kubeconfig-{master}"));
        fs_err::write(&kubeconfig, lines.collect::<String>())?;
        Kubectl::new(&kubeconfig)
    }
}

/// The program under test.
pub(crate) fn barque() -> PathBuf {
    std::env::var_os("BARQUE_BINARY").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/dist/barque"), PathBuf::from)
}

/// Asks again until the answer is good or the time is up; the last error is the result.
pub fn eventually<Answer>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<Answer>) -> Result<Answer> {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if begun.elapsed() >= limit => {
                return Err(error).with_context(|| format!("{what}: not within {} s", limit.as_secs()));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(250)),
        }
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("BARQUE_E2E_KEEP").is_some() {
            self.step(&format!("kept: `{} lab status --name {}`", barque().display(), self.lab.name()));
            return;
        }
        let _ = self.lab.down();
    }
}
