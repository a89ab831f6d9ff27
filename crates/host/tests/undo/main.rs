//! The laws of undo, for generated resources of every kind that needs no program: applied twice is applied once; after an apply and its
//! undo everything is as before, byte for byte, whenever it was killed; and what others changed meanwhile stays.

#![allow(clippy::unwrap_used)]

mod generate;
mod world;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use barque_model::{Digest, Owner};
use barque_plan::{File, Prior, Resource, User};
use fs_err as fs;
use proptest::prelude::*;
use world::{Before, Case, World, run};

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn config() -> ProptestConfig {
    // Each case waits for the disk some ten times.
    ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() }
}

/// The file that a link at `/etc/hosts` leads to.
fn with_linked(case: &Case) -> World {
    let world = case.world();
    fs::write(world.path("/etc/app/hosts"), "127.0.0.1 localhost\n10.0.0.9 m1 # barque\n").unwrap();
    world
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn applied_twice_is_applied_once(case in generate::case()) {
        wait(async {
            let world = with_linked(&case);
            world.apply(&case).await;
            let once = world.listing();
            assert_eq!(world.difference(&case.resource).await, None);
            assert!(!world.apply(&case).await);
            assert_eq!(world.listing(), once);
        });
    }

    #[test]
    fn after_its_undo_everything_is_as_before(case in generate::case()) {
        wait(async {
            let world = with_linked(&case);
            let before = world.listing();
            let prior = world.capture(&case.resource).await;
            assert_eq!(world.remains(&case.resource, &prior).await, None);
            // Killed before the change.
            assert_eq!(world.restore(&case.resource, &prior).await, Vec::<String>::new());
            assert_eq!(world.listing(), before, "killed before the change");
            world.apply(&case).await;
            let applied = world.listing();
            assert_eq!(world.remains(&case.resource, &prior).await.is_none(), applied == before);
            let undone = world.capture(&case.resource).await;
            for time in 1..=2 {
                assert_eq!(world.restore(&case.resource, &prior).await, Vec::<String>::new());
                assert_eq!(world.listing(), before, "{prior:?}, time {time}");
                assert_eq!(world.remains(&case.resource, &prior).await, None);
            }
            // The undo of the undo.
            world.restore(&case.resource, &undone).await;
            assert_eq!(world.listing(), applied, "{undone:?}");
            assert_eq!(world.remains(&case.resource, &undone).await, None);
        });
    }

    #[test]
    fn what_others_write_into_the_hosts_file_stays(case in generate::hosts(), first in any::<bool>()) {
        wait(async {
            let world = with_linked(&case);
            let place = world.path("/etc/hosts");
            let text = fs::read(&place).unwrap_or_default();
            let prior = world.capture(&case.resource).await;
            let applied = world.apply(&case).await;
            let edit = b"10.7.7.7 new # by hand, \xff\r\n";
            let edited = fs::read(&place).unwrap();
            let edited = if first { [&edit[..], &edited].concat() } else { [&edited[..], edit].concat() };
            fs::write(&place, edited).unwrap();
            let notes = world.restore(&case.resource, &prior).await;
            assert_eq!(notes.len(), usize::from(applied), "{notes:?}");
            assert_eq!(world.remains(&case.resource, &prior).await, None);
            let own = |text: &[u8]| lines(text).into_iter().filter(|line| is_own(line)).collect::<Vec<_>>();
            let mut foreign: Vec<Vec<u8>> = lines(&text).into_iter().filter(|line| !is_own(line)).collect();
            foreign.insert(if first { 0 } else { foreign.len() }, lines(edit).remove(0));
            let now = fs::read(&place).unwrap();
            assert_eq!(lines(&now).into_iter().filter(|line| !is_own(line)).collect::<Vec<_>>(), foreign);
            // Lines of barque's may be split or stand in another order, but give the same names.
            let names = [own(&now), own(&text)].map(|lines| lines.iter().flat_map(|line| named(line)).collect::<BTreeSet<_>>());
            assert_eq!(names[0], names[1]);
            assert!(world.restore(&case.resource, &prior).await.is_empty());
        });
    }

    #[test]
    fn many_lines_of_the_hosts_file_go_back(text in generate::hosts_text(), order in Just(vec![0, 1, 2]).prop_shuffle()) {
        wait(async {
            let world = World::new();
            let place = world.path("/etc/hosts");
            fs::write(&place, &text).unwrap();
            let resources = [("m1", 1), ("m2", 2), ("m3", 3)].map(|(name, address)| generate::hosts_line(name, address));
            let mut priors = Vec::new();
            for resource in &resources {
                let case = Case { resource: resource.clone(), content: None, path: "/etc/hosts", before: Before::Nothing };
                priors.push(world.capture(resource).await);
                world.apply(&case).await;
            }
            let applied = fs::read(&place).unwrap();
            for number in [2, 1, 0] {
                assert!(world.restore(&resources[number], &priors[number]).await.is_empty());
            }
            assert_eq!(fs::read(&place).unwrap(), text, "in reverse order byte for byte");
            fs::write(&place, &applied).unwrap();
            for number in order {
                assert!(world.restore(&resources[number], &priors[number]).await.is_empty(), "nobody else has written");
                assert_eq!(world.remains(&resources[number], &priors[number]).await, None);
            }
            let foreign = |text: &[u8]| lines(text).into_iter().filter(|line| !is_own(line)).collect::<Vec<_>>();
            assert_eq!(foreign(&fs::read(&place).unwrap()), foreign(&text), "in any order");
        });
    }
}

/// Lines without their end.
fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    text.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec()).collect()
}

fn is_own(line: &[u8]) -> bool {
    line.ends_with(b"# barque")
}

