//! What only the user of a registry has: certificates, passwords, keys.

use anyhow::Result;
use barque_e2e::{Finished, Kubectl, Scenario, run};

use crate::images::{HASH, PASSWORD, USER};
use crate::store::{self, ACCESS_KEY, SECRET_KEY};

/// Certificates of `authority.pem` for the registry on these nodes and for the store; `renewed.crt` for the registry, of `stranger.pem`, which
/// signed nothing else; and a file with the password.
pub(crate) fn files(scenario: &Scenario, nodes: &[&str]) -> Result<()> {
    let nodes: Vec<String> = nodes.iter().map(|name| Ok(format!("IP:{}", scenario.lab.host(name)?.address))).collect::<Result<_>>()?;
    let script = "set -e; umask 077; cd \"$1\"
        new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \"$@\"; }
        new -x509 -days 2 -subj '/CN=authority of the lab' -keyout authority.key -out authority.pem
        new -x509 -days 2 -subj '/CN=somebody else' -keyout stranger.key -out stranger.pem
        sign() {
            new -subj \"/CN=$2\" -keyout $2.key -out $2.csr
            echo \"subjectAltName=$3\" > $2.ext
            openssl x509 -req -in $2.csr -CA $1.pem -CAkey $1.key -CAcreateserial -days 2 -extfile $2.ext -out $2.crt
        }
        sign authority registry \"$2\"; sign authority store \"IP:$3\"; sign stranger renewed \"$2\"
        printf %s \"$4\" > password";
    let (folder, address) = (scenario.folder.path().display().to_string(), store::address(scenario)?);
    run("sh", ["-c", script, "sh", &folder, &nodes.join(","), &address, PASSWORD])?.ok().map(drop)
}

/// The namespace, and in it what the registry waits for.
pub(crate) fn registry(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    kubectl.run(&["create", "namespace", "registry"])?.ok()?;
    certificate(scenario, kubectl, "registry")?;
    users(scenario, kubectl, &[USER])
}

/// The registry's certificate, in place of the one that is there.
pub(crate) fn certificate(scenario: &Scenario, kubectl: &Kubectl, name: &str) -> Result<()> {
    let file = |ending: &str| scenario.folder.path().join(format!("{name}.{ending}")).display().to_string();
    let (certificate, key) = (format!("--cert={}", file("crt")), format!("--key={}", file("key")));
    put(scenario, kubectl, &["secret", "tls", "registry-tls", &certificate, &key])
}

/// The registry's users, all with the same password, in place of those who are there.
pub(crate) fn users(scenario: &Scenario, kubectl: &Kubectl, names: &[&str]) -> Result<()> {
    let lines = names.iter().map(|name| format!("{name}:{HASH}\n")).collect::<Vec<_>>().concat();
    let users = format!("--from-literal=htpasswd={lines}");
    put(scenario, kubectl, &["secret", "generic", "registry-users", &users, "--from-literal=secret=lab-word-c20d77f1"])
}

/// The store's key and authority.
pub(crate) fn store(scenario: &Scenario, kubectl: &Kubectl) -> Result<()> {
    let (access, secret) = (format!("--from-literal=accesskey={ACCESS_KEY}"), format!("--from-literal=secretkey={SECRET_KEY}"));
    put(scenario, kubectl, &["secret", "generic", "store", &access, &secret])?;
    let authority = format!("--from-file=ca.crt={}", scenario.folder.path().join("authority.pem").display());
    put(scenario, kubectl, &["configmap", "store", &authority])
}

fn put(scenario: &Scenario, kubectl: &Kubectl, what: &[&str]) -> Result<()> {
    let made: Finished = kubectl.run(&[&["-n", "registry", "create"], what, &["--dry-run=client", "-o", "yaml"]].concat())?.ok()?;
    kubectl.apply(scenario.folder.path(), "put", &made.stdout)
}
