//! Running an executable on a host: sent, found, refused; through sudo (a stand-in that behaves as `sudo -S` does).

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use barque_model::{Digest, TransportKind};
use barque_transport::{Connection, Escalation, Executable, ExitStatus, LaunchError, launch_in, launch_unseen_in};
use tokio::io::AsyncWriteExt as _;

use crate::support::{BOTH, Sshd, finish, run};

/// An "agent" that names its arguments and then repeats its input.
const AGENT: &str = "#!/bin/sh\nfor a; do echo \"argument <$a>\"; done\necho talk >&2\nexec cat\n";

/// An agent whose content differs with `tag`, padded to some size with what gzip shrinks little.
fn agent(tag: &str, padding: usize) -> Executable {
    let noise: Vec<u8> = (0..padding / 32).flat_map(|i| Digest::of(&i.to_le_bytes()).to_string().into_bytes()).take(padding).collect();
    let noise = String::from_utf8(noise).unwrap();
    Executable::new(format!("{}#{tag} {noise}\n", AGENT.replace("exec cat\n", "cat; exit 0\n")).into_bytes())
}

async fn talk(connection: &dyn Connection, base: &Path, executable: &Executable, escalation: &Escalation) -> (usize, String) {
    let launched = launch_in(base.to_str().unwrap(), connection, executable, &["--x", "it's a"], escalation).await.unwrap();
    let mut process = launched.process;
    process.stdin.write_all(b"frames\n").await.unwrap();
    let (output, words, status) = finish(process).await;
    assert_eq!(status, ExitStatus::Code(0));
    assert_eq!(words, "talk\n");
    (launched.sent, output)
}

async fn fails(connection: &dyn Connection, base: &Path, executable: &Executable, escalation: &Escalation) -> LaunchError {
    launch_in(base.to_str().unwrap(), connection, executable, &[], escalation).await.map(drop).unwrap_err()
}

/// The same, and nothing of it stays.
async fn talk_unseen(connection: &dyn Connection, base: &Path, places: &str, executable: &Executable) -> (usize, String) {
    let launched = launch_unseen_in(base.to_str().unwrap(), places, connection, executable, &["--x", "it's a"], &Escalation::None);
    let launched = launched.await.unwrap();
    let mut process = launched.process;
    process.stdin.write_all(b"frames\n").await.unwrap();
    let (output, _, status) = finish(process).await;
    assert_eq!(status, ExitStatus::Code(0));
    (launched.sent, output)
}

const REPLY: &str = "argument <--x>\nargument <it's a>\nframes\n";

#[tokio::test(flavor = "multi_thread")]
async fn sent_once_verified_and_old_ones_removed() {
    let sshd = Sshd::start();
    for transport in BOTH {
        let connection = sshd.connect(transport, "ed25519").await;
        let base = sshd.path(&format!("{transport:?}/lib/agent"));
        let (old, new) = (agent("old", 100), agent("new", 5 << 20));
        let size = new.sizes().0;
        assert!(talk(&*connection, &base, &old, &Escalation::None).await.0 > 0);
        assert_eq!(talk(&*connection, &base, &new, &Escalation::None).await, (size, REPLY.to_owned()));
        assert_eq!(talk(&*connection, &base, &new, &Escalation::None).await, (0, REPLY.to_owned()));

        let folder = base.join(new.digest().to_string());
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("barque")), mode(base.parent().unwrap())), (0o700, 0o700, 0o755));
        assert_eq!(std::fs::read_dir(&base).unwrap().count(), 1, "the old version is gone");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "no temporary file stays");

        // What lies there is not trusted by its name.
        std::fs::write(folder.join("barque"), "#!/bin/sh\necho forged\n").unwrap();
        assert_eq!(talk(&*connection, &base, &new, &Escalation::None).await, (size, REPLY.to_owned()));
        // A dead-man timer's version stays.
        std::fs::write(folder.join("keep"), "").unwrap();
        talk(&*connection, &base, &old, &Escalation::None).await;
        assert!(folder.join("barque").exists());

        let small = agent("gzip", 1 << 20).with_gzip().unwrap();
        let (sent, output) = talk(&*connection, &base, &small, &Escalation::None).await;
        assert_eq!((Some(sent), output.as_str()), (small.sizes().1, REPLY));
        connection.close().await;
    }
}

/// A tmpfs mounted for a test, unmounted when dropped.
struct Mount(std::path::PathBuf);

