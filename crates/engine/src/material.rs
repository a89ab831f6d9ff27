//! The vault: opened from its seal, made right for the cluster, sealed again when it changed.

use barque_pki::{Authority, Issued, Vault};
use barque_store::{Identity, Passphrase, SealingKey, StateDirectory};

use crate::{Context, EngineError};

/// Opens the vault; `None` when there is none. Nothing is written but, on first use, the identity.
pub(crate) fn open(context: &Context, state: &StateDirectory) -> Result<Option<Vault>, EngineError> {
    Ok(state.load_vault(&sealing_key(context)?)?)
}

/// Opens the vault, makes it right for the cluster ([`issue`]), and seals it again when something was issued.
pub(crate) fn ensure(context: &Context, state: &StateDirectory, now: jiff::Timestamp) -> Result<(Vault, Vec<Issued>), EngineError> {
    let key = sealing_key(context)?;
    let (vault, issued) = issue(context, state.load_vault(&key)?, now)?;
    if !issued.is_empty() {
        state.save_vault(&vault, &key)?;
    }
    Ok((vault, issued))
}

/// Issues what hosts and Services lack or what is about to expire.
pub(crate) fn issue(context: &Context, vault: Option<Vault>, now: jiff::Timestamp) -> Result<(Vault, Vec<Issued>), EngineError> {
    let services = crate::certificates::wanted(context)?;
    let (vault, mut issued) = barque_pki::issue(&context.cluster, vault, now)?;
    let (vault, of_services) = barque_pki::issue_services(vault, &services, now)?;
    issued.extend(of_services);
    Ok((vault, issued))
}

/// PEM of the Kubernetes certificate authority.
pub(crate) fn authority(vault: &Vault) -> String {
    vault.authority(Authority::Kubernetes).certificate.clone()
}

fn sealing_key(context: &Context) -> Result<SealingKey, EngineError> {
    if let Some(passphrase) = &context.options.passphrase {
        return Ok(SealingKey::Passphrase(Passphrase::new(passphrase.clone())));
    }
    let (identity, _created) = Identity::load_or_create(&context.options.identity, jiff::Timestamp::now())?;
    Ok(SealingKey::Identity(identity))
}
