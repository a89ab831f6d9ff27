#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use barque_model::{Digest, SecretBytes};
use barque_plan::Blob;
use fs_err as fs;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::identity;
use super::question::{QUESTION, Question};
use crate::tests::{Root, connected};
use crate::{AgentClient, FetchRequest, Fetched, OfferRequest, Peer};

fn token(byte: u8) -> SecretBytes {
    SecretBytes::new([byte; 32])
}

/// Bytes of which no two blocks are the same.
fn content() -> Vec<u8> {
    (0..300_000u32).flat_map(u32::to_le_bytes).collect()
}

fn blob_of(content: &[u8]) -> Blob {
    Blob { digest: Digest::of(content), size: content.len() as u64 }
}

async fn put(client: &AgentClient, content: &[u8]) -> Blob {
    let (blob, compressed) = (blob_of(content), zstd::encode_all(content, 1).unwrap());
    client.put(blob, &compressed[..], compressed.len() as u64, |_| {}).await.unwrap();
    blob
}

async fn offer(client: &AgentClient, blobs: Vec<Digest>) -> Peer {
    client.offer(OfferRequest { address: "127.0.0.1".parse().unwrap(), token: token(1), blobs, limit: None }).await.unwrap()
}

async fn fetch(client: &AgentClient, blob: Blob, peers: &[&Peer]) -> Fetched {
    let peers = peers.iter().copied().cloned().collect();
    client.fetch(FetchRequest { blob, peers, token: token(1) }).await.unwrap()
}

fn failed(fetched: &Fetched) -> Vec<u32> {
    fetched.failed.iter().map(|(number, _)| *number).collect()
}

fn names(root: &Root) -> Vec<String> {
    let names = fs::read_dir(root.context().store()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "index").collect()
}

