//! Arguments of the verbs that look after bundles and their images.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ClusterArguments, Output};

/// What can be done with a bundle.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BundleCommand {
    /// Obtain all that a cluster needs and make a bundle of exactly that: programs, images, packages, barque itself
    #[cfg(feature = "lab")]
    Create(BundleCreateArguments),
    /// Check every file against the manifest, and name all that are missing, changed or surplus
    Verify(BundleVerifyArguments),
    /// List what is in it: versions, sizes, digests, licences and sources
    Show(BundleArguments),
    /// Compare two bundles: what was added, removed or changed
    Diff(BundleDiffArguments),
    /// Make one file of a bundle; same bundle, same bytes
    Pack(BundlePackArguments),
    /// Send a bundle to a registry; what the registry has already is not sent
    Push(BundlePushArguments),
    /// Fetch a bundle from a registry; what is there already is not fetched
    Pull(BundlePullArguments),
    /// Be a read-only registry, over TLS, of the images in a bundle, and hand out its files
    Serve(BundleServeArguments),
    /// Make a pair of keys that sign bundles
    Key(BundleKeyArguments),
    /// Sign a bundle's manifest, which has the digests of everything in it
    Sign(BundleSignArguments),
    /// Delete from a bundle's folder what its manifest does not know
    Prune(BundlePruneArguments),
}

/// Arguments of `bundle create`.
#[cfg(feature = "lab")]
#[derive(Debug, Clone, Args)]
pub(crate) struct BundleCreateArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// For this Kubernetes version and hosts of every role; no cluster file is read
    #[arg(long, value_name = "VERSION")]
    pub(crate) kubernetes: Option<String>,
    /// For processors of this kind; this machine's when not given
    #[arg(long = "arch", value_enum, value_name = "ARCH")]
    pub(crate) architectures: Vec<ArchitectureWord>,
    /// For hosts of this distribution; all of them when not given
    #[arg(long = "distribution", value_enum, value_name = "DISTRIBUTION")]
    pub(crate) distributions: Vec<DistributionWord>,
    /// Where programs come from, tried in this order: `official`, `go-modules`, or the URL of a mirror of the official downloads; the first two
    /// when not given
    #[arg(long = "source", value_name = "SOURCE")]
    pub(crate) sources: Vec<barque_lab::artifacts::SourceChoice>,
    /// What to make: one file when it ends in `.barque`, else a folder
    #[arg(long, value_name = "DIR|FILE.barque")]
    pub(crate) to: PathBuf,
    /// Sign it with this secret key
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
    /// Read the secret key's passphrase from this file
    #[arg(long, requires = "sign", value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// A kind of processor.
#[cfg(feature = "lab")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum ArchitectureWord {
    /// x86-64
    Amd64,
    /// 64-bit ARM
    Arm64,
}

/// A distribution, by how its hosts get haproxy, keepalived and the programs of packet filters.
#[cfg(feature = "lab")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DistributionWord {
    /// Debian 13: as its own packages
    #[value(name = "debian-13")]
    Debian13,
    /// Every other: as programs with all their libraries
    Any,
}

/// Which bundle, and how the answer is printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct BundleArguments {
    /// The bundle, a folder or a file; the one that `barque lab artifacts` fills when not given
    #[arg(value_name = "DIR|FILE")]
    pub(crate) path: Option<PathBuf>,
    /// The same as the argument
    #[arg(long, env = "BARQUE_BUNDLE", value_name = "DIR|FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// Form of the answer on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// Arguments of `bundle verify`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BundleVerifyArguments {
    #[command(flatten)]
    pub(crate) bundle: BundleArguments,
    /// Check that the bundle is signed with this public key too
    #[arg(long, env = "BARQUE_BUNDLE_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// Arguments of `bundle diff`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BundleDiffArguments {
    /// The first bundle, a folder or a file
    #[arg(value_name = "BEFORE")]
    pub(crate) before: PathBuf,
    /// The second one
    #[arg(value_name = "AFTER")]
    pub(crate) after: PathBuf,
    /// Form of the answer on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// Arguments of `bundle pack`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BundlePackArguments {
    /// The bundle
    #[arg(value_name = "DIR")]
    pub(crate) bundle: PathBuf,
    /// The file to make; a bundle file of that name is replaced
    #[arg(value_name = "FILE.barque")]
    pub(crate) file: PathBuf,
    /// Sign it with this secret key; without, the folder's signature goes along
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
    /// Read the secret key's passphrase from this file
    #[arg(long, requires = "sign", value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Form of the answer on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// Arguments of `bundle push`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BundlePushArguments {
    /// The bundle, a folder or a file
    #[arg(value_name = "DIR|FILE")]
    pub(crate) bundle: PathBuf,
    /// Where to: `oci://HOST[:PORT]/NAME:TAG`
    #[arg(value_name = "PLACE")]
    pub(crate) place: barque_oci::Place,
    #[command(flatten)]
    pub(crate) registry: RegistryArguments,
    /// Form of the answer on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// Arguments of `bundle pull`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BundlePullArguments {
    /// Where from: `oci://HOST[:PORT]/NAME:TAG`, or `…@sha256:DIGEST` for exactly that one
    #[arg(value_name = "PLACE")]
    pub(crate) place: barque_oci::Place,
    /// The folder to make; one that a former pull has left is gone on with
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// Refuse a bundle that this public key has not signed
    #[arg(long, env = "BARQUE_BUNDLE_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) registry: RegistryArguments,
    /// Form of the answer on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// How a registry is reached. Without a user, what `docker login` has left for it is used.
