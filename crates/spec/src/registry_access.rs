//! How a registry or mirror is asked: whom nodes trust, and who they say they are.

use barque_model::{RegistryClient, RegistryCredentials, RegistryEndpoint, SecretBytes};

use crate::field::Field;
use crate::file_registries::{MirrorEntry, UpstreamEntry};
use crate::operator_files::{FileFault, OperatorFile, OperatorFiles};
use crate::pem;
use crate::report::{Located, Place, Report};

/// Longest password that is taken: 1 KiB. A longer file is not one with a password.
const LONGEST_PASSWORD: usize = 1 << 10;

/// What the cluster file says of it.
pub(crate) struct Access {
    place: Place,
    skip_verify: Field<bool>,
    ca: Field<String>,
    client_certificate: Field<String>,
    client_key: Field<String>,
    username: Field<String>,
    password_file: Field<String>,
}

/// What that means.
pub(crate) struct Resolved {
    skip_verify: bool,
    authority: Option<String>,
    client: Option<RegistryClient>,
    credentials: Option<RegistryCredentials>,
}

impl Resolved {
    pub(crate) fn apply(self, endpoint: &mut RegistryEndpoint) {
        endpoint.skip_verify = self.skip_verify;
        endpoint.authority = self.authority;
        endpoint.client = self.client;
        endpoint.credentials = self.credentials;
    }
}

impl Access {
    pub(crate) fn of_mirror(entry: MirrorEntry, place: Place) -> Self {
        let MirrorEntry { skip_verify, ca, client_certificate, client_key, username, password_file, .. } = entry;
        Self { place, skip_verify, ca, client_certificate, client_key, username, password_file }
    }

    pub(crate) fn of_upstream(entry: UpstreamEntry, place: Place) -> Self {
        let UpstreamEntry { skip_verify, ca, client_certificate, client_key, username, password_file, .. } = entry;
        Self { place, skip_verify, ca, client_certificate, client_key, username, password_file }
    }

    /// `None` when something is wrong and has been reported. `plain`: it is asked without TLS.
    pub(crate) fn resolve(self, plain: bool, files: &dyn OperatorFiles, report: &mut Report) -> Option<Resolved> {
        let skip_verify = self.skip_verify.value?;
        let tls: [(&Field<String>, &str); 3] =
            [(&self.ca, "ca"), (&self.client_certificate, "clientCertificate"), (&self.client_key, "clientKey")];
        if plain {
            // containerd would try TLS first for an endpoint that has settings of TLS.
            let named = tls.iter().filter_map(|(field, name)| field.place.map(|place| (place, *name)));
            let skipped = self.skip_verify.place.filter(|_| skip_verify).map(|place| (place, "skipVerify"));
            for (place, name) in named.chain(skipped) {
                report.error(place, format!("`{name}` is about TLS, which is not used here"), format!("remove `{name}`, or use TLS"));
            }
        }
        if let Some(place) = self.skip_verify.place.filter(|_| skip_verify && !plain) {
            if self.ca.place.is_some() {
                report.error(place, "`skipVerify` makes `ca` useless", "remove `skipVerify`: the authority in `ca` is enough");
            } else {
                report.warn(
                    place,
                    "the certificate is taken unseen: whoever is on the way can read and change images",
                    "name the authority with `ca`",
                );
            }
        }
        let authority = self.ca.located(self.place).map(|path| authority(&path, files, report));
        let client = client(self.client_certificate, self.client_key, self.place, files, report);
        let credentials = credentials(self.username, self.password_file, self.place, plain, files, report);
        Some(Resolved {
            skip_verify,
            authority: authority.map_or(Some(None), |found| found.map(Some))?,
            client: client?,
            credentials: credentials?,
        })
    }
}

fn authority(path: &Located<String>, files: &dyn OperatorFiles, report: &mut Report) -> Option<String> {
    let file = read(path, "ca", files, report)?;
    certificates(&file, path, report)
}

/// The text of a file with certificates and nothing else in it.
fn certificates(file: &OperatorFile, path: &Located<String>, report: &mut Report) -> Option<String> {
    match pem::certificates(file.content.expose()) {
        Ok(text) => Some(text),
        Err(fault) => {
            report.error(path.place, format!("`{}` {fault}", path.value), fault.hint());
            None
        }
    }
}