impl Mount {
    fn tmpfs(path: std::path::PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let status = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&path).status().unwrap();
        status.success().then_some(Self(path))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_noexec_and_impossible_directories() {
    let sshd = Sshd::start();
    let big = agent("big", 40 << 20);
    let full = Mount::tmpfs(sshd.path("full"), "size=1m").expect("these tests may mount (run them as root)");
    let noexec = Mount::tmpfs(sshd.path("noexec"), "noexec").unwrap();
    sshd.write("file", "");
    for transport in BOTH {
        let connection = sshd.connect(transport, "ed25519").await;
        let error = fails(&*connection, &full.0.join("a"), &big, &Escalation::None).await;
        assert!(
            matches!(&error, LaunchError::Storage { cause, host, .. } if cause == "no space left on device" && host == "h1"),
            "{error:?}"
        );
        let error = fails(&*connection, &noexec.0.join("a"), &agent("x", 10), &Escalation::None).await;
        assert!(matches!(error, LaunchError::NotExecutable { .. }), "{error:?}");
        let error = fails(&*connection, &sshd.path("file/a"), &agent("x", 10), &Escalation::None).await;
        assert!(matches!(&error, LaunchError::Storage { cause, .. } if cause == "file exists"), "{error:?}");
        assert!(!error.is_retryable() && error.hint().unwrap().contains("df -h"));
        connection.close().await;
    }
    assert!(std::fs::read_dir(full.0.join("a").join(big.digest().to_string())).unwrap().next().is_none(), "no half file stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn noisy_login_shell_and_missing_tools() {
    let sshd = Sshd::start_with("ForceCommand echo welcome; echo hm >&2; eval \"$SSH_ORIGINAL_COMMAND\"");
    let connection = sshd.connect(TransportKind::Builtin, "ed25519").await;
    let launched = launch_in(sshd.path("a").to_str().unwrap(), &*connection, &agent("x", 10), &[], &Escalation::None).await.unwrap();
    assert_eq!(finish(launched.process).await.0, "");
    let broken = Sshd::start_with("ForceCommand echo no shell for you; exit 1");
    let connection = broken.connect(TransportKind::Builtin, "ed25519").await;
    let error = fails(&*connection, &broken.path("a"), &agent("x", 10), &Escalation::None).await;
    assert!(matches!(error, LaunchError::Ended { status: ExitStatus::Code(1), .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_on_the_way_and_not_root() {
    let sshd = Sshd::start_with("SetEnv PATH=@dir@/bin:/usr/bin:/bin");
    std::fs::create_dir(sshd.path("bin")).unwrap();
    let program = |name: &str, script: &str| {
        sshd.write(&format!("bin/{name}"), script);
        run("chmod", &["755", sshd.path("bin").join(name).to_str().unwrap()]);
    };
    let executable = agent("x", 1000);
    for transport in BOTH {
        let connection = sshd.connect(transport, "ed25519").await;
        let base = sshd.path(&format!("{transport:?}"));
        program("head", "#!/bin/sh\n/usr/bin/head \"$@\" | tr 0 1\n");
        let error = fails(&*connection, &base, &executable, &Escalation::None).await;
        assert!(matches!(error, LaunchError::Corrupted { .. }), "{error:?}");
        assert!(std::fs::read_dir(base.join(executable.digest().to_string())).unwrap().next().is_none(), "no damaged file stays");
        program("id", "#!/bin/sh\necho 1000\n");
        let error = fails(&*connection, &base, &executable, &Escalation::None).await;
        assert!(matches!(error, LaunchError::NotRoot { .. }), "{error:?}");
        for name in ["head", "id"] {
            std::fs::remove_file(sshd.path("bin").join(name)).unwrap();
        }
        connection.close().await;
    }
}

/// Behaves as sudo does without a terminal; `mode` in its folder says which sudo. It counts wrong passwords in `tries`.
const SUDO: &str = r#"#!/bin/sh
d=@dir@; n=no; PATH=/usr/bin:/bin
while :; do case "$1" in -n) n=yes; shift ;; -S|-k) shift ;; -p) p=$2; shift 2 ;; *) break ;; esac; done
case $(cat $d/mode) in
tty) echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1 ;;
sudoers) echo "ann is not in the sudoers file." >&2; exit 1 ;;
free) exec "$@" ;;
esac
[ $n = no ] || { echo "sudo: a password is required" >&2; exit 1; }
echo "We trust you have received the usual lecture." >&2
for t in 1 2 3; do
printf %s "$p" >&2
read -r password || { echo "sudo: no password was provided" >&2; exit 1; }
[ "$password" = "se cret'" ] && exec "$@"
echo "$password" >> $d/tries; sleep 0.2; echo "Sorry, try again." >&2
done
echo "sudo: 3 incorrect password attempts" >&2; exit 1
"#;

