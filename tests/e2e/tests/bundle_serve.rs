//! A bundle is served as a registry: asked from outside with and without a password, refused when it is damaged, and pulled from by a real
//! containerd.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_bundle::{Artifact, ArtifactKind, Bundle, Description};
use barque_e2e::{ClusterFile, Finished, Scenario, eventually, finish, run};
use barque_model::Digest;
use serde_json::Value;

const USER: &str = "puller";
const PASSWORD: &str = "lab-word-5b1e9c";
/// `PASSWORD` as bcrypt has it.
const HASH: &str = "$2y$05$JkXv8QhYw3nR0bTzLpM1eODFCqTCqR6XeQLSN1l31WeAz5yxsGmu2";
const COREDNS: &str = "registry.k8s.io/coredns/coredns";

fn barque() -> Command {
    let mut command = Command::new(std::env::var_os("BARQUE_BINARY").unwrap_or_else(|| "barque".into()));
    command.arg("bundle").env_remove("BARQUE_BUNDLE").env_remove("BARQUE_BUNDLE_KEY").stdin(Stdio::null());
    command
}

/// A bundle with one real image of the test bundle, and users; what is served of it.
struct Served {
    folder: PathBuf,
    image: Artifact,
    reference: String,
}

impl Served {
    fn make(folder: &Path) -> Result<Self> {
        let source = std::env::var("BARQUE_BUNDLE").context("BARQUE_BUNDLE is not set; run the scenarios by `cargo xtask e2e`")?;
        let source = Bundle::open(source)?;
        let found = source.artifacts().iter().find(|artifact| artifact.kind == ArtifactKind::Image && artifact.name == COREDNS);
        let Artifact { kind, name, version, architecture, source: from, licence, .. } = found.context("no image of CoreDNS")?.clone();
        let content = source.open_content(found.context("no image")?)?;
        let mut bundle = Bundle::create_or_open(folder.join("bundle"))?;
        let image = bundle.add(content, Description { kind, name, version, architecture, source: from, licence })?;
        let reference = bundle.image_identity(&image)?.reference.context("an image without a name")?;
        fs_err::write(folder.join("htpasswd"), format!("{USER}:{HASH}\n"))?;
        Ok(Self { folder: folder.to_owned(), image, reference })
    }

    fn text(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn tag(&self) -> &str {
        self.reference.rsplit_once(':').map_or("", |(_, tag)| tag)
    }
}

struct Server {
    process: Child,
    /// Stays open: a server that cannot say what it serves ends.
    _said: BufReader<std::process::ChildStdout>,
    base: String,
    log: PathBuf,
}

impl Server {
    fn start(served: &Served, what: &str, address: &str) -> Result<Self> {
        let log = served.folder.join("log");
        let listen = format!("{address}:0");
        let (ca, users) = (served.text("ca.pem"), served.text("htpasswd"));
        let mut command = barque();
        command.args(["serve", what, "--listen", &listen, "--write-ca", &ca, "--htpasswd", &users]);
        let mut process = command.stdout(Stdio::piped()).stderr(fs_err::File::create(&log)?.into_parts().0).spawn()?;
        let mut line = String::new();
        let mut said = BufReader::new(process.stdout.take().context("no standard output")?);
        said.read_line(&mut line)?;
        let mut server = Self { process, _said: said, base: String::new(), log };
        let base = line.trim().rsplit_once("https://").map(|(_, rest)| format!("https://{rest}"));
        server.base = base.with_context(|| format!("it says `{line}`: {}", server.told().unwrap_or_default()))?;
        Ok(server)
    }

    fn told(&self) -> Result<String> {
        Ok(fs_err::read_to_string(&self.log)?)
    }

    /// Ends it as Ctrl-C does.
    fn interrupt(mut self) -> Result<()> {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.process), rustix::process::Signal::INT)?;
        let ended = eventually("the server ends", Duration::from_secs(15), || self.process.try_wait()?.context("it still runs"))?;
        ensure!(ended.code() == Some(0), "it ended with {ended}: {}", self.told()?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Curl<'a> {
    served: &'a Served,
    server: &'a Server,
}

impl Curl<'_> {
    /// Headers and content of an answer, with the user's password.
    fn ask(&self, words: &[&str], path: &str) -> Result<Finished> {
        self.bare(&[&["-u", &format!("{USER}:{PASSWORD}")], words].concat(), path)
    }

    fn bare(&self, words: &[&str], path: &str) -> Result<Finished> {
        let (ca, target) = (self.served.text("ca.pem"), format!("{}{path}", self.server.base));
        run("curl", [&["-sS", "-i", "--max-time", "60", "--cacert", &ca], words, &[&target]].concat())?.ok()
    }

    fn status(&self, words: &[&str], path: &str) -> Result<u16> {
        let answer = self.ask(words, path)?.stdout;
        answer.split_whitespace().nth(1).and_then(|status| status.parse().ok()).with_context(|| answer.clone())
    }

