//! The dead-man switch on a temporary root: what its timer would run, run by hand.

use barque_model::{Digest, Owner, RunId, SecretBytes};
use barque_plan::{File, Resource};
use fs_err as fs;

use super::{Root, connected, run};
use crate::{AgentClient, ApplyRequest, ArmRequest, LockAnswer, LockRequest, take_back};

const PATH: &str = "/etc/barque-firewall/rules.nft";

fn lock(number: u8, origin: &str) -> LockRequest {
    LockRequest { owner: format!("run {number}"), run: run(number), origin: origin.into(), break_lock: false }
}

fn arming(number: u8, undo: u8) -> ArmRequest {
    ArmRequest { lock: lock(number, "a"), undo: run(undo), seconds: 60 }
}

async fn write(client: &AgentClient, number: u8, content: &str) {
    let digest = Digest::of(content.as_bytes());
    let resource = Resource::File(File { path: PATH.into(), digest, mode: 0o644, owner: Owner::root(), sensitive: false });
    let content = Some(SecretBytes::new(content.as_bytes()));
    let request = ApplyRequest { run: run(number), step: "write".into(), resource, content, change: None, stales: Vec::new() };
    assert!(client.apply(request).await.unwrap().changed);
}

fn there(root: &Root) -> Option<String> {
    fs::read_to_string(root.path().join(PATH.trim_start_matches('/'))).ok()
}

/// A run that has made a change under an armed switch; its connection is gone.
async fn armed_and_left(root: &Root) {
    let (client, agent) = connected(root).await;
    assert_eq!(client.lock(lock(1, "a")).await.unwrap(), LockAnswer::Taken);
    client.arm(arming(1, 2)).await.unwrap();
    write(&client, 1, "drop").await;
    client.close().await;
    agent.await.unwrap().unwrap();
}

async fn told(root: &Root) -> Vec<(RunId, bool, Option<String>)> {
    let (client, _agent) = connected(root).await;
    client.runs().await.unwrap().runs.into_iter().map(|known| (known.run, known.taken_back, known.reason)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_confirms_goes_back() {
    let root = Root::new();
    armed_and_left(&root).await;
    assert_eq!(there(&root).as_deref(), Some("drop"));
    take_back(root.context()).await.unwrap();
    assert_eq!(there(&root), None);
    assert!(!root.context().state("dead-man.json").exists());
    assert!(!root.path().join("etc/systemd/system/barque-dead-man.service").exists());
    let reason = format!("takes run {} back: nobody confirmed it over a new connection within 60 s", run(1));
    assert_eq!(told(&root).await, [(run(1), true, None), (run(2), false, Some(reason))]);
    take_back(root.context()).await.unwrap();
    assert_eq!(told(&root).await.len(), 2, "the second time there is nothing to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_new_connection_confirms_stays() {
    let root = Root::new();
    armed_and_left(&root).await;
    let (client, _agent) = connected(&root).await;
    client.confirm(run(1), run(3)).await.unwrap_err();
    client.confirm(run(3), run(2)).await.unwrap_err();
    client.confirm(run(1), run(2)).await.unwrap();
    assert!(!root.path().join("etc/systemd/system/barque-dead-man.service").exists());
    take_back(root.context()).await.unwrap();
    assert_eq!(there(&root).as_deref(), Some("drop"));
    assert_eq!(told(&root).await, [(run(1), false, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_starts_again_takes_back_what_was_not_confirmed() {
    let root = Root::new();
    armed_and_left(&root).await;
    fs::write(root.path().join("proc/sys/kernel/random/boot_id"), "boot-2\n").unwrap();
    take_back(root.context()).await.unwrap();
    assert_eq!(there(&root), None);
    let context = root.context();
    let records = crate::read_journal(&context.state("journal"), &run(2)).unwrap();
    let crate::Record::TakeBack { run: back, reason, .. } = &records[0] else { panic!("{records:?}") };
    assert_eq!((back, reason.as_str()), (&run(1), "the host started again before anybody had confirmed it over a new connection"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_runs_wait_until_it_is_confirmed_or_gone() {
    let root = Root::new();
    armed_and_left(&root).await;
    let (client, _agent) = connected(&root).await;
    let refused = client.lock(lock(3, "a")).await.unwrap_err().to_string();
    assert!(refused.contains("is not confirmed") && refused.contains("within 60 s"), "{refused}");
    assert_eq!(client.lock(lock(1, "a")).await.unwrap(), LockAnswer::Taken, "the run's own new connection");
    client.arm(ArmRequest { lock: lock(3, "a"), undo: run(4), seconds: 5 }).await.unwrap_err();
    client.lock(LockRequest { break_lock: true, ..lock(3, "a") }).await.unwrap_err();
    client.close().await;
    take_back(root.context()).await.unwrap();
    assert_eq!(there(&root), None);
    let (client, _agent) = connected(&root).await;
    assert_eq!(client.lock(lock(3, "a")).await.unwrap(), LockAnswer::Taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_changes_of_earlier_runs_stay() {
    let root = Root::new();
    let (client, agent) = connected(&root).await;
    write(&client, 1, "accept").await;
    client.arm(ArmRequest { lock: lock(3, "a"), undo: run(4), seconds: 60 }).await.unwrap();
    write(&client, 3, "drop").await;
    client.close().await;
    agent.await.unwrap().unwrap();
    take_back(root.context()).await.unwrap();
    assert_eq!(there(&root).as_deref(), Some("accept"));
}