/// Address and name, for each name of a line.
fn named(line: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split('#').next().unwrap().split_whitespace();
    let address = words.next().unwrap().to_owned();
    words.map(|name| format!("{address} {name}")).collect()
}

fn file(content: &[u8], owner: Owner) -> Case {
    let path = "/etc/app/conf";
    let file = File { path: path.into(), digest: Digest::of(content), mode: 0o600, owner, sensitive: false };
    Case {
        resource: Resource::File(file),
        content: Some(content.to_vec()),
        path,
        before: Before::File { content: b"old".to_vec(), mode: 0o640, owner: 0 },
    }
}

#[tokio::test]
async fn a_former_content_that_is_not_kept_any_more_is_told() {
    let case = file(b"new", Owner::root());
    let world = case.world();
    let prior = world.capture(&case.resource).await;
    world.apply(&case).await;
    let copy = world.context.state("prior").join(Digest::of(b"old").to_string());
    fs::write(&copy, b"forged").unwrap();
    let damaged = barque_host::restore(&world.context, &case.resource, &prior, &run(2)).await.unwrap_err();
    assert!(damaged.message.contains("is damaged") && damaged.hint.is_some(), "{damaged:?}");
    fs::remove_file(&copy).unwrap();
    let applied = world.listing();
    let pruned = barque_host::restore(&world.context, &case.resource, &prior, &run(2)).await.unwrap_err();
    assert!(pruned.message.contains("the former content of `/etc/app/conf`") && pruned.hint.is_some(), "{pruned:?}");
    assert_eq!(world.listing(), applied);
    // What is as it was needs no copy.
    fs::write(world.path(case.path), b"old").unwrap();
    assert_eq!(world.remains(&case.resource, &prior).await.unwrap(), "its mode is 0600 and was 0640");
    world.restore(&case.resource, &prior).await;
    assert_eq!(world.remains(&case.resource, &prior).await, None);
}

#[tokio::test]
async fn a_directory_in_the_place_of_a_file_is_never_removed() {
    for before in [Before::Nothing, Before::Link { target: "x".into() }, file(b"", Owner::root()).before] {
        let case = Case { before, ..file(b"new", Owner::root()) };
        let world = case.world();
        let prior = world.capture(&case.resource).await;
        world.apply(&case).await;
        fs::remove_file(world.path(case.path)).unwrap();
        fs::create_dir(world.path(case.path)).unwrap();
        let there = world.listing();
        let refused = barque_host::restore(&world.context, &case.resource, &prior, &run(2)).await.unwrap_err();
        assert!(refused.message.contains("a directory is in the place") && refused.hint.is_some(), "{refused:?}");
        assert_eq!(world.listing(), there);
    }
}

#[tokio::test]
async fn a_folder_with_others_data_stays() {
    let directory = barque_plan::Directory { path: "/var/lib/app".into(), mode: 0o700, owner: Owner::root() };
    let case = Case { resource: Resource::Directory(directory), content: None, path: "/var/lib/app", before: Before::Nothing };
    let world = case.world();
    let prior = world.capture(&case.resource).await;
    world.apply(&case).await;
    fs::write(world.path("/var/lib/app/data"), "precious").unwrap();
    assert_eq!(world.remains(&case.resource, &prior).await, None);
    assert_eq!(world.restore(&case.resource, &prior).await, ["/var/lib/app stays: it is not empty"]);
    assert_eq!(fs::read_to_string(world.path("/var/lib/app/data")).unwrap(), "precious");
}

#[tokio::test]
async fn a_folder_that_is_gone_comes_back() {
    let world = World::new();
    let owner = world::owner(1);
    let directory = barque_plan::Directory { path: "/var/lib/app".into(), mode: 0o700, owner: Owner::root() };
    let (resource, prior) = (Resource::Directory(directory), Prior::Directory { mode: 0o2750, owner: owner.clone() });
    assert!(world.remains(&resource, &prior).await.is_some());
    assert!(world.restore(&resource, &prior).await.is_empty());
    assert_eq!(world.remains(&resource, &prior).await, None);
    assert_eq!(world.capture(&resource).await, prior);
}

#[tokio::test]
async fn users_that_were_there_are_not_touched() {
    let world = World::new();
    let user = |name: &str| Resource::User(User { name: name.into(), home: "/".into() });
    assert_eq!(world.capture(&user("app")).await, Prior::User);
    let before = world.listing();
    assert!(world.restore(&user("app"), &Prior::User).await.is_empty());
    // Added to what was half there, it is not barque's to remove.
    fs::write(world.path("/etc/group"), "root:x:0:\n").unwrap();
    let half = world.capture(&user("app")).await;
    assert!(matches!(&half, Prior::Other { what } if what == "a user without a group of its name"), "{half:?}");
    assert_eq!(world.restore(&user("app"), &half).await.len(), 1);
    assert_eq!(world.remains(&user("app"), &half).await, None);
    assert_eq!(world.listing()["etc/passwd"], before["etc/passwd"]);
    assert_eq!(world.capture(&user("none")).await, Prior::Absent);
    assert_eq!(world.remains(&user("none"), &Prior::Absent).await, None);
    assert_eq!(world.remains(&user("app"), &Prior::Absent).await.unwrap(), "the user is still there");
}

#[tokio::test]
async fn what_was_readable_by_few_is_kept_readable_by_root_only() {
    let case = Case { before: Before::File { content: b"secret".to_vec(), mode: 0o644, owner: 0 }, ..file(b"new", Owner::root()) };
    let world = case.world();
    let Prior::File { digest, .. } = world.capture(&case.resource).await else { panic!("a file was there") };
    let copy = world.context.state("prior").join(digest.to_string());
    assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o7777, 0o600);
}
