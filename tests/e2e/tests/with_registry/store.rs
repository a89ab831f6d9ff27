//! A real S3-compatible store on this machine, with TLS on the lab's own address, whose disk is small.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Scenario, eventually, run};

pub(crate) const ACCESS_KEY: &str = "lab-key";
pub(crate) const SECRET_KEY: &str = "lab-word-71b04e";
pub(crate) const BUCKET: &str = "images";
const PORT: u16 = 9000;

/// The store.
pub(crate) struct Store {
    folder: PathBuf,
    address: String,
    process: Option<Child>,
}

impl Store {
    /// Starts it with an empty bucket; `store.crt` and `store.key` in the scenario's folder are its certificate.
    pub(crate) fn start(scenario: &Scenario) -> Result<Self> {
        let mut store = Self { folder: scenario.folder.path().to_owned(), address: address(scenario)?, process: None };
        let disk = store.disk();
        fs_err::create_dir_all(&disk)?;
        run("mount", ["-t", "tmpfs", "-o", "size=64m", "barque-store", &disk.display().to_string()])?.ok()?;
        fs_err::create_dir_all(disk.join("root").join(BUCKET))?;
        store.resume()?;
        Ok(store)
    }

    /// Where the lab's hosts reach it.
    pub(crate) fn url(&self) -> String {
        format!("https://{}:{PORT}", self.address)
    }

    /// Starts the program; it answers when this returns.
    pub(crate) fn resume(&mut self) -> Result<()> {
        let programs =
            std::env::var_os("BARQUE_TEST_BINARIES").context("BARQUE_TEST_BINARIES is not set; run the scenarios by `cargo xtask e2e`")?;
        let log = fs_err::File::options().create(true).append(true).open(self.folder.join("store.log"))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(Path::new(&programs).join("versitygw"));
        command.args(["--port", &format!("{}:{PORT}", self.address)]);
        command.arg("--cert").arg(self.folder.join("store.crt")).arg("--key").arg(self.folder.join("store.key"));
        command.arg("posix").arg(self.disk().join("root"));
        command.env("ROOT_ACCESS_KEY", ACCESS_KEY).env("ROOT_SECRET_KEY", SECRET_KEY);
        command.stdin(Stdio::null()).stdout(log.try_clone()?.into_parts().0).stderr(log.into_parts().0);
        self.process = Some(command.spawn().context("cannot start the store")?);
        let authority = self.folder.join("authority.pem").display().to_string();
        eventually("the store answers", Duration::from_secs(20), || {
            run("curl", ["-sS", "--noproxy", "*", "--cacert", &authority, &format!("{}/", self.url())])?.ok().map(drop)
        })
    }

    /// Ends the program; what it keeps stays.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        run("kill", [&process.id().to_string()])?.ok()?;
        process.wait()?;
        Ok(())
    }

    /// Takes the rest of its disk.
    pub(crate) fn fill_disk(&self) -> Result<()> {
        let filled = run("dd", ["if=/dev/zero", &format!("of={}", self.disk().join("filler").display()), "bs=64k"])?;
        ensure!(filled.code != Some(0), "the disk has no end");
        Ok(())
    }

    /// Gives the rest of its disk back.
    pub(crate) fn free_disk(&self) -> Result<()> {
        Ok(fs_err::remove_file(self.disk().join("filler"))?)
    }

    /// Whether it holds the content of this digest.
    pub(crate) fn holds(&self, digest: &str) -> bool {
        let name = digest.trim_start_matches("sha256:");
        let blobs = self.disk().join("root").join(BUCKET).join("docker/registry/v2/blobs/sha256");
        blobs.join(&name[..2]).join(name).join("data").exists()
    }

    fn disk(&self) -> PathBuf {
        self.folder.join("store-disk")
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.stop();
        let _ = run("umount", [&self.disk().display().to_string()]);
    }
}

/// This machine's address in the lab's network.
pub(crate) fn address(scenario: &Scenario) -> Result<String> {
    let first = scenario.lab.hosts().first().context("the lab has hosts")?.address.to_string();
    Ok(format!("{}.1", first.rsplit_once('.').context("an IPv4 address")?.0))
}
