//! Certificates that barque issues for Services of the cluster.

use std::collections::BTreeSet;

use crate::SubjectName;

/// The annotation of a Secret of type `kubernetes.io/tls` whose certificate and key barque makes: names of Services of the Secret's namespace,
/// separated by spaces.
pub const CERTIFICATE_ANNOTATION: &str = "barque.dev/certificate";

/// The annotation of such a Secret that says what the certificate is for: `server`, which it is without the annotation, or `server client`.
pub const CERTIFICATE_USES_ANNOTATION: &str = "barque.dev/certificate-uses";

/// The annotation that names the certificate in such a Secret: the SHA-256 of its PEM text. It tells a renewal from an edit.
pub const CERTIFICATE_DIGEST_ANNOTATION: &str = "barque.dev/certificate-digest";

/// A server's certificate in a Secret of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCertificate {
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// Names by which clients call the server: DNS names only.
    pub names: BTreeSet<SubjectName>,
    /// Whether servers show it to each other as clients too.
    pub client: bool,
}

impl ServiceCertificate {
    /// `Secret NAMESPACE/NAME`, as objects are named; no host and no component has a name with a space, so that it is a certificate's name too.
    pub fn name(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.secret)
    }

    /// The certificate's common name. It has a dot, which no user of barque's has to whom rights are given.
    pub fn common_name(&self) -> String {
        format!("{}.{}", self.secret, self.namespace)
    }

    /// Whether a certificate called `name` is one of these.
    pub fn is_name_of_one(name: &str) -> bool {
        name.starts_with("Secret ")
    }
}