    /// The SHA-256 of what comes.
    fn digest(&self, words: &[&str], path: &str) -> Result<(Digest, u64)> {
        let file = self.served.text("fetched");
        self.ask(&[words, &["-o", &file, "--no-include"]].concat(), path)?;
        let content = fs_err::read(&file)?;
        Ok((Digest::of(&content), content.len() as u64))
    }
}

#[test]
fn a_registry_of_a_bundle() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let served = Served::make(folder.path())?;
    finish(barque().args(["pack", &served.text("bundle"), &served.text("x.barque")]))?.ok()?;
    // A folder and a file are the same.
    for what in ["bundle", "x.barque"] {
        let server = Server::start(&served, &served.text(what), "127.0.0.1")?;
        asked(&Curl { served: &served, server: &server })?;
        let told = server.told()?;
        ensure!(told.contains("puller GET /v2/coredns/coredns/manifests/") && !told.contains(PASSWORD), "{told}");
        server.interrupt()?;
    }
    damaged(&served)
}

fn asked(curl: &Curl<'_>) -> Result<()> {
    // Who may, and who may not.
    curl.bare(&[], "/v2/")?.says(&["401", "Basic realm="])?;
    curl.bare(&["-u", "puller:wrong"], "/v2/")?.says(&["401"])?;
    curl.ask(&[], "/v2/")?.says(&["200", "registry/2.0"])?;
    let untrusted = run("curl", ["-sS", &format!("{}/v2/", curl.server.base)])?;
    ensure!(untrusted.code == Some(60), "a certificate that nobody has signed was taken: {untrusted:?}");

    let tag = curl.served.tag();
    let manifest = format!("/v2/coredns/coredns/manifests/{tag}");
    curl.ask(&["--head"], &manifest)?.says(&["200", "docker-content-digest: sha256:", "application/vnd.oci.image.manifest.v1+json"])?;
    let text = curl.ask(&["--no-include"], &manifest)?.stdout;
    let parsed: Value = serde_json::from_str(&text)?;
    let by_digest = format!("/v2/coredns/coredns/manifests/sha256:{}?ns=registry.k8s.io", Digest::of(text.as_bytes()));
    ensure!(curl.ask(&["--no-include"], &by_digest)?.stdout == text, "another manifest by its digest");
    curl.ask(&[], "/v2/coredns/coredns/tags/list")?.says(&[&format!("[\"{tag}\"]")])?;

    // A layer, and a part of it.
    let layer = &parsed["layers"][0];
    let (digest, size) = (layer["digest"].as_str().context("a digest")?, layer["size"].as_u64().context("a size")?);
    let blob = format!("/v2/coredns/coredns/blobs/{digest}");
    let fetched = curl.digest(&[], &blob)?;
    ensure!((format!("sha256:{}", fetched.0), fetched.1) == (digest.to_owned(), size), "{fetched:?} is not {layer}");
    let whole = fs_err::read(curl.served.text("fetched"))?;
    let (first, last) = (size / 2, size / 2 + 99_999);
    curl.ask(&["--head", "-r", &format!("{first}-{last}")], &blob)?
        .says(&["206", &format!("content-range: bytes {first}-{last}/{size}")])?;
    let part = curl.digest(&["-r", &format!("{first}-{last}")], &blob)?;
    let middle = usize::try_from(first)?..=usize::try_from(last)?;
    ensure!(part == (Digest::of(&whole[middle]), 100_000), "{part:?}");

    // The bundle's own files.
    let image = &curl.served.image;
    ensure!(curl.digest(&[], &format!("/artifacts/{}", image.digest))? == (image.digest, image.size), "another content");
    let compressed = (image.compressed_digest, image.compressed_size);
    ensure!(curl.digest(&[], &format!("/artifacts/{}", image.compressed_digest))? == compressed, "another compressed content");
    curl.ask(&[], "/artifacts/manifest.json")?.says(&["200", COREDNS])?;

    // And nothing else.
    let nothing = "0".repeat(64);
    for (status, words, path) in [
        (405, &["-X", "PUT", "-d", "x"][..], manifest.as_str()),
        (405, &["-X", "POST"], "/v2/coredns/coredns/blobs/uploads/"),
        (405, &["-X", "DELETE"], &blob),
        (404, &[], &format!("/v2/coredns/coredns/blobs/sha256:{nothing}")),
        (404, &[], &format!("/v2/coredns/coredns/manifests/sha256:{nothing}")),
        (404, &[], &format!("{manifest}?ns=docker.io")),
        (404, &[], "/v2/_catalog"),
        (404, &["--path-as-is"], "/artifacts/../manifest.json"),
        (416, &["-r", &format!("{size}-")], &blob),
        (400, &[], "/v2/coredns/coredns/blobs/sha512:00"),
        (431, &["-H", &format!("x: {}", "x".repeat(20_000))], "/v2/"),
    ] {
        let found = curl.status(words, path)?;
        ensure!(found == status, "{words:?} {path}: {found} in place of {status}");
    }
    curl.ask(&["-X", "PUT"], &manifest)?.says(&["allow: GET, HEAD"])?;
    Ok(())
}

