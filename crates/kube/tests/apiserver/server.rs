//! A real etcd and a real kube-apiserver on loopback, thrown away with the value.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use barque_kube::{Client, KubeError};
use barque_model::{KubeAccess, SecretBytes};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

/// How long the API server may take on a loaded machine; it takes 2 to 4 s on a quiet one.
const START: Duration = Duration::from_mins(2);

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// PEM of a certificate and of its key.
    fn issue(&self, common_name: &str, group: Option<&str>, address: Option<&str>) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(address.map(str::to_owned).into_iter().collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages =
            vec![if address.is_some() { ExtendedKeyUsagePurpose::ServerAuth } else { ExtendedKeyUsagePurpose::ClientAuth }];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        (certificate, key.serialize_pem())
    }
}

/// The two processes and how to reach them.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) authority: Authority,
    binaries: PathBuf,
    folder: TempDir,
    children: Vec<Child>,
}

impl Server {
    /// Starts both and waits until `/readyz` holds.
    pub(crate) async fn start() -> Self {
        let binaries = std::env::var_os("BARQUE_TEST_BINARIES")
            .map(PathBuf::from)
            .expect("BARQUE_TEST_BINARIES names a folder with etcd, kube-apiserver and kubectl");
        let [client_port, peer_port, api_port] = free_ports();
        let mut server = Self {
            url: format!("https://127.0.0.1:{api_port}"),
            authority: Authority::new("test-ca"),
            binaries,
            folder: tempfile::tempdir().unwrap(),
            children: Vec::new(),
        };
        let client_url = format!("http://127.0.0.1:{client_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let data = server.file("etcd").display().to_string();
        server.spawn(
            "etcd",
            &[
                "--name=test".into(),
                format!("--data-dir={data}"),
                format!("--listen-client-urls={client_url}"),
                format!("--advertise-client-urls={client_url}"),
                format!("--listen-peer-urls={peer_url}"),
                format!("--initial-advertise-peer-urls={peer_url}"),
                format!("--initial-cluster=test={peer_url}"),
                "--unsafe-no-fsync".into(),
            ],
        );
        server.start_apiserver(&client_url, api_port);
        server.write_kubeconfig();
        server.wait().await;
        server
    }

    fn start_apiserver(&mut self, etcd: &str, port: u16) {
        let (certificate, key) = self.authority.issue("kube-apiserver", None, Some("127.0.0.1"));
        let account = KeyPair::generate().unwrap();
        let certificate = self.write("apiserver.crt", &certificate);
        let key = self.write("apiserver.key", &key);
        let authority = self.write("ca.crt", &self.authority.pem.clone());
        let account_key = self.write("sa.key", &account.serialize_pem());
        let account_public = self.write("sa.pub", &account.public_key_pem());
        self.spawn(
            "kube-apiserver",
            &[
                format!("--etcd-servers={etcd}"),
                "--bind-address=127.0.0.1".into(),
                // Loopback is refused; this one (TEST-NET-1) only gets into an EndpointSlice that nobody uses here.
                "--advertise-address=192.0.2.1".into(),
                format!("--secure-port={port}"),
                format!("--tls-cert-file={certificate}"),
                format!("--tls-private-key-file={key}"),
                format!("--client-ca-file={authority}"),
                format!("--service-account-key-file={account_public}"),
                format!("--service-account-signing-key-file={account_key}"),
                "--service-account-issuer=https://kubernetes.default.svc".into(),
                "--authorization-mode=Node,RBAC".into(),
                "--service-cluster-ip-range=10.96.0.0/16".into(),
                // Without a controller manager no namespace has a service account for its pods.
                "--disable-admission-plugins=ServiceAccount".into(),
            ],
        );
    }

    fn write_kubeconfig(&self) {
        let access = self.access("kubectl", Some("system:masters"));
        let certificate = self.write("kubectl.crt", &access.certificate);
        let key = self.write("kubectl.key", std::str::from_utf8(access.key.expose()).unwrap());
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{{name: t, cluster: {{server: '{}', certificate-authority: '{}'}}}}]\n\
             users: [{{name: t, user: {{client-certificate: '{certificate}', client-key: '{key}'}}}}]\n\
             contexts: [{{name: t, context: {{cluster: t, user: t}}}}]\n",
            self.url,
            self.file("ca.crt").display(),
        );
        self.write("kubeconfig", &text);
    }

    async fn wait(&mut self) {
        let client = self.administrator();
        let deadline = Instant::now() + START;
        loop {
            match client.ready().await {
                Ok(()) => return,
                Err(error) if error.is_retryable() && Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
                // Until its roles are there, the server may forbid what it will allow.
                Err(KubeError::Forbidden(_)) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => panic!("{error}\n{}", fs_err::read_to_string(self.file("kube-apiserver.log")).unwrap()),
            }
            let ended: Vec<_> = self.children.iter_mut().filter_map(|child| child.try_wait().unwrap()).collect();
            assert!(ended.is_empty(), "{ended:?}\n{}", fs_err::read_to_string(self.file("kube-apiserver.log")).unwrap());
        }
    }

    /// A client certificate of this user, signed by the server's CA.
    pub(crate) fn access(&self, user: &str, group: Option<&str>) -> KubeAccess {
        self.access_signed_by(&self.authority, user, group)
    }

    /// A client certificate of this user, signed by any CA.
    pub(crate) fn access_signed_by(&self, authority: &Authority, user: &str, group: Option<&str>) -> KubeAccess {
        let (certificate, key) = authority.issue(user, group, None);
        KubeAccess { server: self.url.clone(), authority: self.authority.pem.clone(), certificate, key: SecretBytes::new(key.into_bytes()) }
    }

    pub(crate) fn administrator(&self) -> Client {
        Client::connect(&self.access("admin", Some("system:masters"))).unwrap()
    }

    /// Runs the real `kubectl` as another administrator, with `input` on its stdin; answers its stdout.
    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        self.try_kubectl(arguments, input).unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// What it printed: on standard output when all was well, else on standard error.
    pub(crate) fn try_kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new(self.binaries.join("kubectl"))
            .env_clear()
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.file("kubeconfig"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.file(name);
        fs_err::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn spawn(&mut self, program: &str, arguments: &[String]) {
        let log = fs_err::File::create(self.file(&format!("{program}.log"))).unwrap().into_parts().0;
        let child = command(&self.binaries, program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.children.push(child.unwrap_or_else(|error| panic!("{program} of {}: {error}", self.binaries.display())));
    }
}

fn command(binaries: &Path, program: &str) -> Command {
    let mut command = Command::new(binaries.join(program));
    command.env_clear();
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        // The API server first: without etcd it would only log errors. SIGKILL, since it drains connections for a minute else.
        for mut child in self.children.drain(..).rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Ports that were free a moment ago.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
