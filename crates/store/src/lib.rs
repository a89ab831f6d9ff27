//! The state directory on the operator's machine.
//!
//! ```text
//! STATE/format                  `barque-state 1`
//! STATE/lock                    who runs now; empty when nobody does
//! STATE/known_hosts             host keys of the cluster's hosts, as OpenSSH keeps them
//! STATE/pki/vault.age           all keys and certificates, sealed
//! STATE/pki/{ca,etcd-ca,front-proxy-ca}.crt, sa.pub    copies of what is public
//! STATE/vrid                    the VRRP identifier that `auto` has chosen, a number
//! STATE/runs/RUN/spec.yaml      the cluster file as it was
//! STATE/runs/RUN/plan.json      the plan
//! STATE/runs/RUN/events.jsonl   what happened, an event a line
//! STATE/runs/RUN/receipt.json   what the run left behind; there when the run ended by itself
//! ```
//!
//! Directories have mode 0700 and files 0600 from the moment they exist. A file is replaced whole: written beside its place, synced, renamed.
//! Text is plain, so that people can read it when all is broken. The vault opens without barque, too:
//!
//! ```text
//! age --decrypt --identity IDENTITY_FILE STATE/pki/vault.age      # sealed for an identity
//! age --decrypt STATE/pki/vault.age                               # sealed with a passphrase; asks for it
//! ```

mod files;
mod identity;
mod lock;
mod owner;
mod run_id;
mod runs;
pub mod sealed;
mod state;
mod tail;
mod vault;
mod vrid;

pub use identity::{Identity, IdentityError};
pub use lock::{Lock, LockError, OnStaleLock};
pub use owner::LockOwner;
pub use run_id::{next_run, run_id, started_at};
pub use runs::{EventLog, RunDirectory, RunError, RunSummary, Runs};
pub use sealed::{PASSPHRASE_WORK_FACTOR, Passphrase, SealingKey};
pub use state::{STATE_FORMAT, StateDirectory, StateError};
pub use tail::EventTail;
pub use vault::VaultFileError;
