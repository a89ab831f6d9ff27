//! A real Elasticsearch on this machine, behind TLS and a password on the lab's own address.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{Scenario, eventually, run};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(crate) const USER: &str = "writer";
pub(crate) const PASSWORD: &str = "lab-word-93af10";
/// `USER:PASSWORD` in Base64.
const BASIC: &str = "authorization: basic d3JpdGVyOmxhYi13b3JkLTkzYWYxMA==";
/// Elasticsearch 6 on Java 17.
const JAVA_OPTIONS: &str = "-Djava.security.manager=allow -Xms800m -Xmx800m";
/// Nobody: Elasticsearch refuses to be root.
const UID: &str = "65534";

/// The store.
pub(crate) struct Store {
    home: PathBuf,
    port: u16,
    process: Option<Child>,
    /// Where the lab's hosts reach it.
    pub(crate) url: String,
    _guard: tokio::runtime::Runtime,
}

impl Store {
    /// Makes its certificate and starts it.
    pub(crate) fn start(scenario: &Scenario) -> Result<Self> {
        let folder = scenario.folder.path();
        let first = scenario.lab.hosts().first().context("the lab has hosts")?.address.to_string();
        let address = format!("{}.1", first.rsplit_once('.').context("an IPv4 address")?.0);
        let certificates = "
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=authority of the store' -keyout store-ca.key -out store-ca.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj \"/CN=$1\" -keyout store.key -out store.csr
            echo \"subjectAltName=IP:$1\" > store.ext
            openssl x509 -req -in store.csr -CA store-ca.pem -CAkey store-ca.key -CAcreateserial -days 2 -extfile store.ext -out store.crt";
        run("sh", ["-c", &format!("set -e; cd \"$2\"; {certificates}"), "sh", &address, &folder.display().to_string()])?.ok()?;

        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(format!("{address}:0")))?;
        let url = format!("https://{address}:{}", listener.local_addr()?.port());
        runtime.spawn(guard(listener, acceptor(folder)?, SocketAddr::from(([127, 0, 0, 1], port))));

