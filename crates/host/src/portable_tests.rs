#![allow(clippy::unwrap_used, reason = "tests")]
use barque_model::Digest;
use barque_plan::{Blob, PackageForm};

use super::*;

struct Host {
    _root: tempfile::TempDir,
    context: HostContext,
}

impl Host {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let context = HostContext::new(root.path());
        Self { _root: root, context }
    }

    /// Puts an archive into the store.
    fn archive(&self, name: &str, version: &str, files: &[(&str, &str)]) -> Package {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            // What `append_data` refuses to write, an archive can hold all the same.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            tar.append(&header, content.as_bytes()).unwrap();
        }
        let bytes = tar.into_inner().unwrap();
        let blob = Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 };
        let path = self.context.blob(blob.digest);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &bytes).unwrap();
        crate::blob::record_blob(&self.context, blob).unwrap();
        let archives = vec![Archive { name: name.into(), version: version.into(), blob }];
        Package { name: name.into(), archives, form: PackageForm::Portable }
    }

    fn haproxy(&self, key: &str, programs: &[&str]) -> Package {
        let folder = format!("haproxy-{key}");
        let version = format!("3.0+{key}");
        let mut files = vec![(format!("{folder}/{PORTABLE_STAMP}"), format!("haproxy {version}\n"))];
        files.extend(programs.iter().map(|program| (format!("{folder}/sbin/{program}"), format!("{program} {key}"))));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
        self.archive("haproxy", &version, &files)
    }

    fn observed(&self, package: &Package) -> Observed {
        observe(&self.context, package).unwrap()
    }

    /// What lies below a folder of the host, links with where they lead.
    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.context.path(folder)) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .map(|entry| {
                let entry = entry.unwrap();
                let target = fs::read_link(entry.path()).map(|target| format!(" -> {}", target.display())).unwrap_or_default();
                format!("{}{target}", entry.file_name().to_string_lossy())
            })
            .collect();
        names.sort();
        names
    }
}

fn at(version: &str) -> Observed {
    Observed::Package { installed: vec![("haproxy".into(), version.into())] }
}

const ONE: &str = "0123456789ab";
const TWO: &str = "ba9876543210";
const THREE: &str = "aaaaaaaaaaaa";

#[test]
fn it_comes_changes_and_goes_back_step_by_step() {
    let host = Host::new();
    let (one, two) = (host.haproxy(ONE, &["haproxy", "halog"]), host.haproxy(TWO, &["haproxy"]));
    assert_eq!(host.observed(&one), Observed::Absent);
    apply(&host.context, &one).unwrap();
    apply(&host.context, &one).unwrap();
    assert_eq!(host.observed(&one), at(&format!("3.0+{ONE}")));
    let target = |key: &str, program: &str| format!("{program} -> {PORTABLE_FOLDER}/haproxy-{key}/sbin/{program}");
    assert_eq!(host.names(PORTABLE_LINKS), [target(ONE, "halog"), target(ONE, "haproxy")]);

    apply(&host.context, &two).unwrap();
    assert_eq!(host.observed(&two), at(&format!("3.0+{TWO}")));
    assert_eq!(host.names(PORTABLE_FOLDER), [format!("haproxy-{ONE}"), format!("haproxy-{TWO}")]);

    let before = Prior::Package { installed: vec![("haproxy".into(), format!("3.0+{ONE}"))] };
    assert!(remaining(&host.context, &two, &before).unwrap().is_some());
    assert_eq!(restore(&host.context, &two, &before).unwrap(), Vec::<String>::new());
    assert_eq!(host.observed(&one), at(&format!("3.0+{ONE}")));
    assert_eq!(host.names(PORTABLE_FOLDER), [format!("haproxy-{ONE}")]);
    assert_eq!(remaining(&host.context, &two, &before).unwrap(), None);

    assert!(remaining(&host.context, &one, &Prior::Absent).unwrap().is_some());
    restore(&host.context, &one, &Prior::Absent).unwrap();
    restore(&host.context, &one, &Prior::Absent).unwrap();
    assert_eq!(remaining(&host.context, &one, &Prior::Absent).unwrap(), None);
    assert!(host.names(PORTABLE_LINKS).is_empty());
    assert!(!host.context.path(PORTABLE_FOLDER).exists(), "the folder that it was made in is still there");
}