#[derive(Debug, Clone, Args)]
pub(crate) struct RegistryArguments {
    /// Trust only certificates of the authority in this file (PEM), in place of those that this machine trusts
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Log in as this user
    #[arg(long, requires = "password_file", value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Read the user's password from this file
    #[arg(long, requires = "username", value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Speak HTTP: whoever is in between reads the password and may change what comes
    #[arg(long, conflicts_with = "ca")]
    pub(crate) plain_http: bool,
}

/// Arguments of `bundle serve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BundleServeArguments {
    /// The bundle, a folder or a file
    #[arg(value_name = "DIR|FILE")]
    pub(crate) bundle: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// The server's certificate (PEM), those between it and its authority behind it; one is made for this run when not given
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, requires = "tls_certificate", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A name or address by which clients call this machine, for the certificate that is made; the address of `--listen` is one already
    #[arg(long = "name", conflicts_with = "tls_certificate", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Write the authority of the certificate that is made to this file, for `ca` in the cluster file
    #[arg(long, conflicts_with = "tls_certificate", value_name = "FILE")]
    pub(crate) write_ca: Option<PathBuf>,
    /// Answer only the users in this file, lines of `USER:HASH` as `htpasswd -B` writes them
    #[arg(long, value_name = "FILE")]
    pub(crate) htpasswd: Option<PathBuf>,
    /// Refuse a bundle that this public key has not signed
    #[arg(long, env = "BARQUE_BUNDLE_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Do not log requests
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Arguments of `bundle key`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BundleKeyArguments {
    /// The file for the secret key (mode 0600); the public key goes to `FILE.pub`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Encrypt the secret key with the passphrase in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Form of the answer on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// Arguments of `bundle sign`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BundleSignArguments {
    #[command(flatten)]
    pub(crate) bundle: BundleArguments,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Read the secret key's passphrase from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// Arguments of `bundle prune`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BundlePruneArguments {
    #[command(flatten)]
    pub(crate) bundle: BundleArguments,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// What can be asked of images.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ImagesCommand {
    /// List every image by digest, with the reference that pods use and what needs it
    List(ImagesListArguments),
    /// Send the images of a bundle to a registry, for nodes and people who pull from there
    Push(ImagesPushArguments),
}

/// Arguments of `images push`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImagesPushArguments {
    /// The bundle, a folder or a file
    #[arg(value_name = "DIR|FILE")]
    pub(crate) bundle: PathBuf,
    /// Where to: a folder of a registry, below which each image has the name that it has elsewhere, its registry's first
    #[arg(value_name = "oci://HOST[:PORT]/FOLDER")]
    pub(crate) place: barque_oci::ImagesPlace,
    /// Refuse a bundle that this public key has not signed
    #[arg(long, env = "BARQUE_BUNDLE_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) registry: RegistryArguments,
    /// Form of the answer on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// Arguments of `images list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImagesListArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// The bundle, a folder or a file
    #[arg(long, env = "BARQUE_BUNDLE", value_name = "DIR|FILE")]
    pub(crate) bundle: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Verb};

    fn parse(words: &str) -> Result<Verb, clap::Error> {
        Arguments::try_parse_from(words.split(' ')).map(|arguments| arguments.verb)
    }

    #[test]
    fn a_bundle_is_named_in_either_way() {
        let Verb::Bundle(BundleCommand::Show(shown)) = parse("barque bundle show a.barque").unwrap() else { panic!("not show") };
        assert_eq!((shown.path, shown.output), (Some("a.barque".into()), Output::Text));
        let Verb::Bundle(BundleCommand::Verify(verify)) = parse("barque bundle verify --bundle dir --key k.pub -o json").unwrap() else {
            panic!("not verify")
        };
        assert_eq!((verify.bundle.bundle, verify.key), (Some("dir".into()), Some("k.pub".into())));
        assert!(parse("barque bundle diff one").is_err());
        #[cfg(feature = "lab")]
        {
            let words =
                "barque bundle create --kubernetes 1.37.2 --arch arm64 --source https://m.example --source go-modules --to x.barque";
            let Verb::Bundle(BundleCommand::Create(create)) = parse(words).unwrap() else { panic!("not create") };
            assert_eq!((create.architectures, create.sources.len()), (vec![ArchitectureWord::Arm64], 2));
            assert!(parse("barque bundle create").is_err(), "nowhere to put it");
            assert!(parse("barque bundle create --to x --source http://m.example").is_err(), "a mirror without TLS");
        }
        assert!(parse("barque bundle pack dir file --passphrase-file x").is_err(), "a passphrase of no key");
        assert!(parse("barque bundle sign dir").is_err(), "no key");
        let Verb::Bundle(BundleCommand::Serve(serve)) = parse("barque bundle serve x --listen [::1]:5000 --name a --name b").unwrap()
        else {
            panic!("not serve")
        };
        assert_eq!((serve.listen.port(), serve.names.len()), (5000, 2));
        assert!(parse("barque bundle serve x").is_err(), "nowhere to listen");
        assert!(parse("barque bundle serve x --listen 127.0.0.1:1 --tls-key k").is_err(), "a key of no certificate");
        assert!(parse("barque bundle serve x --listen 127.0.0.1:1 --tls-key k --tls-certificate c --write-ca f").is_err(), "no CA is made");
        assert!(parse("barque images list -f a.yaml --bundle dir -o json").is_ok());
    }
}