/// `None`: wrong and reported; `Some(None)`: not named.
#[expect(clippy::option_option, reason = "three answers, and the callers pass the first on with `?`")]
fn client(
    certificate: Field<String>,
    key: Field<String>,
    parent: Place,
    files: &dyn OperatorFiles,
    report: &mut Report,
) -> Option<Option<RegistryClient>> {
    let (certificate, key) = match (certificate.located(parent), key.located(parent)) {
        (None, None) => return Some(None),
        (Some(certificate), None) => {
            report.error(certificate.place, "`clientCertificate` without `clientKey`", "name the file with the certificate's key too");
            return None;
        }
        (None, Some(key)) => {
            report.error(key.place, "`clientKey` without `clientCertificate`", "name the file with the key's certificate too");
            return None;
        }
        (Some(certificate), Some(key)) => (certificate, key),
    };
    let certificate = read(&certificate, "clientCertificate", files, report).and_then(|file| certificates(&file, &certificate, report));
    let file = read_secret(&key, "clientKey", files, report)?;
    if !pem::is_private_key(file.content.expose()) {
        report.error(
            key.place,
            format!("`{}` holds no private key in PEM", key.value),
            "name the file that begins with `-----BEGIN PRIVATE KEY-----`",
        );
        return None;
    }
    Some(Some(RegistryClient { certificate: certificate?, key: file.content }))
}

#[expect(clippy::option_option, reason = "three answers, and the callers pass the first on with `?`")]
fn credentials(
    username: Field<String>,
    password_file: Field<String>,
    parent: Place,
    plain: bool,
    files: &dyn OperatorFiles,
    report: &mut Report,
) -> Option<Option<RegistryCredentials>> {
    let (username, path) = match (username.located(parent), password_file.located(parent)) {
        (None, None) => return Some(None),
        (Some(username), None) => {
            report.error(username.place, "`username` without `passwordFile`", "name the file that holds the password");
            return None;
        }
        (None, Some(path)) => {
            report.error(path.place, "`passwordFile` without `username`", "add the name that the password belongs to");
            return None;
        }
        (Some(username), Some(path)) => (username, path),
    };
    // RFC 7617, section 2: the first colon ends the name.
    let bad_name = username.value.is_empty() || username.value.contains(':') || username.value.chars().any(char::is_control);
    if bad_name {
        report.error(username.place, format!("`{}` is not a name to log in with", username.value), "a name is not empty and has no colon");
    }
    if plain {
        report.warn(path.place, "the password goes over the network in clear", "use TLS where the registry has it");
    }
    let file = read_secret(&path, "passwordFile", files, report)?;
    let password = password(&file);
    if password.is_none() {
        let message = format!("`{}` does not hold a password", path.value);
        report.error(path.place, message, "put the password alone into the file, on one line");
    }
    if bad_name {
        return None;
    }
    Some(Some(RegistryCredentials { username: username.value, password: password? }))
}

fn password(file: &OperatorFile) -> Option<SecretBytes> {
    let text = std::str::from_utf8(file.content.expose()).ok()?.trim_end_matches(['\r', '\n']);
    let is_right = !text.is_empty() && text.len() <= LONGEST_PASSWORD && !text.chars().any(char::is_control);
    is_right.then(|| SecretBytes::new(text))
}

fn read(path: &Located<String>, field: &str, files: &dyn OperatorFiles, report: &mut Report) -> Option<OperatorFile> {
    if path.value.contains("-----BEGIN") {
        report.hide(path.place);
        report.error(path.place, format!("`{field}` is not a path"), "write the path of the file; never its content");
        return None;
    }
    match files.read(&path.value) {
        Ok(file) => Some(file),
        Err(fault) => {
            let hint = match &fault {
                FileFault::Missing { .. } => "paths are those of this machine; relative ones start at the cluster file's folder",
                FileFault::Unreadable { .. } => "make it readable for who runs barque",
                FileFault::NotRead { .. } => "run `barque validate -f FILE` on the cluster file itself",
            };
            report.error(path.place, fault.to_string(), hint);
            None
        }
    }
}

/// Refuses what others may read, as ssh refuses such keys.
fn read_secret(path: &Located<String>, field: &str, files: &dyn OperatorFiles, report: &mut Report) -> Option<OperatorFile> {
    let file = read(path, field, files, report)?;
    if file.mode & 0o077 != 0 {
        let message = format!("others may read or change `{}` (mode {:04o})", path.value, file.mode & 0o7777);
        report.error(path.place, message, format!("run `chmod 600 {}`", path.value));
        return None;
    }
    Some(file)
}
