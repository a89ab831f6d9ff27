//! A bundle goes into a real registry and comes out again: over TLS and with a password, cut off and gone on with, changed and refused.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_bundle::{Architecture, ArtifactKind, Bundle, Description};
use barque_e2e::{ClusterFile, Finished, Scenario, eventually, finish, run};

const USER: &str = "puller";
const PASSWORD: &str = "lab-word-5b1e9c";
/// `PASSWORD` as bcrypt has it.
const HASH: &str = "$2y$05$JkXv8QhYw3nR0bTzLpM1eODFCqTCqR6XeQLSN1l31WeAz5yxsGmu2";
/// Larger than what one read of a connection brings, by far.
const LARGE: usize = 40 << 20;

struct Registry {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
}

impl Registry {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let script = "set -e; cd \"$1\"
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=authority' -keyout ca.key -out ca.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=127.0.0.1' -keyout tls.key -out tls.csr
            echo subjectAltName=IP:127.0.0.1 > tls.ext
            openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile tls.ext -out tls.crt";
        run("sh", ["-c", script, "sh", &folder.path().display().to_string()])?.ok()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let at = folder.path().display();
        let config = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {at}/store}}}}\nhttp:\n  addr: 127.0.0.1:{port}\n  \
             tls: {{certificate: {at}/tls.crt, key: {at}/tls.key}}\nauth: {{htpasswd: {{realm: lab, path: {at}/htpasswd}}}}\n"
        );
        fs_err::write(folder.path().join("config.yml"), config)?;
        fs_err::write(folder.path().join("htpasswd"), format!("{USER}:{HASH}\n"))?;
        fs_err::write(folder.path().join("password"), format!("{PASSWORD}\n"))?;
        let programs =
            std::env::var_os("BARQUE_TEST_BINARIES").context("BARQUE_TEST_BINARIES is not set; run this by `cargo xtask e2e`")?;
        let log = fs_err::File::create(folder.path().join("log"))?.into_parts().0;
        let mut command = Command::new(Path::new(&programs).join("registry"));
        command.arg("serve").arg(folder.path().join("config.yml")).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().context("cannot start the registry")?;
        let registry = Self { folder, process, port };
        eventually("the registry answers", Duration::from_secs(20), || Ok(TcpStream::connect(("127.0.0.1", registry.port))?))?;
        Ok(registry)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// barque, with the registry's authority and a user.
    fn barque(&self, words: &[&str]) -> Result<Finished> {
        let (ca, password) = (self.text("ca.pem"), self.text("password"));
        let mut all = words.to_vec();
        all.extend(["--ca", &ca, "--username", USER, "--password-file", &password]);
        self.bare(&all)
    }

    fn bare(&self, words: &[&str]) -> Result<Finished> {
        finish(self.command().args(words))
    }

    fn command(&self) -> Command {
        self.command_of("bundle")
    }

    fn command_of(&self, verb: &str) -> Command {
        let mut command = Command::new(std::env::var_os("BARQUE_BINARY").unwrap_or_else(|| "barque".into()));
        command.arg(verb).env("HOME", self.folder.path()).env_remove("DOCKER_CONFIG").stdin(Stdio::null());
        command
    }

    /// A folder with what `docker login` leaves: base64 of USER:PASSWORD.
    fn docker_login(&self) -> Result<PathBuf> {
        let folder = self.path("docker");
        fs_err::create_dir(&folder)?;
        let auth = run("sh", ["-c", &format!("printf %s '{USER}:{PASSWORD}' | base64 -w0")])?.ok()?.stdout;
        let config = serde_json::json!({"auths": {format!("127.0.0.1:{}", self.port): {"auth": auth}}});
        fs_err::write(folder.join("config.json"), config.to_string())?;
        Ok(folder)
    }

    /// What the registry answers to its user at a path of its API.
    fn ask(&self, path: &str, to: &str) -> Result<String> {
        let url = format!("https://127.0.0.1:{}/v2/{path}", self.port);
        let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
        let (ca, user) = (self.text("ca.pem"), format!("{USER}:{PASSWORD}"));
        Ok(run("curl", ["-sSf", "--noproxy", "*", "--cacert", &ca, "-u", &user, "-H", accept, "-o", to, &url])?.ok()?.stdout)
    }

    fn place(&self, name: &str) -> String {
        format!("oci://127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn add(bundle: &mut Bundle, name: &str, content: &[u8]) -> Result<()> {
    let description = Description {
        kind: ArtifactKind::Binary,
        name: name.into(),
        version: "1".into(),
        architecture: Architecture::Amd64,
        source: "a test".into(),
        licence: "Apache-2.0".into(),
    };
    bundle.add(content, description)?;
    Ok(())
}

/// Bytes that no compression makes smaller.
fn noise(size: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    fs_err::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A pipe to the registry that breaks the first connection which has brought `limit` bytes; counts all bytes that it brought.
fn breaking(target: u16, limit: u64) -> Result<(u16, Arc<AtomicU64>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (brought, broken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counter = Arc::clone(&brought);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (counter, broken) = (Arc::clone(&counter), Arc::clone(&broken));
            std::thread::spawn(move || -> std::io::Result<()> {
                let server = TcpStream::connect(("127.0.0.1", target))?;
                let (mut up_from, mut up_to) = (client.try_clone()?, server.try_clone()?);
                std::thread::spawn(move || std::io::copy(&mut up_from, &mut up_to));
                let (mut from, mut to, mut own) = (server, client, 0);
                let mut piece = vec![0; 64 << 10];
                loop {
                    let count = from.read(&mut piece)?;
                    own += count as u64;
                    counter.fetch_add(count as u64, Ordering::Relaxed);
                    if count == 0 || (own > limit && broken.fetch_add(1, Ordering::Relaxed) == 0) {
                        let _ = from.shutdown(std::net::Shutdown::Both);
                        return to.shutdown(std::net::Shutdown::Both);
                    }
                    to.write_all(&piece[..count])?;
                }
            });
        }
    });
    Ok((port, brought))
}

