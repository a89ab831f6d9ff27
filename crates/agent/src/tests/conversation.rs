//! Client and agent over a pipe in memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use barque_model::{Digest, Owner, SecretBytes};
use barque_plan::{Blob, File, Observed, Probe, Resource, Sysctl};
use fs_err as fs;
use tokio::io::{AsyncWriteExt as _, duplex};

use super::{BUILD, Root, agent, connected, options, run, stderr};
use crate::{AgentClient, AgentError, ApplyRequest, CHUNK, Record, ServeError, read_journal};

/// Bytes that zstd cannot shorten, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(length).collect()
}

fn blob_of(content: &[u8]) -> (Blob, Vec<u8>) {
    (Blob { digest: Digest::of(content), size: content.len() as u64 }, zstd::encode_all(content, 1).unwrap())
}

fn store_names(root: &Root) -> Vec<String> {
    let names = fs::read_dir(root.context().store()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "index").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_blob_arrives_whole() {
    let root = Root::new();
    let (client, agent) = connected(&root).await;
    let content = noise(64 << 20);
    let (blob, compressed) = blob_of(&content);
    assert_eq!(client.missing(vec![blob]).await.unwrap(), [blob]);
    let progress = AtomicU64::new(0);
    client.put(blob, &compressed[..], compressed.len() as u64, |sent| progress.store(sent, Ordering::Relaxed)).await.unwrap();
    assert_eq!(progress.load(Ordering::Relaxed), compressed.len() as u64);
    assert_eq!(client.missing(vec![blob]).await.unwrap(), []);
    assert!(fs::read(root.context().blob(blob.digest)).unwrap() == content);
    client.close().await;
    agent.await.unwrap().unwrap();
    let record = fs::read_to_string(root.context().store().join("index").join(format!("{}.json", blob.digest))).unwrap();
    assert!(record.contains("\"synced\":true"), "the end of the session syncs: {record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_damaged_leaves_nothing() {
    let root = Root::new();
    let (client, _agent) = connected(&root).await;
    let (blob, compressed) = blob_of(&noise(3 * CHUNK));
    let size = compressed.len() as u64;
    let other_digest = Blob { digest: Digest::of(b"other"), ..blob };
    let too_small = Blob { size: blob.size - 1, ..blob };
    let too_large = Blob { size: blob.size + 1, ..blob };
    let mut flipped = compressed.clone();
    flipped[2 * CHUNK] ^= 1;
    let cut = &compressed[..compressed.len() - 9];
    for (blob, bytes, size) in [
        (other_digest, &compressed[..], size),
        (too_small, &compressed, size),
        (too_large, &compressed, size),
        (blob, &flipped, size),
        (blob, cut, cut.len() as u64),
        (blob, &compressed, size + 1),
        (blob, b"not zstd", 8),
    ] {
        let error = client.put(blob, bytes, size, |_| {}).await.unwrap_err();
        assert!(matches!(&error, AgentError::Failed(failure) if failure.hint.is_some()), "{error}");
        assert_eq!(store_names(&root), [] as [String; 0], "{error}");
    }
    client.put(blob, &compressed[..], size, |_| {}).await.unwrap();
    assert_eq!(store_names(&root), [blob.digest.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_is_given_up_leaves_nothing_and_harms_nobody() {
    let root = Root::new();
    let (client, _agent) = connected(&root).await;
    let (blob, compressed) = blob_of(&noise(2 * CHUNK));
    let (mut source, never_ending) = duplex(CHUNK);
    source.write_all(&compressed[..CHUNK]).await.unwrap();
    let put = client.put(blob, never_ending, compressed.len() as u64, |_| {});
    assert!(tokio::time::timeout(Duration::from_millis(100), put).await.is_err());
    let (other, compressed) = blob_of(b"small");
    client.put(other, &compressed[..], compressed.len() as u64, |_| {}).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while store_names(&root).len() > 1 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(store_names(&root), [other.digest.to_string()]);
}

fn file(number: usize) -> (Resource, Option<SecretBytes>) {
    let content = format!("file {number}\n").into_bytes();
    let file =
        File { path: format!("/etc/many/{number}"), digest: Digest::of(&content), mode: 0o640, owner: Owner::root(), sensitive: false };
    (Resource::File(file), Some(SecretBytes::new(content)))
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_once() {
    let root = Root::new();
    let (client, agent) = connected(&root).await;
    // Each resource three times: one of the three changes it, whatever their order.
    let applies = (0..60).map(|number| {
        let client = client.clone();
        async move {
            let (resource, content) = file(number / 3);
            client
                .apply(ApplyRequest { run: run(1), step: format!("write {number}"), resource, content, change: None, stales: Vec::new() })
                .await
                .unwrap()
                .changed
        }
    });
    let changed = futures::future::join_all(applies).await;
    assert_eq!(changed.iter().filter(|changed| **changed).count(), 20);
    let resources: Vec<Resource> = (0..20).rev().map(|number| file(number).0).collect();
    let observed = client.observe(resources.clone()).await.unwrap();
    for (resource, observed) in resources.iter().zip(&observed) {
        assert_eq!(barque_plan::difference(resource, observed), None);
    }
    client.close().await;
    agent.await.unwrap().unwrap();
    let records = read_journal(&root.context().state("journal"), &run(1)).unwrap();
    let intents = records.iter().filter(|record| matches!(record, Record::Intent { .. })).count();
    assert_eq!((intents, records.len()), (20, 41), "20 intents, 20 outcomes, one end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_does_not_hold_up_others_and_ends_with_the_connection() {
    let root = Root::new();
    let (client, agent) = connected(&root).await;
    let waiting = {
        let client = client.clone();
        let probe = Probe::HoldsAddress { address: "192.0.2.1".into(), held: true };
        tokio::spawn(async move { client.probe(probe, Duration::from_mins(10), Duration::from_millis(20)).await })
    };
    let sysctl = Resource::Sysctl(Sysctl { key: "net.ipv4.ip_forward".into(), value: "1".into(), required: true });
    assert_eq!(client.observe(vec![sysctl]).await.unwrap(), [Observed::Sysctl { value: "0".into(), writable: true }]);
    waiting.abort();
    let _aborted = waiting.await;
    client.close().await;
    tokio::time::timeout(Duration::from_secs(10), agent).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_the_agent_ends_every_call() {
    let root = Root::new();
    let options = options(&root);
    let abort = options.abort.clone();
    let (from, to, agent) = agent(options);
    let (client, _) = AgentClient::start(from, to, BUILD, stderr()).await.unwrap();
    let probe = Probe::HoldsAddress { address: "192.0.2.1".into(), held: true };
    let calls = futures::future::join_all((0..3).map(|_| client.probe(probe.clone(), Duration::from_mins(10), Duration::from_secs(1))));
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        abort.cancel();
    });
    let results = tokio::time::timeout(Duration::from_secs(10), calls).await.unwrap();
    for result in results {
        assert!(matches!(&result, Err(AgentError::Lost { stderr, .. }) if stderr == &["last words"]), "{result:?}");
    }
    assert!(client.facts().await.unwrap_err().is_lost(), "and every later one");
    assert!(matches!(agent.await.unwrap(), Err(ServeError::Aborted)));
}

#[tokio::test]
async fn another_build_and_what_is_no_agent_are_refused() {
    let root = Root::new();
    let (from, to, _agent) = agent(options(&root));
    let error = AgentClient::start(from, to, "0.2.0", stderr()).await.unwrap_err();
    assert!(matches!(&error, AgentError::OtherBuild { theirs, .. } if theirs == BUILD), "{error}");
    let (mut shell, from) = duplex(1024);
    shell.write_all(b"sh: barque: not found\n").await.unwrap();
    drop(shell);
    let error = AgentClient::start(from, tokio::io::sink(), BUILD, stderr()).await.unwrap_err();
    assert!(
        matches!(&error, AgentError::NoHello { seen, stderr } if seen == &["sh: barque: not found"] && stderr == &["last words"]),
        "{error}"
    );
}