#[test]
fn one_former_version_is_kept_and_no_more() {
    let host = Host::new();
    for key in [ONE, TWO, THREE] {
        apply(&host.context, &host.haproxy(key, &["haproxy"])).unwrap();
    }
    assert_eq!(host.names(PORTABLE_FOLDER), [format!("haproxy-{THREE}"), format!("haproxy-{TWO}")]);
    let three = host.haproxy(THREE, &["haproxy"]);
    fs::remove_file(host.context.path("/usr/local/sbin/haproxy")).unwrap();
    assert_eq!(host.observed(&three), Observed::Absent);
    apply(&host.context, &three).unwrap();
    assert_eq!(host.names(PORTABLE_FOLDER).len(), 2, "the former version went although none came");
    let before = Prior::Package { installed: vec![("haproxy".into(), format!("3.0+{ONE}"))] };
    let notes = restore(&host.context, &three, &before).unwrap();
    assert!(notes.concat().contains("not on the host any more"), "{notes:?}");
    assert_eq!(host.observed(&three), at(&format!("3.0+{THREE}")));
}

#[test]
fn a_program_of_the_hosts_own_is_not_replaced() {
    let host = Host::new();
    let package = host.haproxy(ONE, &["halog", "haproxy"]);
    fs::create_dir_all(host.context.path(PORTABLE_LINKS)).unwrap();
    fs::write(host.context.path("/usr/local/sbin/haproxy"), "theirs").unwrap();
    let error = apply(&host.context, &package).unwrap_err().to_string();
    assert!(error.contains("/usr/local/sbin/haproxy"), "{error}");
    assert_eq!(host.names(PORTABLE_LINKS), ["haproxy"]);
    restore(&host.context, &package, &Prior::Absent).unwrap();
    assert_eq!(fs::read_to_string(host.context.path("/usr/local/sbin/haproxy")).unwrap(), "theirs");
}

#[test]
fn an_archive_stays_in_its_folder() {
    let host = Host::new();
    let folder = format!("haproxy-{ONE}");
    for path in [format!("{folder}/../../x"), "x".to_owned(), format!("haproxy-{TWO}/x"), format!("/{folder}/x")] {
        let package = host.archive("haproxy", &format!("3.0+{ONE}"), &[(&path, "x")]);
        assert!(apply(&host.context, &package).is_err(), "{path} was unpacked");
        assert!(host.names(PORTABLE_FOLDER).is_empty() && host.names("/usr/local/lib/x").is_empty());
    }
    let unnamed = host.archive("haproxy", "3.0", &[(&format!("{folder}/x"), "x")]);
    assert!(apply(&host.context, &unnamed).unwrap_err().to_string().contains("does not end with a key"));
}

#[test]
fn what_a_killed_run_left_goes() {
    let host = Host::new();
    let place = host.context.path(PORTABLE_FOLDER);
    fs::create_dir_all(place.join(format!("{PARTIAL}haproxy-{ONE}/lib"))).unwrap();
    // Without a stamp it counts for nothing.
    fs::create_dir_all(place.join(format!("haproxy-{ONE}/sbin"))).unwrap();
    let package = host.haproxy(ONE, &["haproxy"]);
    clean(&host.context);
    assert_eq!(host.names(PORTABLE_FOLDER), [format!("haproxy-{ONE}")]);
    apply(&host.context, &package).unwrap();
    assert_eq!(host.observed(&package), at(&format!("3.0+{ONE}")));
}
