//! Images of the scenario, and a client that pushes and deletes them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Caller, Finished, Scenario, run};
use serde_json::{Value, json};

pub(crate) const USER: &str = "puller";
pub(crate) const PASSWORD: &str = "lab-word-5b1e9c";
/// `PASSWORD` as bcrypt has it, the only form that the registry reads.
pub(crate) const HASH: &str = "$2y$05$JkXv8QhYw3nR0bTzLpM1eODFCqTCqR6XeQLSN1l31WeAz5yxsGmu2";

/// An image whose parts lie in the folder.
pub(crate) struct Image {
    folder: PathBuf,
    /// Digest of its manifest.
    pub(crate) digest: String,
    kind: String,
    manifest: Value,
}

impl Image {
    /// The workload of scenarios.
    pub(crate) fn toolbox(scenario: &Scenario) -> Result<Self> {
        let folder = scenario.folder.path().join("image");
        let archive = std::env::var("BARQUE_TEST_TOOLBOX").context("BARQUE_TEST_TOOLBOX is not set")?;
        fs_err::create_dir_all(&folder)?;
        run("tar", ["-xf", &archive, "-C", &folder.display().to_string()])?.ok()?;
        let index: Value = serde_json::from_str(&fs_err::read_to_string(folder.join("index.json"))?)?;
        let (digest, kind) = (text(&index["manifests"][0]["digest"])?, text(&index["manifests"][0]["mediaType"])?);
        let manifest = serde_json::from_str(&fs_err::read_to_string(blob(&folder, &digest))?)?;
        Ok(Self { folder, digest, kind, manifest })
    }

    /// The same with one more layer, so that no node has it already.
    pub(crate) fn with(&self, word: &str) -> Result<Self> {
        fs_err::write(self.folder.join("word.txt"), word)?;
        let place = self.folder.display().to_string();
        run("tar", ["-C", &place, "-cf", &format!("{place}/layer.tar"), "word.txt"])?.ok()?;
        let (layer, size) = self.add(&fs_err::read(self.folder.join("layer.tar"))?)?;
        let mut config: Value =
            serde_json::from_str(&fs_err::read_to_string(blob(&self.folder, &text(&self.manifest["config"]["digest"])?))?)?;
        config["rootfs"]["diff_ids"].as_array_mut().context("no layers")?.push(json!(layer));
        config.as_object_mut().context("a configuration")?.remove("history");
        let (config, config_size) = self.add(config.to_string().as_bytes())?;
        let mut manifest = self.manifest.clone();
        let kind = "application/vnd.oci.image.layer.v1.tar";
        manifest["layers"].as_array_mut().context("no layers")?.push(json!({"mediaType": kind, "digest": layer, "size": size}));
        manifest["config"]["digest"] = json!(config);
        manifest["config"]["size"] = json!(config_size);
        let (digest, _) = self.add(manifest.to_string().as_bytes())?;
        Ok(Self { folder: self.folder.clone(), digest, kind: self.kind.clone(), manifest })
    }

    /// Digests of its layers.
    pub(crate) fn layers(&self) -> Result<Vec<String>> {
        self.manifest["layers"].as_array().context("no layers")?.iter().map(|layer| text(&layer["digest"])).collect()
    }

    /// Digest of its configuration, the smallest of its parts.
    pub(crate) fn manifest_config(&self) -> Result<String> {
        text(&self.manifest["config"]["digest"])
    }

    fn add(&self, content: &[u8]) -> Result<(String, usize)> {
        let file = self.folder.join("new");
        fs_err::write(&file, content)?;
        let sum = run("sha256sum", [&file.display().to_string()])?.ok()?.stdout;
        let digest = format!("sha256:{}", sum.split(' ').next().unwrap_or_default());
        fs_err::rename(&file, blob(&self.folder, &digest))?;
        Ok((digest, content.len()))
    }
}

/// Somebody on this machine who pushes and deletes.
pub(crate) struct Client {
    /// `https://ADDRESS:PORT`.
    pub(crate) url: String,
    /// `USER:PASSWORD`, or nothing.
    pub(crate) who: Option<String>,
    /// The authority that it trusts.
    pub(crate) authority: PathBuf,
}

impl Client {
    /// Pushes an image as `NAME:TAG`.
    pub(crate) fn push(&self, image: &Image, name: &str, tag: &str) -> Result<()> {
        let base = format!("{}/v2/{name}", self.url);
        let layers = image.manifest["layers"].as_array().context("no layers")?;
        for part in layers.iter().chain([&image.manifest["config"]]) {
            let digest = text(&part["digest"])?;
            let answer = self.ask(&["-X", "POST", &format!("{base}/blobs/uploads/")], "202")?;
            let place = answer.lines().find_map(|line| line.to_lowercase().starts_with("location:").then(|| line[9..].trim().to_owned()));
            let place = place.with_context(|| format!("no place for an upload: {answer}"))?;
            let join = if place.contains('?') { '&' } else { '?' };
            let file = blob(&image.folder, &digest).display().to_string();
            self.ask(&["-H", "Content-Type: application/octet-stream", "-T", &file, &format!("{place}{join}digest={digest}")], "201")?;
        }
        let file = blob(&image.folder, &image.digest).display().to_string();
        let kind = format!("Content-Type: {}", image.kind);
        self.ask(&["-H", &kind, "-T", &file, &format!("{base}/manifests/{tag}")], "201").map(drop)
    }

    /// Deletes what `NAME` calls by the image's digest.
    pub(crate) fn delete(&self, image: &Image, name: &str) -> Result<()> {
        self.ask(&["-X", "DELETE", &format!("{}/v2/{name}/manifests/{}", self.url, image.digest)], "202").map(drop)
    }

    /// Fetches a part of an image as a node does.
    pub(crate) fn fetch(&self, name: &str, digest: &str) -> Result<()> {
        self.ask(&["-o", "/dev/null", &format!("{}/v2/{name}/blobs/{digest}", self.url)], "200").map(drop)
    }

    /// The same again and again.
    pub(crate) fn caller(&self, name: &str, digest: &str) -> Result<Caller> {
        let (authority, who) = (self.authority.display().to_string(), self.who.as_deref().unwrap_or_default());
        Caller::of(&["--cacert", &authority, "-u", who, &format!("{}/v2/{name}/blobs/{digest}", self.url)])
    }

    /// The answer with its head; an error that holds both unless the status is `wanted`.
    fn ask(&self, arguments: &[&str], wanted: &str) -> Result<String> {
        let answer = self.curl(arguments)?.ok()?.stdout;
        let statuses: Vec<&str> =
            answer.lines().filter(|line| line.starts_with("HTTP/")).filter_map(|line| line.split(' ').nth(1)).collect();
        ensure!(statuses.last() == Some(&wanted), "{arguments:?} was answered\n{answer}");
        Ok(answer)
    }

    fn curl(&self, arguments: &[&str]) -> Result<Finished> {
        let authority = self.authority.display().to_string();
        // An answer comes before the whole of an upload is sent: no `Expect`, and the head is on standard output with the body.
        let mut all = vec!["-sS", "--noproxy", "*", "--max-time", "60", "-D", "-", "-H", "Expect:", "--cacert", &authority];
        if let Some(who) = &self.who {
            all.extend(["-u", who]);
        }
        all.extend(arguments);
        run("curl", all)
    }
}

fn blob(folder: &Path, digest: &str) -> PathBuf {
    folder.join("blobs").join(digest.replace(':', "/"))
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("not a text: {value}"))?.to_owned())
}