#[test]
fn pushed_pulled_and_refused() -> Result<()> {
    let registry = Registry::start()?;
    let mut bundle = Bundle::create_or_open(registry.path("bundle"))?;
    add(&mut bundle, "large", &noise(LARGE)?)?;
    add(&mut bundle, "small", b"a program")?;
    let (source, first) = (registry.text("bundle"), registry.place("ops/cluster:1"));

    // Who may not, and whom nobody trusts.
    registry.bare(&["push", &source, &first])?.code(1)?.says(&["certificate", "--ca FILE"])?;
    registry.bare(&["push", &source, &first, "--ca", &registry.text("ca.pem")])?.code(1)?.says(&["--username"])?;
    registry.bare(&["push", &source, "oci://ops/cluster"])?.code(2)?.says(&["oci://HOST"])?;
    registry.barque(&["pull", &first, "--to", &registry.text("none")])?.code(1)?.says(&["look at the name and the tag"])?;
    ensure!(!registry.path("none").exists(), "a pull of nothing has made a folder");

    registry.barque(&["push", &source, &first])?.ok()?.says(&["2 blobs sent", "0 were there"])?;
    registry.barque(&["push", &source, &first])?.ok()?.says(&["0 blobs sent", "2 were there"])?;
    let target = registry.text("target");
    registry.barque(&["pull", &first, "--to", &target])?.ok()?.says(&[&bundle.digest().to_string()])?;
    registry.bare(&["verify", &target])?.ok()?;

    let (ca, docker) = (registry.text("ca.pem"), registry.docker_login()?);
    finish(registry.command().args(["pull", &first, "--to", &target, "--ca", &ca]).env("DOCKER_CONFIG", &docker))?.ok()?;

    signed_or_not(&registry, &mut bundle, &source, &first)?;
    cut_off(&registry, &first)?;
    changed(&registry, &bundle, &first)
}

