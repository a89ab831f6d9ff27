//! `barque bundle serve`: a registry made of a bundle.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use barque_bundle::{Bundle, PublicKey, size};
use barque_engine::EngineError;
use barque_event::exit;
use barque_model::SubjectName;
use barque_oci::serve::{Catalog, ServerTls, Service, Told, Users, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{choice, verify};
use crate::arguments::BundleServeArguments;
use crate::terminal::{ByteProgress, bundle_serve as words, note, say};

/// Names the authority of a certificate that is made.
const AUTHORITY: &str = "barque bundle serve";
/// Threads that move bytes; reading and decompressing has its own.
const THREADS: usize = 2;

/// Verifies the bundle, reads what is in it, then answers until it is told to end.
pub(crate) fn run(arguments: &BundleServeArguments) -> Result<u8> {
    let key = arguments.key.as_deref().map(PublicKey::read).transpose().map_err(EngineError::from)?;
    let users = arguments.htpasswd.as_deref().map(users).transpose()?;
    let (tls, authority) = tls(arguments)?;
    let served = choice::open(&arguments.bundle)?;
    if !verify::is_sound(&served, key.as_ref(), "nothing is served")? {
        return Ok(exit::FAILED);
    }
    let catalog = catalog(&served)?;
    let quiet = arguments.quiet;
    let service = Service { bundle: served, catalog, users };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(arguments.listen).await.with_context(|| format!("cannot listen on {}", arguments.listen))?;
        // Only now: where the port is taken, the file may be that of the server that has it.
        if let (Some(path), Some(authority)) = (&arguments.write_ca, &authority) {
            fs_err::write(path, authority)?;
        }
        let written = arguments.write_ca.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let written = authority.is_some().then_some(written.as_str());
        say(&words::serving(&service, listener.local_addr()?, &tls.fingerprint(), written))?;
        let stop = CancellationToken::new();
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let stopping = stop.clone();
        tokio::spawn(async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            let _ = note("ending; what is under way has ten seconds");
            stopping.cancel();
        });
        let tell = move |told: Told| {
            if !quiet {
                // There is nowhere to report that standard error is closed.
                let _ = note(&words::told(&told, jiff::Timestamp::now()));
            }
        };
        serve(listener, &tls, service, tell, stop).await;
        anyhow::Ok(())
    })?;
    Ok(exit::DONE)
}

/// What is in the bundle, for which its images are decompressed once.
pub(super) fn catalog(bundle: &Bundle) -> Result<Catalog> {
    let signature = bundle.signature().map_err(EngineError::from)?;
    let images = bundle.artifacts().iter().filter(|artifact| artifact.kind == barque_bundle::ArtifactKind::Image);
    let progress = ByteProgress::new("read", size(&images.cloned().collect::<Vec<_>>()));
    let catalog = Catalog::read(bundle, signature.as_deref(), &|bytes| progress.add(bytes)).map_err(EngineError::from)?;
    progress.finish();
    Ok(catalog)
}

fn users(path: &Path) -> Result<Users> {
    let text = fs_err::read_to_string(path)?;
    let hint = "hint: `htpasswd -nB USER` prints such a line";
    Users::read(&text).map_err(|error| anyhow::anyhow!("users in `{}` cannot be used: {error}\n{hint}", path.display()))
}

/// The certificate of the flags, or one for this run with its authority's certificate.
fn tls(arguments: &BundleServeArguments) -> Result<(ServerTls, Option<String>)> {
    if let (Some(certificate), Some(key)) = (&arguments.tls_certificate, &arguments.tls_key) {
        let (chain, secret) = (fs_err::read(certificate)?, barque_model::SecretBytes::new(fs_err::read(key)?));
        let files = || format!("`{}` with `{}` cannot be used", certificate.display(), key.display());
        return Ok((ServerTls::new(&chain, secret.expose()).with_context(files)?, None));
    }
    let names = names(arguments.listen, &arguments.names)?;
    let made = barque_pki::own_server(AUTHORITY, &names, jiff::Timestamp::now())
        .context("cannot make a certificate; are all of `--name` names or addresses of machines?")?;
    let tls = ServerTls::new(made.server.certificate.as_bytes(), made.server.key.expose().as_bytes())?;
    Ok((tls, Some(made.authority)))
}

/// What a certificate for a server that listens there has to be valid for.
fn names(listen: SocketAddr, more: &[String]) -> Result<BTreeSet<SubjectName>> {
    let name = |text: &String| text.parse().map_or_else(|_| SubjectName::Dns(text.to_lowercase()), SubjectName::Address);
    let mut names: BTreeSet<SubjectName> = more.iter().map(name).collect();
    if !listen.ip().is_unspecified() {
        names.insert(SubjectName::Address(listen.ip()));
    }
    if names.is_empty() {
        bail!(
            "a certificate for every address cannot be made\nhint: say with `--name` how clients call this machine, or listen on one address"
        );
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_certificate_is_for_names_that_clients_use() {
        let one = names("192.0.2.1:5000".parse().unwrap(), &["Mirror.example".to_owned(), "2001:db8::1".to_owned()]).unwrap();
        let expected = [
            SubjectName::Dns("mirror.example".to_owned()),
            SubjectName::Address("192.0.2.1".parse().unwrap()),
            SubjectName::Address("2001:db8::1".parse().unwrap()),
        ];
        assert_eq!(one, BTreeSet::from(expected));
        assert!(names("0.0.0.0:5000".parse().unwrap(), &[]).is_err());
        assert_eq!(names("[::]:5000".parse().unwrap(), &["a".to_owned()]).unwrap().len(), 1);
    }
}
