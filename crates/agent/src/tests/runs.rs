//! Runs over the wire: restoring, locking, folding, pruning, forgetting.

use std::os::unix::fs::PermissionsExt as _;

use barque_model::{Digest, Owner, SecretBytes};
use barque_plan::{File, Prior, Resource};
use fs_err as fs;

use super::{Root, connected, run};
use crate::{AgentClient, ApplyRequest, Ending, LockAnswer, LockRequest, Record, RestoreRequest, ledger};

const PATH: &str = "/etc/haproxy/haproxy.cfg";

fn file(content: &str) -> Resource {
    let digest = Digest::of(content.as_bytes());
    Resource::File(File { path: PATH.into(), digest, mode: 0o644, owner: Owner::root(), sensitive: false })
}

async fn write(client: &AgentClient, number: u8, content: &str) {
    let content_bytes = Some(SecretBytes::new(content.as_bytes()));
    let step = format!("write {number}");
    let request =
        ApplyRequest { run: run(number), step, resource: file(content), content: content_bytes, change: None, stales: Vec::new() };
    assert!(client.apply(request).await.unwrap().changed);
}

fn there(root: &Root) -> String {
    fs::read_to_string(root.path().join(PATH.trim_start_matches('/'))).unwrap()
}

fn with_old_file() -> Root {
    let root = Root::new();
    let path = root.path().join(PATH.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    root
}

/// Rolls back to before a run; says how many resources were changed.
async fn roll_back(client: &AgentClient, number: u8, before: u8) -> usize {
    let mut changed = 0;
    for item in client.undo_items(run(before)).await.unwrap().items {
        let request = RestoreRequest {
            run: run(number),
            step: format!("restore {}", item.resource.id()),
            resource: item.resource,
            prior: item.prior,
            before: run(before),
        };
        changed += usize::from(client.restore(request).await.unwrap().changed);
    }
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_back_and_forth() {
    let root = with_old_file();
    let (client, agent) = connected(&root).await;
    write(&client, 1, "new").await;
    let entries = client.ledger().await.unwrap();
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(
        (&entry.resource, &entry.run, entry.uncertain),
        (&file("new"), &run(1), false),
        "the outcome is not waited for by anybody else"
    );
    let Prior::File { digest, mode: 0o640, .. } = entry.original else { panic!("{entry:?}") };
    let contents = client.contents(vec![PATH.into(), "/etc/nothing".into(), "/etc/haproxy".into()]).await.unwrap();
    assert_eq!(contents, [Some(SecretBytes::new(*b"new")), None, None]);
    let former = client.prior_contents(vec![Digest::of(b"never"), digest]).await.unwrap();
    assert_eq!(former, [None, Some(SecretBytes::new(*b"old"))]);

    assert_eq!(roll_back(&client, 2, 1).await, 1);
    assert_eq!(there(&root), "old");
    let mode = fs::metadata(root.path().join("etc/haproxy/haproxy.cfg")).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o640);
    assert_eq!(client.ledger().await.unwrap(), []);
    assert_eq!(roll_back(&client, 3, 1).await, 0, "there is nothing left to take back");
    let records = client.run_records(run(2)).await.unwrap();
    let [Record::Restore { seq: 1, target, prior, before, .. }, Record::Outcome { intent: 1, result: Ending::Changed, .. }] = &records[..]
    else {
        panic!("{records:?}")
    };
    assert_eq!((target, before), (&entry.original, &run(1)));
    assert!(matches!(prior, Prior::File { digest, .. } if *digest == Digest::of(b"new")));

    assert_eq!(roll_back(&client, 4, 2).await, 1, "the rollback is taken back");
    assert_eq!((there(&root).as_str(), client.ledger().await.unwrap()), ("new", entries));
    let runs = client.runs().await.unwrap();
    let told: Vec<_> = runs.runs.iter().map(|known| (known.run.clone(), known.changed, known.restores, known.taken_back)).collect();
    assert_eq!(told, [(run(1), 1, false, false), (run(2), 1, true, true), (run(4), 1, true, false)]);
    assert!(runs.space.journals > 0 && runs.space.prior > 0, "{:?}", runs.space);
    assert_eq!(client.run_records(run(9)).await.unwrap(), []);
    client.close().await;
    agent.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_at_a_time() {
    let root = Root::new();
    let (first, first_agent) = connected(&root).await;
    let (second, _second_agent) = connected(&root).await;
    let request =
        |number, origin: &str| LockRequest { owner: format!("run {number}"), run: run(number), origin: origin.into(), break_lock: false };
    assert_eq!(first.lock(request(1, "a")).await.unwrap(), LockAnswer::Taken);
    assert_eq!(first.lock(request(2, "a")).await.unwrap(), LockAnswer::Taken, "the same connection has it already");
    assert_eq!(second.lock(request(3, "b")).await.unwrap(), LockAnswer::Held { owner: "run 2".into() });
    first.close().await;
    first_agent.await.unwrap().unwrap();
    assert_eq!(second.lock(request(4, "b")).await.unwrap(), LockAnswer::Taken);
}

fn journals(root: &Root) -> Vec<String> {
    let entries = fs::read_dir(root.context().state("journal")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn names(numbers: &[u8]) -> Vec<String> {
    let journals = numbers.iter().map(|number| format!("{}.jsonl", run(*number)));
    journals.chain(["base.json".to_owned()]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_runs_are_forgotten_and_their_sum_is_not() {
    let root = with_old_file();
    let (client, agent) = connected(&root).await;
    for number in 1..=4 {
        write(&client, number, &format!("content {number}")).await;
    }
    let before = (client.ledger().await.unwrap(), client.undo_items(run(3)).await.unwrap());
    client.prune(2).await.unwrap();
    assert_eq!(journals(&root), names(&[3, 4]));
    let base = root.context().state("journal").join("base.json");
    assert_eq!(fs::metadata(&base).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!((client.ledger().await.unwrap(), client.undo_items(run(3)).await.unwrap()), before);
    let contents = ["old", "content 1", "content 2", "content 3", "content 4"].map(|text| Digest::of(text.as_bytes()));
    let kept: Vec<bool> = client.prior_contents(contents.to_vec()).await.unwrap().iter().map(Option::is_some).collect();
    // What was there before barque came, and what the two kept runs replaced.
    assert_eq!(kept, [true, false, true, true, false]);
    write(&client, 5, "content 5").await;
    client.close().await;
    agent.await.unwrap().unwrap();

    let (client, _agent) = connected(&root).await;
    client.prune(1).await.unwrap();
    assert_eq!(journals(&root), names(&[5]));
    let entry = client.ledger().await.unwrap().remove(0);
    assert!(matches!(entry.original, Prior::File { digest, .. } if digest == Digest::of(b"old")));
    assert_eq!(roll_back(&client, 6, 5).await, 1);
    assert_eq!(there(&root), "content 4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_pruning_costs_nothing() {
    let root = with_old_file();
    let (client, agent) = connected(&root).await;
    for number in 1..=3 {
        write(&client, number, &format!("content {number}")).await;
    }
    let before = client.ledger().await.unwrap();
    client.close().await;
    agent.await.unwrap().unwrap();
    let context = root.context();
    ledger::prune(&context, 1, |_| Err(std::io::Error::other("killed"))).unwrap_err();
    assert_eq!(journals(&root), names(&[1, 2, 3]), "nothing was removed yet");
    let (client, _agent) = connected(&root).await;
    assert_eq!(client.ledger().await.unwrap(), before, "and nothing counts twice");
    assert_eq!(client.runs().await.unwrap().runs.len(), 1);
    client.prune(1).await.unwrap();
    assert_eq!((journals(&root), client.ledger().await.unwrap()), (names(&[3]), before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_left_without_barque() {
    let root = with_old_file();
    let (client, agent) = connected(&root).await;
    write(&client, 1, "new").await;
    assert_eq!(
        client.lock(LockRequest { owner: "o".into(), run: run(2), origin: "a".into(), break_lock: false }).await.unwrap(),
        LockAnswer::Taken
    );
    roll_back(&client, 2, 1).await;
    client.forget().await.unwrap();
    assert!(root.path().join("var/lib/barque").is_dir(), "only at the end");
    client.close().await;
    agent.await.unwrap().unwrap();
    assert!(!root.path().join("var/lib/barque").exists());
    assert_eq!(there(&root), "old");
}