#[test]
fn a_cluster_from_a_registry() -> Result<()> {
    let scenario = Scenario::new("oci", "[[hosts]]\nname = \"m1\"\n")?;
    scenario.write(&ClusterFile::new(&scenario.lab, &[("m1", "etcd, master, node")])?)?;
    let registry = Registry::start()?;
    let source = std::env::var("BARQUE_BUNDLE").context("BARQUE_BUNDLE is not set; run the scenarios by `cargo xtask e2e`")?;
    let (place, ca, docker) = (registry.place("ops/cluster:1"), registry.text("ca.pem"), registry.docker_login()?);
    scenario.step("the whole bundle goes to the registry, and `up` takes it from there");
    registry.barque(&["push", &source, &place])?.ok()?;
    scenario.step("its images go there too, each under its own name");
    images_go_in(&registry, &source)?;
    let cache = registry.path("cache");
    let up = |more: &[&str]| {
        let mut command = scenario.remote_command(&["up", "--bundle", &place, "--bundle-ca", &ca]);
        finish(command.args(more).env("XDG_CACHE_HOME", &cache).env("DOCKER_CONFIG", &docker))
    };
    registry.bare(&["key", &registry.text("release.key")])?.ok()?;
    up(&["--bundle-key", &registry.text("release.key.pub")])?.code(1)?.says(&["is not signed"])?;
    ensure!(scenario.runs()?.is_empty(), "a run was begun with a bundle that nobody has signed");
    up(&[])?.ok()?;
    let ready = scenario.kubectl()?.get(&["get", "nodes", "--no-headers"])?;
    ensure!(ready.contains("m1") && ready.contains(" Ready "), "{ready}");
    let pulled = fs_err::read_dir(cache.join("barque/pulled"))?.next().context("a bundle in the cache")??.path();
    registry.bare(&["verify", &pulled.display().to_string()])?.ok()?;
    up(&[])?.ok()?.says(&["nothing to change"])?;
    Ok(())
}

/// Images go in under names of their own, whole: every part of each has its digest.
fn images_go_in(registry: &Registry, source: &str) -> Result<()> {
    let (ca, password, place) = (registry.text("ca.pem"), registry.text("password"), registry.place("mirror/k8s"));
    let push = |more: &[&str]| {
        let words = ["push", source, &place, "--ca", &ca, "--username", USER, "--password-file", &password];
        finish(registry.command_of("images").args(words).args(more))
    };
    finish(registry.command_of("images").args(["push", source, &registry.place("a:1")]))?.code(2)?.says(&["tags of their own"])?;
    finish(registry.command_of("images").args(["push", source, &place, "--ca", &ca]))?.code(1)?.says(&["--username"])?;
    push(&[])?.ok()?.says(&["0 were there", "mirror/k8s/registry.k8s.io/pause:", "/v2/mirror/k8s/docker.io", "overridePath: true"])?;
    let again = push(&["--output", "json"])?.ok()?;
    let again: serde_json::Value = serde_json::from_str(&again.stdout)?;
    ensure!(again["sent"] == 0 && again["bytes"] == 0, "{again}");
    let images = again["images"].as_array().context("images")?;
    ensure!(images.len() > 5, "{again}");
    for image in images {
        let (name, digest) = (image["name"].as_str().context("a name")?, image["digest"].as_str().context("a digest")?);
        let name = name.split_once('/').context("a registry")?.1;
        let (path, tag) = name.rsplit_once(':').context("a tag")?;
        let (manifest, part) = (registry.text("answer"), registry.text("part"));
        registry.ask(&format!("{path}/manifests/{tag}"), &manifest)?;
        let sum =
            |file: &str| anyhow::Ok(format!("sha256:{}", run("sha256sum", [file])?.ok()?.stdout.split(' ').next().unwrap_or_default()));
        ensure!(sum(&manifest)? == digest, "{name} is not {digest}");
        let content: serde_json::Value = serde_json::from_slice(&fs_err::read(&manifest)?)?;
        for described in content["layers"].as_array().context("layers")?.iter().chain([&content["config"]]) {
            let wanted = described["digest"].as_str().context("a digest")?;
            registry.ask(&format!("{path}/blobs/{wanted}"), &part)?;
            ensure!(sum(&part)? == wanted, "{name}: a part is not {wanted}");
        }
    }
    Ok(())
}

