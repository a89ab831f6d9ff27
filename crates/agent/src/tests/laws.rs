//! The laws of every resource kind that needs no program: applied twice, the second changes nothing; killed at any moment and
//! applied again, the end is the same; the journal holds what was there.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use barque_host::{HostContext, record_blob};
use barque_model::{Digest, Owner, RUN_MARKER, SecretBytes};
use barque_plan::{Binary, Blob, Directory, File, HostsLine, Prior, Resource, Sysctl};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use super::{Root, run};
use crate::apply::{Death, apply};
use crate::journal::{Ending, Record, read_journal};
use crate::session::Session;
use crate::{Applied, ApplyRequest};

const PROGRAM: &[u8] = b"\x7fELF program";

pub(super) struct Case {
    pub(super) name: &'static str,
    before: fn(&Path),
    pub(super) resource: Resource,
    content: Option<Vec<u8>>,
}

fn file_content() -> Vec<u8> {
    format!("# Managed by barque, run {RUN_MARKER}.\nkey: value\n").into_bytes()
}

fn file(mode: u32) -> Resource {
    Resource::File(File {
        path: "/etc/etcd/etcd.env".into(),
        digest: Digest::of(&file_content()),
        mode,
        owner: Owner::root(),
        sensitive: true,
    })
}

fn write(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub(super) fn cases() -> Vec<Case> {
    let nothing: fn(&Path) = |_| {};
    let file_case = |name, before| Case { name, before, resource: file(0o600), content: Some(file_content()) };
    let directory = Resource::Directory(Directory { path: "/var/lib/etcd/member".into(), mode: 0o700, owner: Owner::root() });
    let blob = Blob { digest: Digest::of(PROGRAM), size: PROGRAM.len() as u64 };
    let binary = Resource::Binary(Binary { path: "/usr/local/bin/etcd".into(), version: "3.6.14".into(), blob });
    let hosts = Resource::HostsLine(HostsLine { address: "10.0.0.1".into(), names: vec!["m1".into()] });
    let sysctl = Resource::Sysctl(Sysctl { key: "net.ipv4.ip_forward".into(), value: "1".into(), required: true });
    vec![
        file_case("file absent", nothing),
        file_case("file of other content", |root| write(root, "etc/etcd/etcd.env", b"old")),
        file_case("file of other mode", |root| write(root, "etc/etcd/etcd.env", &file_content())),
        file_case("link in place of file", |root| {
            write(root, "etc/etcd/real", b"old");
            symlink("real", root.join("etc/etcd/etcd.env")).unwrap();
        }),
        Case { name: "directory absent", before: nothing, resource: directory.clone(), content: None },
        Case {
            name: "directory of other mode",
            before: |root| fs::create_dir_all(root.join("var/lib/etcd/member")).unwrap(),
            resource: directory,
            content: None,
        },
        Case { name: "binary absent", before: nothing, resource: binary.clone(), content: None },
        Case { name: "program by hand", before: |root| write(root, "usr/local/bin/etcd", b"by hand"), resource: binary, content: None },
        Case { name: "hosts line absent", before: nothing, resource: hosts.clone(), content: None },
        Case {
            name: "hosts line of other address",
            before: |root| write(root, "etc/hosts", b"10.0.0.9 m1 # barque\n"),
            resource: hosts,
            content: None,
        },
        Case { name: "sysctl", before: nothing, resource: sysctl, content: None },
    ]
}

pub(super) fn session(context: HostContext) -> Session {
    Session::begin(context).unwrap()
}

pub(super) fn prepared(case: &Case) -> Root {
    let root = Root::new();
    let context = root.context();
    fs::write(context.blob(Digest::of(PROGRAM)), PROGRAM).unwrap();
    record_blob(&context, Blob { digest: Digest::of(PROGRAM), size: PROGRAM.len() as u64 }).unwrap();
    (case.before)(root.path());
    root
}

pub(super) fn request(case: &Case, number: u8) -> ApplyRequest {
    ApplyRequest {
        run: run(number),
        step: case.name.into(),
        resource: case.resource.clone(),
        content: case.content.clone().map(SecretBytes::new),
        change: None,
        stales: Vec::new(),
    }
}

/// Everything but barque's own folder: path to kind, mode and content.
pub(super) fn snapshot(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let (path, metadata) = (entry.path(), entry.metadata().unwrap());
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if name == "var/lib/barque" {
                continue;
            }
            let content = if metadata.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else if metadata.is_dir() {
                folders.push(path);
                String::new()
            } else {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                let text = (1..=9).fold(text, |text, number| text.replace(run(number).as_str(), RUN_MARKER));
                // The kernel ends a parameter's value with a line feed, whoever wrote it.
                if name.starts_with("proc/sys/") { text.trim_end().to_owned() } else { text }
            };
            found.insert(name, format!("{:?} {:o} {content}", metadata.file_type(), metadata.permissions().mode()));
        }
    }
    found
}

