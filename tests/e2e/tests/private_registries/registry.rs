//! Real registries on two hosts of the lab.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Scenario, run};
use serde_json::Value;

pub(crate) const USER: &str = "puller";
pub(crate) const PASSWORD: &str = "lab-word-5b1e9c";
/// `PASSWORD` as bcrypt has it, the only form that the registry reads.
const HASH: &str = "$2y$05$JkXv8QhYw3nR0bTzLpM1eODFCqTCqR6XeQLSN1l31WeAz5yxsGmu2";
const CONFIG: &str = "version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http:
  addr: :5000
  tls: {certificate: /etc/registry/tls.crt, key: /etc/registry/tls.key}
auth: {htpasswd: {realm: lab, path: /etc/registry/htpasswd}}
";

/// Two registries, and what the operator has of them.
pub(crate) struct Registries<'scenario> {
    scenario: &'scenario Scenario,
    /// The image's layout, unpacked.
    image: PathBuf,
}

impl<'scenario> Registries<'scenario> {
    /// Starts them on `r1` and `r2`, with certificates of an authority of their own.
    pub(crate) fn start(scenario: &'scenario Scenario) -> Result<Self> {
        let folder = scenario.folder.path();
        let certificates = "
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=authority of the lab' -keyout authority.key -out authority.pem
            for address in $ADDRESSES; do
                openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj \"/CN=$address\" -keyout $address.key -out $address.csr
                echo \"subjectAltName=IP:$address\" > $address.ext
                openssl x509 -req -in $address.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -extfile $address.ext -out $address.crt
            done";
        let addresses: Vec<String> =
            ["r1", "r2"].iter().map(|name| Ok(scenario.lab.host(name)?.address.to_string())).collect::<Result<_>>()?;
        shell(folder, &format!("set -e; ADDRESSES='{}'; {certificates}", addresses.join(" ")))?;
        let program = std::env::var_os("BARQUE_TEST_BINARIES").map(|folder| Path::new(&folder).join("registry"));
        let program = program.context("BARQUE_TEST_BINARIES is not set; run the scenarios by `cargo xtask e2e`")?;
        for (name, address) in ["r1", "r2"].iter().zip(&addresses) {
            let root = &scenario.lab.host(name)?.root;
            fs_err::create_dir_all(root.join("etc/registry"))?;
            fs_err::copy(&program, root.join("usr/local/bin/registry"))?;
            fs_err::write(root.join("etc/registry/config.yml"), CONFIG)?;
            fs_err::write(root.join("etc/registry/htpasswd"), format!("{USER}:{HASH}\n"))?;
            fs_err::copy(folder.join(format!("{address}.crt")), root.join("etc/registry/tls.crt"))?;
            fs_err::copy(folder.join(format!("{address}.key")), root.join("etc/registry/tls.key"))?;
            scenario.lab.get(name, "systemd-run --unit registry --collect registry serve /etc/registry/config.yml")?;
        }
        let registries = Self { scenario, image: folder.join("image") };
        registries.password(PASSWORD)?;
        let archive = std::env::var("BARQUE_TEST_TOOLBOX").context("BARQUE_TEST_TOOLBOX is not set")?;
        fs_err::create_dir_all(&registries.image)?;
        run("tar", ["-xf", &archive, "-C", &registries.image.display().to_string()])?.ok()?;
        Ok(registries)
    }

    /// Writes the operator's file with the password.
    pub(crate) fn password(&self, word: &str) -> Result<()> {
        let folder = self.scenario.folder.path();
        fs_err::write(folder.join("password"), format!("{word}\n"))?;
        shell(folder, "chmod 600 password").map(drop)
    }

    /// Puts the image into the registry of one host as `library/toolbox:1`.
    pub(crate) fn push(&self, name: &str) -> Result<()> {
        let address = self.scenario.lab.host(name)?.address;
        let base = format!("https://{address}:5000/v2/library/toolbox");
        barque_e2e::eventually("the registry", std::time::Duration::from_secs(20), || {
            self.curl(&format!("'https://{address}:5000/v2/'")).map(drop)
        })?;
        let index: Value = serde_json::from_str(&fs_err::read_to_string(self.image.join("index.json"))?)?;
        let manifest_digest = text(&index["manifests"][0]["digest"])?;
        let kind = text(&index["manifests"][0]["mediaType"])?;
        let manifest: Value = serde_json::from_str(&fs_err::read_to_string(self.blob(&manifest_digest))?)?;
        let layers = manifest["layers"].as_array().context("no layers")?;
        for part in layers.iter().chain([&manifest["config"]]) {
            let digest = text(&part["digest"])?;
            let answer = self.curl(&format!("-X POST -D - -o /dev/null '{base}/blobs/uploads/'"))?;
            let place = answer.lines().find_map(|line| line.to_lowercase().starts_with("location:").then(|| line[9..].trim().to_owned()));
            let place = place.with_context(|| format!("no place for an upload: {answer}"))?;
            let join = if place.contains('?') { '&' } else { '?' };
            let blob = self.blob(&digest).display().to_string();
            self.curl(&format!("-X PUT -H 'Content-Type: application/octet-stream' -T '{blob}' '{place}{join}digest={digest}'"))?;
        }
        let blob = self.blob(&manifest_digest).display().to_string();
        self.curl(&format!("-X PUT -H 'Content-Type: {kind}' -T '{blob}' '{base}/manifests/1'"))?;
        let tags = self.curl(&format!("'{base}/tags/list'"))?;
        ensure!(tags.contains("\"1\""), "the image is not in the registry of {name}: {tags}");
        Ok(())
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.image.join("blobs").join(digest.replace(':', "/"))
    }

    fn curl(&self, arguments: &str) -> Result<String> {
        shell(self.scenario.folder.path(), &format!("curl -sS --fail --cacert authority.pem -u '{USER}:{PASSWORD}' {arguments}"))
    }
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("not a text: {value}"))?.to_owned())
}

fn shell(folder: &Path, script: &str) -> Result<String> {
    Ok(run("sh", ["-c", &format!("cd '{}' && {script}", folder.display())])?.ok()?.stdout)
}
