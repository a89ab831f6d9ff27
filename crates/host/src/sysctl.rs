//! Kernel parameters.

use std::io;

use barque_plan::{Observed, Prior, Sysctl};
use fs_err as fs;

use crate::context::HostContext;
use crate::error::HostError;

/// Observes the present value.
pub(crate) fn observe(context: &HostContext, wanted: &Sysctl) -> Result<Observed, HostError> {
    let path = context.path(&file(&wanted.key));
    match fs::read_to_string(&path) {
        Ok(value) => {
            let writable = rustix::fs::access(&path, rustix::fs::Access::WRITE_OK).is_ok();
            Ok(Observed::Sysctl { value: value.trim().to_owned(), writable })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Observed::Absent),
        Err(error) => Err(error.into()),
    }
}

/// Sets the value; a parameter that is not required and cannot be set is a note.
pub(crate) fn apply(context: &HostContext, wanted: &Sysctl) -> Result<Vec<String>, HostError> {
    let path = context.path(&file(&wanted.key));
    // Never created: in `/proc` that fails, and nowhere else does a parameter live.
    let written = fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&path)
        .and_then(|mut file| io::Write::write_all(&mut file, wanted.value.as_bytes()));
    match written {
        Ok(()) => Ok(Vec::new()),
        Err(error) if wanted.required => Err(HostError::Refused {
            message: format!("the kernel parameter {} cannot be set to {}: {error}", wanted.key, wanted.value),
            hint: format!(
                "set it where the host itself runs (a container's parameters may belong to its host): `sysctl -w {}={}`",
                wanted.key, wanted.value
            ),
        }),
        Err(error) => Ok(vec![format!("{} could not be set to {} and is left as it is: {error}", wanted.key, wanted.value)]),
    }
}

/// Sets the value that was there; one that cannot be set is a note.
pub(crate) fn restore(context: &HostContext, wanted: &Sysctl, prior: &Prior) -> Result<Vec<String>, HostError> {
    match prior {
        Prior::Sysctl { value } if differs(context, wanted, prior)?.is_some() => {
            apply(context, &Sysctl { value: value.clone(), required: false, ..wanted.clone() })
        }
        _ => Ok(Vec::new()),
    }
}

/// Says why a parameter is not as it was, where it can be set at all.
pub(crate) fn differs(context: &HostContext, wanted: &Sysctl, prior: &Prior) -> Result<Option<String>, HostError> {
    match (prior, observe(context, wanted)?) {
        (Prior::Sysctl { value: former }, Observed::Sysctl { value, writable: true }) if !same(&value, former) => {
            Ok(Some(format!("its value is {value} and was {former}")))
        }
        _ => Ok(None),
    }
}

/// The kernel separates numbers by tabs, people by spaces.
fn same(left: &str, right: &str) -> bool {
    left.split_whitespace().eq(right.split_whitespace())
}

/// `net.ipv4.ip_forward` is a path below `/proc/sys`; with slashes, as for interfaces with a dot in their name, it is one already.
fn file(key: &str) -> String {
    let path = if key.contains('/') { key.to_owned() } else { key.replace('.', "/") };
    format!("/proc/sys/{path}")
}