#[tokio::test]
async fn the_second_time_nothing_changes() {
    for case in cases() {
        let root = prepared(&case);
        let session = session(root.context());
        let first = apply(&session, request(&case, 1), None).await.unwrap();
        assert!(first.changed, "{}", case.name);
        let after_first = snapshot(root.path());
        assert_eq!(apply(&session, request(&case, 2), None).await.unwrap(), Applied::default(), "{}", case.name);
        assert_eq!(snapshot(root.path()), after_first, "{}", case.name);
        session.finish().await.unwrap();
        assert_eq!(read_journal(&root.context().state("journal"), &run(2)).unwrap(), [], "what changes nothing is not journalled");
    }
}

#[tokio::test]
async fn killed_and_resumed_the_end_is_the_same() {
    for case in cases() {
        let undisturbed = prepared(&case);
        apply(&session(undisturbed.context()), request(&case, 1), None).await.unwrap();
        for death in [Death::AfterIntent, Death::AfterChange] {
            let root = prepared(&case);
            let dying = session(root.context());
            apply(&dying, request(&case, 1), Some(death)).await.unwrap_err();
            drop(dying);

            let resumed = session(root.context());
            let open = resumed.open_intents();
            assert_eq!(
                open.iter().map(|intent| (&intent.run, &intent.resource)).collect::<Vec<_>>(),
                [(&run(1), &case.resource.id())],
                "{}",
                case.name
            );
            let applied = apply(&resumed, request(&case, 2), None).await.unwrap();
            assert_eq!(applied.changed, death == Death::AfterIntent, "{} {death:?}", case.name);
            assert_eq!(snapshot(root.path()), snapshot(undisturbed.path()), "{} {death:?}", case.name);
            resumed.finish().await.unwrap();
            assert_eq!(session(root.context()).open_intents(), [], "{}: observed intents are closed", case.name);
        }
    }
}

#[tokio::test]
async fn the_journal_can_bring_back_what_was_there() {
    let case = cases().into_iter().find(|case| case.name == "file of other content").unwrap();
    let root = prepared(&case);
    let session = session(root.context());
    apply(&session, request(&case, 1), None).await.unwrap();
    session.finish().await.unwrap();
    let records = read_journal(&root.context().state("journal"), &run(1)).unwrap();
    let [
        Record::Intent { seq: 1, prior: Prior::File { digest, mode: 0o644, .. }, .. },
        Record::Outcome { intent: 1, result: Ending::Changed, .. },
        Record::End { .. },
    ] = &records[..]
    else {
        panic!("{records:?}");
    };
    let copy = root.context().state("prior").join(digest.to_string());
    assert_eq!(fs::read(&copy).unwrap(), b"old");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o7777, 0o600);
    let journal = root.context().state("journal").join(format!("{}.jsonl", run(1)));
    assert_eq!(fs::metadata(&journal).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(!fs::read_to_string(&journal).unwrap().contains("key: value"), "content is never in the journal");
}

