#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;

use std::path::PathBuf;

use barque_bundle::Architecture;

use super::*;

/// A program header that needs no loader is all that makes a static program here.
fn static_program() -> Vec<u8> {
    let mut bytes = vec![0; 120];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    (bytes[32], bytes[54], bytes[56], bytes[64]) = (64, 56, 1, 1);
    bytes
}

fn wanted<'a>(component: &'a str, version: &'a str, program: &'a str, architecture: Architecture) -> Wanted<'a> {
    Wanted { component, version, program, architecture }
}

fn has_curl() -> bool {
    Command::new("curl").arg("--version").output().is_ok()
}

struct Served {
    folder: tempfile::TempDir,
    news: Vec<Progress>,
    downloads: Downloads,
}

impl Served {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = format!("file://{}", folder.path().display());
        let downloads = Downloads::with_bases(&base, &base);
        Self { folder, news: Vec::new(), downloads }
    }

    fn put(&self, path: &str, content: &[u8]) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn fetch(&mut self, component: &str, version: &str, program: &str, work: &Path) -> Result<Option<(PathBuf, String)>, ArtifactError> {
        self.downloads.in_reach.extend([(Origin::Kubernetes, true), (Origin::GitHub, true)]);
        let news = &mut self.news;
        let fetched = self.downloads.fetch(wanted(component, version, program, Architecture::Amd64), work, &mut |one| news.push(one))?;
        Ok(fetched.map(|fetched| (fetched.path, fetched.source)))
    }
}

fn sum(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

#[test]
fn a_mirror_is_asked_and_not_named() {
    if !has_curl() {
        return;
    }
    let (served, work) = (Served::new(), tempfile::tempdir().unwrap());
    let path = "release/v1.37.2/bin/linux/amd64/kubelet";
    served.put(&format!("dl.k8s.io/{path}"), &static_program());
    served.put(&format!("dl.k8s.io/{path}.sha256"), sum(&static_program()).as_bytes());
    let mut mirror = Downloads::mirror(&format!("file://{}", served.folder.path().display()));
    let kubelet = wanted("kubernetes", "1.37.2", "kubelet", Architecture::Amd64);
    let fetched = mirror.fetch(kubelet, work.path(), &mut |_| {}).unwrap().unwrap();
    assert_eq!(fetched.source, format!("https://dl.k8s.io/{path}"));
}

#[test]
fn fetches_a_program_and_checks_it() {
    if !has_curl() {
        return;
    }
    let (mut served, work) = (Served::new(), tempfile::tempdir().unwrap());
    let path = "release/v1.37.2/bin/linux/amd64/kubelet";
    served.put(path, &static_program());
    served.put(&format!("{path}.sha256"), sum(&static_program()).as_bytes());
    let (file, url) = served.fetch("kubernetes", "1.37.2", "kubelet", work.path()).unwrap().unwrap();
    assert_eq!(fs::read(file).unwrap(), static_program());
    assert!(url.ends_with(path));

    let work = tempfile::tempdir().unwrap();
    served.put(&format!("{path}.sha256"), sum(b"another").as_bytes());
    let error = served.fetch("kubernetes", "1.37.2", "kubelet", work.path()).unwrap_err();
    assert!(matches!(error, ArtifactError::ChecksumMismatch { .. }), "{error}");
    // A version that is not there is left to the next source.
    assert_eq!(served.fetch("kubernetes", "1.37.3", "kubelet", work.path()).unwrap(), None);
}

#[test]
fn unpacks_archives() {
    if !has_curl() {
        return;
    }
    let (mut served, work) = (Served::new(), tempfile::tempdir().unwrap());
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for name in ["./bridge", "./ptp"] {
        let content = static_program();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    let mut encoder = archive.into_inner().unwrap();
    encoder.flush().unwrap();
    let archive = encoder.finish().unwrap();
    let path = "containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz";
    served.put(path, &archive);
    served.put(&format!("{path}.sha256"), format!("{}  cni-plugins-linux-amd64-v1.9.1.tgz\n", sum(&archive)).as_bytes());
    for program in ["cni-bridge", "cni-ptp"] {
        let (file, _) = served.fetch("cni-plugins", "1.9.1", program, work.path()).unwrap().unwrap();
        assert_eq!(fs::read(file).unwrap(), static_program());
    }
    let error = served.fetch("cni-plugins", "1.9.1", "cni-portmap", work.path()).unwrap_err();
    assert!(matches!(error, ArtifactError::IncompleteDownload { .. }), "{error}");
}

#[test]
fn probes_once() {
    let mut downloads = Downloads::with_bases("file:///nonexistent", "file:///nonexistent");
    let mut news = Vec::new();
    let work = tempfile::tempdir().unwrap();
    for program in ["kubelet", "kubectl"] {
        let fetched = downloads.fetch(wanted("kubernetes", "1.37.2", program, Architecture::Amd64), work.path(), &mut |one| news.push(one));
        assert_eq!(fetched.unwrap(), None);
    }
    assert_eq!(news, [Progress::OutOfReach { origin: "kubernetes" }]);
}

#[test]
fn reads_checksum_files() {
    let digest = sum(b"x");
    let other = sum(b"y");
    assert_eq!(find_checksum(&digest, "kubelet").as_ref(), Some(&digest));
    let sums = format!("### SHA256SUMS\n{other}  runc.arm64\n{digest} *./runc.amd64\n");
    assert_eq!(find_checksum(&sums, "runc.amd64").as_ref(), Some(&digest));
    assert_eq!(find_checksum(&sums, "runc.riscv64"), None);
    assert_eq!(find_checksum("not found", "kubelet"), None);
}

#[test]
fn knows_every_location_that_has_checksums() {
    let location = locate(wanted("etcd", "3.6.14", "etcdctl", Architecture::Arm64)).unwrap();
    assert_eq!(location.path, "etcd-io/etcd/releases/download/v3.6.14/etcd-v3.6.14-linux-arm64.tar.gz");
    assert_eq!(location.checksum, "etcd-io/etcd/releases/download/v3.6.14/SHA256SUMS");
    assert_eq!(location.member.as_deref(), Some("etcd-v3.6.14-linux-arm64/etcdctl"));
    let location = locate(wanted("containerd", "2.4.2", "ctr", Architecture::Amd64)).unwrap();
    assert_eq!(location.checksum, "containerd/containerd/releases/download/v2.4.2/containerd-static-2.4.2-linux-amd64.tar.gz.sha256sum");
    assert_eq!(
        locate(wanted("runc", "1.5.2", "runc", Architecture::Amd64)).unwrap().checksum,
        "opencontainers/runc/releases/download/v1.5.2/runc.sha256sum"
    );
    let location = locate(wanted("node-exporter", "1.12.1", "node_exporter", Architecture::Arm64)).unwrap();
    assert_eq!(location.path, "prometheus/node_exporter/releases/download/v1.12.1/node_exporter-1.12.1.linux-arm64.tar.gz");
    assert_eq!(location.checksum, "prometheus/node_exporter/releases/download/v1.12.1/sha256sums.txt");
    assert_eq!(location.member.as_deref(), Some("node_exporter-1.12.1.linux-arm64/node_exporter"));
    for component in ["flannel", "flannel-cni", "toolbox"] {
        assert_eq!(locate(wanted(component, "1.0.0", "any", Architecture::Amd64)), None);
    }
}