        let home = unpacked(folder, port)?;
        let mut store = Self { home, port, process: None, url, _guard: runtime };
        store.resume()?;
        Ok(store)
    }

    /// Starts the program; it answers when this returns.
    pub(crate) fn resume(&mut self) -> Result<()> {
        let log = fs_err::File::options().create(true).append(true).open(self.home.join("out.log"))?;
        let mut command = Command::new("setpriv");
        command.args(["--reuid", UID, "--regid", UID, "--clear-groups", "--pdeathsig", "KILL"]).arg(self.home.join("bin/elasticsearch"));
        command.env("ES_JAVA_OPTS", JAVA_OPTIONS).env_remove("JAVA_TOOL_OPTIONS").current_dir(&self.home);
        command.stdin(Stdio::null()).stdout(log.try_clone()?.into_parts().0).stderr(log.into_parts().0);
        self.process = Some(command.spawn().context("cannot start Elasticsearch")?);
        let started = eventually("Elasticsearch answers", Duration::from_mins(3), || {
            let health = self.ask("_cluster/health", None)?;
            ensure!(matches!(health["status"].as_str(), Some("green" | "yellow")), "{health}");
            Ok(())
        });
        started.with_context(|| self.log_end())
    }

    /// Ends the program; its data stay.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        run("kill", [&process.id().to_string()])?.ok()?;
        process.wait()?;
        Ok(())
    }

    /// Asks it.
    pub(crate) fn ask(&self, path: &str, body: Option<&Value>) -> Result<Value> {
        let url = format!("http://127.0.0.1:{}/{path}", self.port);
        let mut arguments = vec!["--silent", "--show-error", "--noproxy", "*", "--max-time", "60", &url];
        let body = body.map(Value::to_string);
        if let Some(body) = &body {
            arguments.extend(["--header", "Content-Type: application/json", "--data", body]);
        }
        let answer = run("curl", arguments)?.ok().with_context(|| format!("the end of its log:\n{}", self.log_end()))?;
        serde_json::from_str(&answer.stdout).with_context(|| answer.stdout.clone())
    }

    fn log_end(&self) -> String {
        run("tail", ["-n", "20", &self.home.join("out.log").display().to_string()]).map(|end| end.stdout).unwrap_or_default()
    }

    /// How many documents of one pod are in indices of this beginning.
    pub(crate) fn count(&self, index: &str, pod: &str) -> Result<u64> {
        self.ask(&format!("{index}-*/_refresh"), Some(&Value::Null))?;
        let answer = self.ask(&format!("{index}-*/_count?ignore_unavailable=true"), Some(&of_pod(pod)))?;
        answer["count"].as_u64().with_context(|| answer.to_string())
    }

    /// Documents of one pod in indices of this beginning, each as it was sent.
    pub(crate) fn documents(&self, index: &str, pod: &str) -> Result<Vec<Value>> {
        self.ask(&format!("{index}-*/_refresh"), Some(&Value::Null))?;
        let mut query = of_pod(pod);
        // Small pages, and no search left open: the program has little memory, and is asked again and again.
        query["size"] = 1000.into();
        let mut page = self.ask(&format!("{index}-*/_search?scroll=1m&ignore_unavailable=true"), Some(&query))?;
        let mut found = Vec::new();
        loop {
            let hits = page["hits"]["hits"].as_array().with_context(|| page.to_string())?.clone();
            let scroll = page["_scroll_id"].clone();
            if hits.is_empty() {
                let url = format!("http://127.0.0.1:{}/_search/scroll/{}", self.port, scroll.as_str().context("a search")?);
                run("curl", ["--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--request", "DELETE", &url])?.ok()?;
                return Ok(found);
            }
            found.extend(hits.into_iter().map(|hit| hit["_source"].clone()));
            page = self.ask("_search/scroll", Some(&serde_json::json!({"scroll": "1m", "scroll_id": scroll})))?;
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn of_pod(name: &str) -> Value {
    serde_json::json!({"query": {"term": {"kubernetes.pod.name.keyword": name}}})
}

/// A copy of the program with its configuration.
fn unpacked(folder: &Path, port: u16) -> Result<PathBuf> {
    let source = std::env::var("BARQUE_TEST_ELASTICSEARCH")
        .context("BARQUE_TEST_ELASTICSEARCH is not set; run the scenarios by `cargo xtask e2e`")?;
    let home = folder.join("elasticsearch");
    let shown = home.display().to_string();
    run("cp", ["-r", &source, &shown])?.ok()?;
    let settings = format!(
        "network.host: 127.0.0.1\nhttp.port: {port}\ntransport.tcp.port: 0\ndiscovery.type: single-node\nbootstrap.system_call_filter: false\n\
         cluster.routing.allocation.disk.threshold_enabled: false\n"
    );
    fs_err::write(home.join("config/elasticsearch.yml"), settings)?;
    run("chown", ["-R", &format!("{UID}:{UID}"), &shown])?.ok()?;
    run("chmod", ["711", &folder.display().to_string()])?.ok()?;
    Ok(home)
}

fn acceptor(folder: &Path) -> Result<TlsAcceptor> {
    let certificates = CertificateDer::pem_file_iter(folder.join("store.crt"))?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("store.key"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?.with_no_client_auth();
    Ok(TlsAcceptor::from(Arc::new(config.with_single_cert(certificates, key)?)))
}

/// Ends TLS, asks for the password at the beginning of each connection, and hands it on.
async fn guard(listener: TcpListener, acceptor: TlsAcceptor, store: SocketAddr) {
    while let Ok((connection, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        // A connection that breaks is the client's to notice.
        tokio::spawn(async move { hand_on(connection, acceptor, store).await.ok() });
    }
}

async fn hand_on(connection: TcpStream, acceptor: TlsAcceptor, store: SocketAddr) -> Result<()> {
    let mut connection = acceptor.accept(connection).await?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        ensure!(connection.read_buf(&mut head).await? > 0, "the client has gone");
    }
    let is_known = String::from_utf8_lossy(&head).lines().any(|line| line.eq_ignore_ascii_case(BASIC));
    let refusal = if is_known { "503 Service Unavailable" } else { "401 Unauthorized" };
    match TcpStream::connect(store).await {
        Ok(mut store) if is_known => {
            store.write_all(&head).await?;
            copy_bidirectional(&mut connection, &mut store).await?;
        }
        _ => {
            let answer = format!("HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            connection.write_all(answer.as_bytes()).await?;
            connection.shutdown().await?;
        }
    }
    Ok(())
}