#[tokio::test]
async fn a_torn_line_is_no_obstacle() {
    let case = &cases()[0];
    let root = prepared(case);
    let journal = root.context().state("journal").join(format!("{}.jsonl", run(1)));
    fs::write(&journal, "{\"kind\":\"intent\",\"for").unwrap();
    let session = session(root.context());
    assert_eq!(session.open_intents(), []);
    apply(&session, request(case, 1), None).await.unwrap();
    session.finish().await.unwrap();
    assert_eq!(read_journal(&root.context().state("journal"), &run(1)).unwrap().len(), 3);
}

#[tokio::test]
async fn what_cannot_be_done_leaves_everything_as_it_was() {
    let no_content =
        Case { name: "content not sent", before: |root| write(root, "etc/etcd/etcd.env", b"old"), resource: file(0o600), content: None };
    let other_content = Case { content: Some(b"other".to_vec()), ..cases().remove(1) };
    let directory = Case {
        name: "directory in the way",
        before: |root| fs::create_dir_all(root.join("etc/etcd/etcd.env/x")).unwrap(),
        ..cases().remove(0)
    };
    let missing = Blob { digest: Digest::of(b"missing"), size: 7 };
    let binary = Resource::Binary(Binary { path: "/usr/local/bin/etcd".into(), version: "1".into(), blob: missing });
    let no_blob = Case { name: "blob missing", before: |root| write(root, "usr/local/bin/etcd", b"old"), resource: binary, content: None };
    for case in [no_content, other_content, directory, no_blob] {
        let root = prepared(&case);
        let before = snapshot(root.path());
        let session = session(root.context());
        let failure = apply(&session, request(&case, 1), None).await.unwrap_err();
        assert_eq!(failure.step, case.name);
        assert_eq!(snapshot(root.path()), before, "{}: {}", case.name, failure.message);
        session.finish().await.unwrap();
        let records = read_journal(&root.context().state("journal"), &run(1)).unwrap();
        assert!(matches!(records[1], Record::Outcome { result: Ending::Failed, .. }), "{}", case.name);
    }
}

#[tokio::test]
async fn a_parameter_that_need_not_be_set_is_left_alone() {
    let resource = Resource::Sysctl(Sysctl { key: "net.none.such".into(), value: "1".into(), required: false });
    let case = Case { name: "sysctl missing", before: |_| {}, resource, content: None };
    let root = prepared(&case);
    let session = session(root.context());
    let applied = apply(&session, request(&case, 1), None).await.unwrap();
    assert!(!applied.changed && applied.notes.is_empty());
    let Resource::Sysctl(sysctl) = case.resource.clone() else { panic!() };
    let required = Case { resource: Resource::Sysctl(Sysctl { required: true, ..sysctl }), ..case };
    assert!(apply(&session, request(&required, 1), None).await.unwrap_err().hint.is_some());
}

#[tokio::test]
async fn what_was_cut_off_is_no_success_when_something_else_is_there() {
    let earlier = Case { name: "earlier", before: |root| write(root, "etc/etcd/etcd.env", &file_content()), ..cases().remove(0) };
    let Resource::File(wanted) = file(0o644) else { panic!() };
    let other = Resource::File(File { digest: Digest::of(b"other"), ..wanted.clone() });
    let dying = Case { name: "dying", before: |_| {}, resource: other, content: Some(b"other".to_vec()) };
    let earlier = Case { resource: Resource::File(wanted), ..earlier };
    let root = prepared(&earlier);
    apply(&session(root.context()), request(&dying, 1), Some(Death::AfterIntent)).await.unwrap_err();
    let resumed = session(root.context());
    assert!(!apply(&resumed, request(&earlier, 2), None).await.unwrap().changed);
    resumed.finish().await.unwrap();
    let records = read_journal(&root.context().state("journal"), &run(1)).unwrap();
    assert!(matches!(&records[1], Record::Outcome { intent: 1, result: Ending::Failed, message, .. } if message.contains("another state")));
    assert_eq!(session(root.context()).open_intents(), []);
}