#[tokio::test(flavor = "multi_thread")]
async fn sudo_in_its_moods() {
    let sshd = Sshd::start_with("SetEnv PATH=@dir@/bin");
    std::fs::create_dir(sshd.path("bin")).unwrap();
    for program in ["sh", "bash", "env"] {
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(program), sshd.path("bin").join(program)).unwrap();
    }
    let directory = sshd.directory.path().display().to_string();
    let password = |text: &str| Escalation::SudoPassword(text.to_owned().into());
    let executable = agent("x", 3 << 20);
    for transport in BOTH {
        let connection = sshd.connect(transport, "ed25519").await;
        let base = sshd.path(&format!("{transport:?}"));
        let _ = std::fs::remove_file(sshd.path("bin/sudo"));
        let error = fails(&*connection, &base, &executable, &Escalation::SudoPasswordless).await;
        assert!(matches!(error, LaunchError::SudoMissing { .. }), "{error:?}");
        sshd.write("bin/sudo", &SUDO.replace("@dir@", &directory));
        run("chmod", &["755", sshd.path("bin/sudo").to_str().unwrap()]);

        sshd.write("mode", "ask");
        let (sent, output) = talk(&*connection, &base, &executable, &password("se cret'")).await;
        assert_eq!((sent, output.as_str()), (executable.sizes().0, REPLY), "{transport:?}");
        assert_eq!(talk(&*connection, &base, &executable, &password("se cret'")).await.0, 0);
        let error = fails(&*connection, &base, &executable, &password("wrong")).await;
        assert!(matches!(error, LaunchError::SudoPassword { .. }) && !error.is_retryable(), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("wrong"));
        assert_eq!(sshd.read("tries"), "wrong\n", "a wrong password is given once");
        std::fs::remove_file(sshd.path("tries")).unwrap();
        let error = fails(&*connection, &base, &executable, &Escalation::SudoPasswordless).await;
        assert!(matches!(error, LaunchError::SudoPasswordNeeded { .. }), "{error:?}");

        sshd.write("mode", "free");
        assert_eq!(talk(&*connection, &base, &executable, &Escalation::SudoPasswordless).await.0, 0);
        // Nothing is asked although a password is at hand.
        assert_eq!(talk(&*connection, &base, &executable, &password("unused")).await, (0, REPLY.to_owned()));

        sshd.write("mode", "tty");
        let error = fails(&*connection, &base, &executable, &password("x")).await;
        assert!(matches!(error, LaunchError::SudoTerminal { .. }), "{error:?}");
        sshd.write("mode", "sudoers");
        let error = fails(&*connection, &base, &executable, &password("x")).await;
        assert!(matches!(error, LaunchError::SudoNotAllowed { .. }), "{error:?}");
        connection.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_of_one_that_is_not_to_be_seen() {
    let sshd = Sshd::start();
    for transport in BOTH {
        let connection = sshd.connect(transport, "ed25519").await;
        let base = sshd.path(&format!("{transport:?}/unseen/agent"));
        let memory = sshd.path(&format!("{transport:?}/memory"));
        std::fs::create_dir_all(&memory).unwrap();
        let agent = agent("unseen", 3 << 20);
        let places = format!("/none/such {}", memory.display());
        let (size, none) = (agent.sizes().0, || std::fs::read_dir(&memory).unwrap().count() == 0);
        assert_eq!(talk_unseen(&*connection, &base, &places, &agent).await, (size, REPLY.to_owned()));
        assert!(none() && !base.exists(), "something stays");
        let zipped = agent.clone().with_gzip().unwrap();
        assert_eq!(talk_unseen(&*connection, &base, &places, &zipped).await.1, REPLY);
        assert!(none() && !base.exists(), "something stays");

        // One that lies there anyway is used.
        talk(&*connection, &base, &agent, &Escalation::None).await;
        assert_eq!(talk_unseen(&*connection, &base, &places, &agent).await, (0, REPLY.to_owned()));
        let refused = launch_unseen_in("/none/at/all", "/none/such", &*connection, &agent, &[], &Escalation::None).await;
        assert!(matches!(refused.map(drop), Err(LaunchError::Storage { .. })));
    }
}
