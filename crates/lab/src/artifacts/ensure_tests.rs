#![allow(clippy::unwrap_used, reason = "tests")]

use barque_model::Version;

use super::*;
use crate::artifacts::TOOLBOX_IMAGE;

/// Versions that no recipe builds, so that nothing here depends on what this machine can build.
fn release() -> Release {
    let version = Version::new(99, 0, 1);
    Release {
        kubernetes: version,
        etcd: version,
        containerd: version,
        runc: version,
        cni_plugins: version,
        flannel: version,
        flannel_cni: version,
        coredns: version,
        pause: version,
    }
}

fn own(path: &Path) -> OwnProgram<'_> {
    OwnProgram { path, name: "barque", version: "0.0.1", licence: "Apache-2.0" }
}

/// A file that passes for a static program.
fn own_program(folder: &Path) -> PathBuf {
    let mut bytes = vec![0; 120];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    (bytes[32], bytes[54], bytes[56], bytes[64]) = (64, 56, 1, 1);
    let path = folder.join("bundle/own-program");
    fs::write(&path, bytes).unwrap();
    path
}

fn unreachable() -> Vec<Way> {
    vec![Way::Downloads(Downloads::with_bases("file:///nonexistent", "file:///nonexistent")), Way::Recipes]
}

fn fill(cache: &Path, release: &Release) {
    let mut bundle = Bundle::create_or_open(cache.join("bundle")).unwrap();
    let mut add = |kind, name: &str, version: &str, licence: &str| {
        let source = format!("https://downloads.example/{name}");
        let architecture = this_architecture().unwrap();
        let description = Description { kind, name: name.into(), version: version.into(), architecture, source, licence: licence.into() };
        bundle.add(name.as_bytes(), description).unwrap();
    };
    for component in components(release) {
        for program in component.programs {
            add(ArtifactKind::Binary, program, &component.version, component.licence);
        }
    }
    for image in images(release) {
        add(ArtifactKind::Image, image.name, &image.version, image.licence);
    }
}

#[test]
fn does_nothing_when_all_is_there() {
    let cache = tempfile::tempdir().unwrap();
    fill(cache.path(), &release());
    let manifest = || fs::read(cache.path().join("bundle/manifest.json")).unwrap();
    let before = manifest();
    // Even with damaged blobs: presence is the manifest's word, and `verify` is another verb.
    for blob in fs::read_dir(cache.path().join("bundle/blobs")).unwrap() {
        fs::write(blob.unwrap().path(), "damaged").unwrap();
    }
    let mut news = Vec::new();
    let release = release();
    let request = Request { cache: cache.path(), release: &release, minimal_root: None };
    let bundle = ensure_from(unreachable(), Purpose::Tests, request, &mut |one| news.push(one)).unwrap();
    assert!(bundle.image(TOOLBOX_IMAGE, "1", this_architecture().unwrap()).is_ok());
    assert!(news.iter().all(|one| matches!(one, Progress::Present { .. })), "{news:?}");
    assert_eq!(news.len(), bundle.artifacts().len());
    assert!(before == manifest());
    // Without the toolbox, the registry, the S3 store and promtool, which are for tests; barque itself is stored once.
    let program = own_program(cache.path());
    let product = |news: &mut Vec<Progress>| ensure_product(request, &[], own(&program), &mut |one| news.push(one)).unwrap();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    product(&mut first);
    product(&mut second);
    let started = |news: &[Progress]| news.iter().filter(|one| matches!(one, Progress::Started { .. })).count();
    let present = |news: &[Progress]| news.iter().filter(|one| matches!(one, Progress::Present { .. })).count();
    assert_eq!((started(&first), present(&first)), (1, news.len() - 4), "{first:?}");
    assert_eq!((started(&second), present(&second)), (0, news.len() - 3), "{second:?}");
    let left = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<_> = left.collect();
    left.sort();
    assert_eq!(left, ["artifacts.lock", "bundle"], "no work folder stays");
}

#[test]
fn says_which_versions_can_be_had() {
    let cache = tempfile::tempdir().unwrap();
    let release = release();
    let request = Request { cache: cache.path(), release: &release, minimal_root: None };
    let error = ensure_from(unreachable(), Purpose::Tests, request, &mut |_| {}).unwrap_err();
    assert!(matches!(&error, ArtifactError::NoSource { component, .. } if component == "coredns"), "{error}");
    assert!(error.to_string().contains("99.0.1") && error.to_string().contains("only for 1.15.0"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_mirror_that_is_not_there_is_told_and_nothing_is_built() {
    let cache = tempfile::tempdir().unwrap();
    let release = release();
    let request = Request { cache: cache.path(), release: &release, minimal_root: None };
    let sources = [SourceChoice::Mirror("file:///nonexistent".into())];
    let error = ensure_product(request, &sources, own(Path::new("/nonexistent")), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("99.0.1") && error.to_string().contains("not asked for"), "{error}");
}

#[test]
fn waits_for_another_process() {
    let cache = tempfile::tempdir().unwrap();
    let release = release();
    fill(cache.path(), &release);
    let lock = fs::File::create(cache.path().join("artifacts.lock")).unwrap();
    lock.file().lock().unwrap();
    let mut held = Some(lock);
    let request = Request { cache: cache.path(), release: &release, minimal_root: None };
    let mut waited = false;
    ensure_from(unreachable(), Purpose::Tests, request, &mut |one| {
        if one == Progress::Waiting {
            waited = true;
            drop(held.take());
        }
    })
    .unwrap();
    assert!(waited);
}

#[test]
fn current_means_downloaded_or_built_by_todays_recipe() {
    assert!(is_current("https://downloads.example/kubelet", Some("aa")));
    assert!(is_current("recipe kubernetes-1.37.2, go1.26.8, key aa", Some("aa")));
    assert!(!is_current("recipe kubernetes-1.37.2, go1.26.8, key ab", Some("aa")));
    assert!(is_current("by hand", None));
}

/// Builds the smallest component for real; the whole release is what `barque lab artifacts` does.
#[cfg(feature = "e2e")]
#[test]
fn builds_a_component_by_recipe() {
    let (cache, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut recipes = Recipes { installed: Toolchain::installed(Path::new("go")).unwrap(), cache: cache.path().to_owned() };
    let wanted = Wanted { component: "cni-plugins", version: "1.9.1", program: "cni-loopback", architecture: this_architecture().unwrap() };
    let first = recipes.fetch(wanted, work.path(), &mut |_| {}).unwrap().unwrap();
    let output = std::process::Command::new(&first.path).env("CNI_COMMAND", "VERSION").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("supportedVersions"));
    assert!(is_current(&first.source, recipes.key("cni-plugins", "1.9.1").as_deref()));
    let bytes = fs::read(&first.path).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let second = recipes.fetch(wanted, elsewhere.path(), &mut |_| {}).unwrap().unwrap();
    assert!(bytes == fs::read(second.path).unwrap(), "the folder of the build is in the program");
}