/// One byte is changed: it does not even listen.
fn damaged(served: &Served) -> Result<()> {
    let blob = served.folder.join("bundle/blobs").join(format!("{}.zst", served.image.digest));
    let mut content = fs_err::read(&blob)?;
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs_err::write(&blob, content)?;
    let refused = finish(barque().args(["serve", &served.text("bundle"), "--listen", "127.0.0.1:0"]))?.code(1)?;
    let refused = refused.says(&["changed", "nothing is served"])?;
    ensure!(!refused.stdout.contains("https://"), "it has listened: {}", refused.stdout);
    finish(barque().args(["serve", &served.text("x.barque"), "--listen", "0.0.0.0:0"]))?.code(1)?.says(&["--name"])?;
    Ok(())
}

#[test]
fn a_node_pulls_from_a_bundle() -> Result<()> {
    let scenario = Scenario::new("serve", "[[hosts]]\nname = \"m1\"\n")?;
    let served = Served::make(scenario.folder.path())?;
    // This machine's address as the lab's hosts see it.
    let host = scenario.lab.host("m1")?.address.to_string();
    let route = run("ip", ["-o", "route", "get", &host])?.ok()?.stdout;
    let own = route.split_whitespace().skip_while(|word| *word != "src").nth(1).context("no way to the lab")?;
    let server = Server::start(&served, &served.text("bundle"), own)?;
    fs_err::write(served.folder.join("password"), format!("{PASSWORD}\n"))?;
    run("chmod", ["600", &served.text("password")])?.ok()?;
    let (base, reference) = (&server.base, &served.reference);
    let lines = format!(
        "registries:\n  - host: registry.k8s.io\n    fallback: false\n    testImage: {reference}\n    mirrors:\n      - url: {base}\n        \
         ca: ca.pem\n        username: {USER}\n        passwordFile: password"
    );
    scenario.write(&ClusterFile::new(&scenario.lab, &[("m1", "etcd, master, node")])?.spec(&lines))?;
    scenario.step("up, with a test pull through the bundle's own registry");
    scenario.up(&[])?.ok()?;
    let told = server.told()?;
    for wanted in ["GET /v2/coredns/coredns/blobs/sha256:", "?ns=registry.k8s.io 200"] {
        ensure!(told.lines().any(|line| line.contains(&host) && line.contains(wanted)), "no `{wanted}` of {host}:\n{told}");
    }
    scenario.step("a second one with a wrong password fails, and says so");
    fs_err::write(served.folder.join("password"), "wrong-word\n")?;
    scenario.up(&[])?.code(1)?.says(&["cannot be pulled", "authorization failed"])?;
    server.interrupt()?;
    scenario.step("as the service that the documentation shows");
    as_a_service(&scenario, &served, &host)
}

/// The unit of docs/bundle.md on a host, with a certificate of its own.
fn as_a_service(scenario: &Scenario, served: &Served, host: &str) -> Result<()> {
    let docs = fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bundle.md"))?;
    let unit = docs.split_once("```ini\n").and_then(|(_, rest)| rest.split_once("```")).context("no unit in docs/bundle.md")?.0;
    let root = &scenario.lab.host("m1")?.root;
    for folder in ["srv/barque", "etc/barque-serve"] {
        fs_err::create_dir_all(root.join(folder))?;
    }
    let certificate = format!(
        "cd '{}' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN={host}' -addext \
         subjectAltName=IP:{host} -keyout tls.key -out tls.crt && chmod 600 tls.key",
        root.join("etc/barque-serve").display()
    );
    run("sh", ["-c", &certificate])?.ok()?;
    fs_err::copy(served.folder.join("htpasswd"), root.join("etc/barque-serve/htpasswd"))?;
    finish(barque().args(["pack", &served.text("bundle"), &root.join("srv/barque/x.barque").display().to_string()]))?.ok()?;
    fs_err::copy(barque().get_program(), root.join("usr/local/bin/barque"))?;
    fs_err::write(root.join("etc/systemd/system/barque-serve.service"), unit.replace("192.0.2.5", host))?;
    scenario.lab.get("m1", "systemctl daemon-reload && systemctl start barque-serve")?;
    let ca = root.join("etc/barque-serve/tls.crt").display().to_string();
    let (user, target) = (format!("{USER}:{PASSWORD}"), format!("https://{host}:5000/v2/coredns/coredns/tags/list"));
    let answered = eventually("the service answers", Duration::from_secs(30), || {
        run("curl", ["-sS", "--fail", "--cacert", &ca, "-u", &user, &target])?.ok()
    });
    let log = || scenario.lab.get("m1", "journalctl -u barque-serve --no-pager").unwrap_or_default();
    answered.with_context(log)?.says(&[served.tag()])?;
    let who = scenario.lab.get("m1", "ps -o user= -p $(systemctl show -p MainPID --value barque-serve)")?;
    ensure!(who.trim() != "root", "it runs as {who}");
    let ended = scenario.lab.get("m1", "systemctl stop barque-serve; systemctl show -p Result,ExecMainStatus barque-serve")?;
    ensure!(ended.contains("Result=success") && ended.contains("ExecMainStatus=0"), "{ended}: {}", log());
    Ok(())
}
