//! Connections and streams.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use barque_model::TransportKind;
use barque_transport::{ConnectError, ExitStatus, HostKeyPolicy, Settings, SshConfig, SshTransport, Transport as _};
use sha2::Digest as _;
use tokio::io::AsyncWriteExt as _;

use crate::support::{BOTH, Operator, Sshd, finish, run};

#[tokio::test(flavor = "multi_thread")]
async fn key_types_commands_and_exit_status() {
    let sshd = Sshd::start();
    for transport in BOTH {
        for key in ["ed25519", "ecdsa", "rsa"] {
            let connection = sshd.connect(transport, key).await;
            let process = connection.start("cat; echo error >&2; exit 7").await.unwrap();
            let (output, words, status) = finish(process).await;
            assert_eq!((output.as_str(), words.trim(), status), ("", "error", ExitStatus::Code(7)), "{transport:?} {key}");
            let mut process = connection.start("head -c 5; echo; tty").await.unwrap();
            process.stdin.write_all(b"hello").await.unwrap();
            let (output, _, _) = finish(process).await;
            assert_eq!(output, "hello\nnot a tty\n");
            connection.close().await;
        }
        let connection = sshd.connect(transport, "ed25519").await;
        let killed = connection.start("kill -TERM $$").await.unwrap();
        assert!(!finish(killed).await.2.success());
        connection.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_missing_and_locked_keys() {
    let sshd = Sshd::start();
    let known = sshd.settings(&Arc::default());
    for transport in BOTH {
        let try_key = async |key| SshTransport::new(known.clone()).connect(&sshd.host(transport, key)).await.map(drop).unwrap_err();
        let error = try_key("stranger").await;
        let ConnectError::AuthenticationRefused { keys, methods, .. } = &error else { panic!("{transport:?}: {error:?}") };
        assert!(keys.len() == 1 && keys[0].contains("stranger") && methods.as_slice() == ["publickey"], "{error}");
        assert!(!error.is_retryable());
        let error = try_key("absent").await;
        assert!(matches!(error, ConnectError::KeyUnreadable { .. }), "{transport:?}: {error:?}");
    }
    let locked = |operator: &Arc<Operator>| SshTransport::new(sshd.settings(operator));
    let host = sshd.host(TransportKind::Builtin, "locked");
    let error = locked(&Arc::default()).connect(&host).await.map(drop).unwrap_err();
    assert!(matches!(error, ConnectError::KeyPassphrase { .. }), "{error:?}");
    let wrong = Arc::new(Operator { passphrase: Some("shut"), ..Operator::default() });
    let error = locked(&wrong).connect(&host).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("passphrase is wrong"), "{error}");

    let right = Arc::new(Operator { passphrase: Some("open"), ..Operator::default() });
    let transport = locked(&right);
    let (first, second) = tokio::join!(transport.connect(&host), transport.connect(&host));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(right.asked.lock().unwrap().len(), 1, "one question for many hosts");
}

/// An ssh-agent that ends with the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_signs_also_for_a_locked_file() {
    let sshd = Sshd::start();
    let socket = sshd.path("agent");
    let _agent = Agent(Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap());
    while !socket.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    run("ssh-keygen", &["-q", "-p", "-P", "open", "-N", "", "-f", &sshd.path("locked").display().to_string()]);
    for key in ["stranger", "rsa", "locked"] {
        let added = Command::new("ssh-add").arg("-q").arg(sshd.path(key)).env("SSH_AUTH_SOCK", &socket).status().unwrap();
        assert!(added.success());
    }
    run("ssh-keygen", &["-q", "-p", "-P", "", "-N", "open", "-f", &sshd.path("locked").display().to_string()]);
    let operator = Arc::<Operator>::default();
    let settings = Settings { agent: Some(socket), ..sshd.settings(&operator) };
    for transport in BOTH {
        for key in ["", "locked"] {
            let connection = SshTransport::new(settings.clone()).connect(&sshd.host(transport, key)).await;
            connection.unwrap_or_else(|error| panic!("{transport:?} {key}: {error:?}")).close().await;
        }
    }
    assert!(operator.asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_changed_and_revoked_host_keys() {
    let sshd = Sshd::start();
    let print = run("ssh-keygen", &["-lf", &sshd.path("host.pub").display().to_string()]);
    let print = print.split(' ').nth(1).unwrap().to_owned();
    for transport in BOTH {
        let operator = Arc::<Operator>::default();
        let strict = sshd.settings(&operator);
        let accepting = Settings { host_keys: HostKeyPolicy::AcceptNew, ..strict.clone() };
        let try_it =
            async |settings: &Settings| SshTransport::new(settings.clone()).connect(&sshd.host(transport, "ed25519")).await.map(drop);

        sshd.write("known", "# empty\n");
        let error = try_it(&strict).await.unwrap_err();
        assert!(
            matches!(&error, ConnectError::HostKeyUnknown { fingerprint, .. } if fingerprint.as_ref().is_none_or(|f| *f == print)),
            "{error:?}"
        );
        assert_eq!(sshd.read("known"), "# empty\n");
        for _ in 0..2 {
            try_it(&accepting).await.unwrap();
        }
        let told = operator.told.lock().unwrap().clone();
        assert_eq!(told.len(), 1, "{transport:?}: {told:?}");
        assert_eq!((told[0].fingerprint.as_str(), told[0].host.as_str()), (print.as_str(), format!("[127.0.0.1]:{}", sshd.port).as_str()));
        assert_eq!(sshd.read("known").lines().count(), 2);
        try_it(&strict).await.unwrap();

        let other = sshd.read("stranger.pub");
        sshd.write("known", &format!("\n[127.0.0.1]:{} {other}", sshd.port));
        for settings in [&strict, &accepting] {
            let error = try_it(settings).await.unwrap_err();
            let ConnectError::HostKeyChanged { got, file, line, .. } = &error else { panic!("{transport:?}: {error:?}") };
            assert_eq!((got.as_ref(), file, *line), (Some(&print), &sshd.path("known"), 2));
            assert!(error.hint().unwrap().contains("ssh-keygen -R '[127.0.0.1]:"));
        }
        sshd.write("known", &format!("{}@revoked * {}", sshd.known_line(), sshd.read("host.pub")));
        let error = try_it(&accepting).await.unwrap_err();
        assert!(matches!(error, ConnectError::HostKeyRevoked { .. }), "{transport:?}: {error:?}");
        sshd.write("known", &sshd.known_line());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn host_certificate() {
    let sshd = Sshd::start_with("HostCertificate @dir@/host-cert.pub\nHostKey @dir@/ecdsa");
    // sshd reads the certificate when it starts: make it, then start a second one on the same folder's keys.
    let path = |name: &str| sshd.path(name).display().to_string();
    run("ssh-keygen", &["-q", "-s", &path("stranger"), "-h", "-I", "h1", "-n", "127.0.0.1", "-V", "+1h", &path("host.pub")]);
    let second = Sshd::start_with(&format!("HostKey {0}\nHostCertificate {0}-cert.pub", path("host")));
    let authority = sshd.read("stranger.pub");
    second.write("known", &format!("@cert-authority [127.0.0.1]:* {authority}"));
    for transport in BOTH {
        second.connect(transport, "ed25519").await.close().await;
    }
    second.write("known", &format!("@cert-authority [127.0.0.1]:* {}", sshd.read("rsa.pub")));
    let error =
        SshTransport::new(second.settings(&Arc::default())).connect(&second.host(TransportKind::Builtin, "ed25519")).await.map(drop);
    assert!(matches!(error, Err(ConnectError::HostCertificate { .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_unresolvable_and_silent_hosts() {
    let sshd = Sshd::start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = Settings { connect_timeout: Duration::from_secs(1), ..sshd.settings(&Arc::default()) };
    let mut host = sshd.host(TransportKind::Builtin, "ed25519");
    for transport in BOTH {
        host.ssh.transport = transport;
        let transport = SshTransport::new(settings.clone());
        (host.ssh.address, host.ssh.port) = ("127.0.0.1".to_owned(), closed);
        let begun = Instant::now();
        let error = transport.connect(&host).await.map(drop).unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
        assert!(begun.elapsed() > Duration::from_millis(900), "three tries with pauses");
        host.ssh.address = "no-such-host.invalid".to_owned();
        let error = transport.connect(&host).await.map(drop).unwrap_err();
        assert!(matches!(error, ConnectError::NameNotFound { .. }), "{error:?}");
    }
    (host.ssh.address, host.ssh.port, host.ssh.transport) =
        ("127.0.0.1".to_owned(), silent.local_addr().unwrap().port(), TransportKind::Builtin);
    let error = SshTransport::new(settings).connect(&host).await.map(drop).unwrap_err();
    assert!(matches!(error, ConnectError::Timeout { stage: "handshake", .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jump_host() {
    let (gate, target) = (Sshd::start(), Sshd::start());
    let both = format!("{}{}", gate.known_line(), target.known_line());
    target.write("known", &both);
    let settings = target.settings(&Arc::default());
    for transport in BOTH {
        let mut host = target.host(transport, "ed25519");
        host.ssh.jump = Some(gate.jump("ecdsa"));
        let ssh = SshTransport::new(settings.clone());
        let (first, second) = (ssh.connect(&host).await.unwrap(), ssh.connect(&host).await.unwrap());
        let (output, _, _) = finish(second.start("echo $SSH_CONNECTION").await.unwrap()).await;
        assert!(output.trim().ends_with(&target.port.to_string()), "{output}");
        if transport == TransportKind::Builtin {
            assert_eq!(gate.read("log").matches("Accepted publickey").count(), 1, "one session with the jump host");
        }
        first.close().await;
        second.close().await;

        host.ssh.jump = Some(gate.jump("stranger"));
        let error = SshTransport::new(settings.clone()).connect(&host).await.map(drop).unwrap_err();
        let ConnectError::Jump { source, .. } = &error else { panic!("{error:?}") };
        assert!(matches!(**source, ConnectError::AuthenticationRefused { .. }) && !error.is_retryable());

        host.ssh.jump = Some(gate.jump("ecdsa"));
        target.write("known", &target.known_line());
        let error = SshTransport::new(settings.clone()).connect(&host).await.map(drop).unwrap_err();
        assert!(
            matches!(&error, ConnectError::Jump { source, .. } if matches!(**source, ConnectError::HostKeyUnknown { .. })),
            "{error:?}"
        );
        target.write("known", &both);

        host.ssh.port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = SshTransport::new(settings.clone()).connect(&host).await.map(drop).unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_config_gives_address_key_and_jump() {
    let (gate, target) = (Sshd::start(), Sshd::start());
    target.write("known", &format!("{}{}", gate.known_line(), target.known_line()));
    let config = format!(
        "Host web\n HostName 127.0.0.1\n IdentityFile {}\n IdentityFile {}\n ProxyJump 127.0.0.1:{}\nHost 127.0.0.1\n IdentityFile {}\n",
        target.path("absent").display(),
        target.path("rsa").display(),
        gate.port,
        gate.path("ed25519").display()
    );
    target.write("config", &config);
    let settings = Settings { ssh_config: SshConfig::System { file: Some(target.path("config")) }, ..target.settings(&Arc::default()) };
    let mut host = target.host(TransportKind::Builtin, "");
    host.ssh.address = "web".to_owned();
    let connection = SshTransport::new(settings).connect(&host).await.unwrap();
    assert_eq!(gate.read("log").matches("Accepted publickey").count(), 1);
    connection.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_stops_reading_does_not_hang_the_writer() {
    let sshd = Sshd::start();
    for transport in BOTH {
        let connection = sshd.connect(transport, "ed25519").await;
        let mut process = connection.start("head -c 1000 >/dev/null; exit 3").await.unwrap();
        let chunk = vec![1; 64 << 20];
        let written = tokio::time::timeout(Duration::from_secs(20), process.stdin.write_all(&chunk)).await.unwrap();
        assert!(written.is_err(), "{transport:?}");
        assert_eq!(process.exit.wait().await, ExitStatus::Code(3));
        connection.close().await;
    }
}

/// Sends `blocks` times `block`, checks the hash, prints the rate.
async fn upload(sshd: &Sshd, transport: TransportKind, block: &[u8], blocks: u32) {
    let connection = sshd.connect(transport, "ed25519").await;
    let mut hash = sha2::Sha256::new();
    (0..blocks).for_each(|_| hash.update(block));
    for (command, hashed) in [("cat >/dev/null", false), ("sha256sum", true)] {
        let mut process = connection.start(command).await.unwrap();
        let begun = Instant::now();
        for _ in 0..blocks {
            process.stdin.write_all(block).await.unwrap();
        }
        let (output, _, status) = finish(process).await;
        let megabytes = f64::from(u32::try_from(block.len()).unwrap()) / 1e6 * f64::from(blocks);
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!("{transport:?}: `{command}` took {megabytes:.0} MB in {seconds:.2} s: {:.0} MB/s", megabytes / seconds);
        assert!(status.success());
        assert_eq!(output.starts_with(&hex::encode(hash.clone().finalize())), hashed);
    }
    connection.close().await;
}

fn noise(length: usize) -> Vec<u8> {
    (0..length as u64 / 8).flat_map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect()
}

/// 300 MB up and 100 MB down; the rates are printed, not judged.
#[tokio::test(flavor = "multi_thread")]
async fn big_data() {
    const DOWN: u32 = 100_000_000;
    let sshd = Sshd::start();
    let block = noise(100_000_000);
    for transport in BOTH {
        upload(&sshd, transport, &block, 3).await;
        let connection = sshd.connect(transport, "ed25519").await;
        let mut process = connection.start(&format!("head -c {DOWN} /dev/zero")).await.unwrap();
        let begun = Instant::now();
        let length = tokio::io::copy(&mut process.stdout, &mut tokio::io::sink()).await.unwrap();
        eprintln!("{transport:?}: down {:.0} MB/s", f64::from(DOWN) / 1e6 / begun.elapsed().as_secs_f64());
        assert_eq!(length, u64::from(DOWN));
        connection.close().await;
    }
}

/// Keys are exchanged anew after 1 GiB, where SSH libraries have had their faults.
#[cfg(feature = "e2e")]
#[tokio::test(flavor = "multi_thread")]
async fn two_gigabytes_cross_a_key_exchange() {
    upload(&Sshd::start(), TransportKind::Builtin, &noise(100_000_000), 24).await;
}