/// A host that gives `content` from the offset asked, `most` bytes of it for each question, and then closes. Answers with the offsets asked.
async fn giver(content: Vec<u8>, most: usize) -> (Peer, Arc<Mutex<Vec<u64>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (config, pin) = identity::listening().unwrap();
    let peer = Peer { address: listener.local_addr().unwrap(), pin };
    let asked: Arc<Mutex<Vec<u64>>> = Arc::default();
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = TlsAcceptor::from(Arc::clone(&config)).accept(stream).await else { continue };
            let mut bytes = [0; QUESTION];
            stream.read_exact(&mut bytes).await.unwrap();
            let question = Question::parse(&bytes).unwrap();
            noted.lock().unwrap().push(question.offset);
            let rest = &content[usize::try_from(question.offset).unwrap()..];
            stream.write_all(&(rest.len() as u64).to_le_bytes()).await.unwrap();
            let _gave_up = stream.write_all(&rest[..most.min(rest.len())]).await;
            let _gave_up = stream.shutdown().await;
        }
    });
    (peer, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_goes_from_host_to_host() {
    let (here, there) = (Root::new(), Root::new());
    let ((giver, _), (taker, taking)) = (connected(&here).await, connected(&there).await);
    let blob = put(&giver, &content()).await;
    let peer = offer(&giver, vec![blob.digest]).await;
    assert_eq!(fetch(&taker, blob, &[&peer]).await, Fetched { complete: true, failed: Vec::new() });
    assert_eq!(taker.missing(vec![blob]).await.unwrap(), []);
    assert!(fs::read(there.context().blob(blob.digest)).unwrap() == content());
    taker.close().await;
    taking.await.unwrap().unwrap();
    let record = fs::read_to_string(there.context().store().join("index").join(format!("{}.json", blob.digest))).unwrap();
    assert!(record.contains("\"synced\":true"), "the end of the session syncs: {record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_belongs_to_the_run_gets_only_what_is_offered() {
    let (here, there) = (Root::new(), Root::new());
    let ((giver, _), (taker, _)) = (connected(&here).await, connected(&there).await);
    let (blob, other) = (put(&giver, &content()).await, put(&giver, b"not offered").await);
    let peer = offer(&giver, vec![blob.digest]).await;
    let ask = |blob: Blob, peer: &Peer, byte: u8| {
        let request = FetchRequest { blob, peers: vec![peer.clone()], token: token(byte) };
        let taker = taker.clone();
        async move { taker.fetch(request).await.unwrap() }
    };
    let wrong_pin = Peer { pin: Digest::of(b"another"), ..peer.clone() };
    let nobody = Peer { address: "127.0.0.1:1".parse().unwrap(), ..peer.clone() };
    for (case, fetched) in [
        ("token", ask(blob, &peer, 2).await),
        ("certificate", ask(blob, &wrong_pin, 1).await),
        ("not offered", ask(other, &peer, 1).await),
        ("nobody listens", ask(blob, &nobody, 1).await),
    ] {
        assert!(!fetched.complete && failed(&fetched) == [0], "{case}: {fetched:?}");
        assert_eq!(names(&there), [] as [String; 0], "{case}");
    }
    let short = OfferRequest { address: "127.0.0.1".parse().unwrap(), token: SecretBytes::new([]), blobs: Vec::new(), limit: None };
    giver.offer(short).await.unwrap_err();
    assert!(ask(blob, &peer, 1).await.complete, "and what went wrong before changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_host_goes_on_where_one_was_cut_off() {
    let root = Root::new();
    let (taker, _agent) = connected(&root).await;
    let blob = blob_of(&content());
    let (cut, _) = giver(content(), 700_000).await;
    let (whole, asked) = giver(content(), usize::MAX).await;
    let fetched = fetch(&taker, blob, &[&cut, &whole]).await;
    assert!(fetched.complete && failed(&fetched) == [0], "{fetched:?}");
    assert_eq!(*asked.lock().unwrap(), [2 * (256 << 10)], "whole blocks were kept");
    assert!(fs::read(root.context().blob(blob.digest)).unwrap() == content());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_are_never_kept() {
    let root = Root::new();
    let (taker, _agent) = connected(&root).await;
    let blob = blob_of(&content());
    let mut wrong = content();
    wrong[600_000] ^= 1;
    let (liar, _) = giver(wrong, usize::MAX).await;
    let fetched = fetch(&taker, blob, &[&liar]).await;
    assert!(!fetched.complete && failed(&fetched) == [0], "{fetched:?}");
    assert_eq!(names(&root), [] as [String; 0]);
    let (longer, _) = giver([content(), vec![0]].concat(), usize::MAX).await;
    let (whole, asked) = giver(content(), usize::MAX).await;
    let fetched = fetch(&taker, blob, &[&liar, &longer, &whole]).await;
    assert!(fetched.complete && failed(&fetched) == [0, 1], "{fetched:?}");
    assert_eq!(*asked.lock().unwrap(), [0], "it begins anew");
    assert!(fs::read(root.context().blob(blob.digest)).unwrap() == content());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_host_costs_seconds() {
    let root = Root::new();
    let (taker, _agent) = connected(&root).await;
    let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let frozen = (Peer { address: frozen.local_addr().unwrap(), pin: Digest::of(b"x") }, frozen);
    let (whole, _) = giver(content(), usize::MAX).await;
    let begun = Instant::now();
    let fetched = fetch(&taker, blob_of(&content()), &[&frozen.0, &whole]).await;
    assert!(fetched.complete && failed(&fetched) == [0], "{fetched:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_after_the_conversation() {
    let root = Root::new();
    let (client, agent) = connected(&root).await;
    let peer = offer(&client, Vec::new()).await;
    TcpStream::connect(peer.address).await.unwrap();
    client.close().await;
    agent.await.unwrap().unwrap();
    // The listener's task ends at its next turn.
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(peer.address).await.is_ok() {
        assert!(Instant::now() < deadline, "still listening on {}", peer.address);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn the_port_is_the_one_that_rules_let_through() {
    assert_eq!(barque_firewall::FlowId::Contents.entry().ports, super::PEER_PORT.to_string());
}

#[test]
fn the_token_does_not_show() {
    let request =
        OfferRequest { address: "127.0.0.1".parse().unwrap(), token: SecretBytes::new(*b"hunter2"), blobs: Vec::new(), limit: None };
    assert!(!format!("{request:?}").contains("hunter2") && !format!("{request:?}").contains("104, 117"));
}

proptest! {
    #[test]
    fn questions_round_trip(token: [u8; 32], digest: [u8; 32], offset: u64) {
        let question = Question { token: SecretBytes::new(token), digest: Digest::from_bytes(digest), offset };
        let bytes: [u8; QUESTION] = question.to_bytes().try_into().unwrap();
        prop_assert_eq!(Question::parse(&bytes), Some(question));
    }

    #[test]
    fn garbage_is_no_question(bytes in prop::collection::vec(any::<u8>(), QUESTION)) {
        let _never_panics = Question::parse(&bytes.try_into().unwrap());
    }
}