/// A second bundle sends what is new in it alone; a key decides before anything is fetched.
fn signed_or_not(registry: &Registry, bundle: &mut Bundle, source: &str, first: &str) -> Result<()> {
    add(bundle, "new", b"one more program")?;
    let (key, other, second) = (registry.text("release.key"), registry.text("other.key"), registry.place("ops/cluster:2"));
    registry.bare(&["key", &key])?.ok()?;
    registry.bare(&["key", &other])?.ok()?;
    registry.bare(&["sign", source, "--key", &key])?.ok()?;
    let pushed = registry.barque(&["push", source, &second, "--output", "json"])?.ok()?;
    let pushed: serde_json::Value = serde_json::from_str(&pushed.stdout)?;
    ensure!(pushed["sent"] == 1 && pushed["present"] == 2, "{pushed}");

    let (wanted, target) = (registry.text("release.key.pub"), registry.text("signed"));
    let refused = registry.barque(&["pull", &second, "--to", &target, "--key", &registry.text("other.key.pub")])?;
    refused.code(1)?.says(&["is signed with key"])?;
    registry.barque(&["pull", first, "--to", &target, "--key", &wanted])?.code(1)?.says(&["is not signed"])?;
    ensure!(!registry.path("signed").exists(), "a refused bundle has left something");
    let pinned = format!("{}@{}", registry.place("ops/cluster"), pushed["digest"].as_str().context("a digest")?);
    registry.barque(&["pull", &pinned, "--to", &target, "--key", &wanted])?.ok()?;
    registry.bare(&["verify", &target, "--key", &wanted])?.ok()?;
    // A folder that holds another bundle becomes this one.
    registry.barque(&["pull", first, "--to", &target])?.ok()?;
    ensure!(Bundle::open(&target)?.artifacts().len() == 2, "the former bundle is still there");
    registry.bare(&["verify", &target])?.ok()?;
    Ok(())
}

/// The link breaks in the midst of the large blob: it is gone on with from there.
fn cut_off(registry: &Registry, first: &str) -> Result<()> {
    let (port, brought) = breaking(registry.port, 15 << 20)?;
    let place = first.replace(&registry.port.to_string(), &port.to_string());
    let target = registry.text("over-a-bad-link");
    registry.barque(&["pull", &place, "--to", &target])?.ok()?;
    registry.bare(&["verify", &target])?.ok()?;
    let (brought, size) = (brought.load(Ordering::Relaxed), LARGE as u64);
    // From the beginning again it would be 15 MiB more than once; what was under way when the link broke is lost.
    ensure!(brought > size && brought < size + (12 << 20), "{brought} bytes were brought for a bundle of {size}");
    Ok(())
}

/// A byte of a blob is changed in the registry's store: named, and not taken.
fn changed(registry: &Registry, bundle: &Bundle, first: &str) -> Result<()> {
    let large = bundle.artifacts().iter().find(|artifact| artifact.name == "large").context("the large one")?;
    let digest = large.compressed_digest.to_string();
    let blob = registry.path("store/docker/registry/v2/blobs/sha256").join(&digest[..2]).join(&digest).join("data");
    let mut content = fs_err::read(&blob)?;
    content[LARGE / 2] ^= 1;
    fs_err::write(&blob, &content)?;
    let target = registry.text("changed");
    registry.barque(&["pull", first, "--to", &target])?.code(1)?.says(&["large", "changes what it hands out"])?;
    ensure!(Bundle::open(&target).is_err(), "a bundle with a changed blob was made");
    // Whole again, it is gone on with.
    content[LARGE / 2] ^= 1;
    fs_err::write(&blob, &content)?;
    registry.barque(&["pull", first, "--to", &target])?.ok()?;
    registry.bare(&["verify", &target])?.ok()?;
    Ok(())
}
