//! Packages that barque installed, removed again: those of the distribution by dpkg, others by [`crate::portable`].

use std::collections::{BTreeMap, BTreeSet};

use barque_plan::{Package, PackageForm, Prior};

use crate::command::{Command, CommandError};
use crate::context::HostContext;
use crate::error::HostError;
use crate::package::{INSTALL_TIMEOUT, NoServices, blocking, lock_frontend};
use crate::portable;

/// How dpkg says that something else needs a package.
const NEEDED: &str = "dependency problems prevent";

/// Those of the archives' packages that were not installed before.
fn added(wanted: &Package, prior: &Prior) -> BTreeSet<String> {
    let before: &[(String, String)] = match prior {
        Prior::Package { installed } => installed,
        _ => &[],
    };
    let names = wanted.archives.iter().map(|archive| &archive.name);
    names.filter(|name| !before.iter().any(|(known, _)| known == *name)).cloned().collect()
}

/// Says which packages remain that were not there before. Those that something else needs by now are excused: a note has said so.
pub(crate) async fn remaining(context: &HostContext, wanted: &Package, prior: &Prior) -> Result<Option<String>, HostError> {
    if wanted.form == PackageForm::Portable {
        return portable::remaining(context, wanted, prior);
    }
    let left = on_host(&added(wanted, prior)).await?;
    let needed = context.needed_packages();
    let left: Vec<&str> = left.iter().filter(|name| !needed.contains(*name)).map(String::as_str).collect();
    Ok(if left.is_empty() { None } else { Some(format!("{} still installed", said(&left))) })
}

fn said(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// Removes the archives' packages that were not installed before, with their configuration, in one call of dpkg.
///
/// dpkg keeps what other packages need. What it kept for another package of barque's is tried again with that one.
pub(crate) async fn remove(context: &HostContext, wanted: &Package, prior: &Prior) -> Result<Vec<String>, HostError> {
    let _guard = context.package_lock().lock().await;
    if wanted.form == PackageForm::Portable {
        let prior = prior.clone();
        return blocking(context, wanted, move |context, wanted| portable::restore(context, wanted, &prior)).await;
    }
    let mut names = added(wanted, prior);
    names.extend(context.needed_packages().iter().cloned());
    let present = on_host(&names).await?;
    if present.is_empty() {
        return Ok(Vec::new());
    }
    let purged = {
        let lock = lock_frontend(context).await?;
        let _policy = NoServices::begin(context)?;
        let options = ["--purge", "--force-unsafe-io", "--"].into_iter().map(str::to_owned);
        let mut command = Command::new("dpkg", options.chain(present.iter().cloned()))
            .environment("DEBIAN_FRONTEND", "noninteractive")
            .timeout(INSTALL_TIMEOUT);
        if lock.is_some() {
            command = command.environment("DPKG_FRONTEND_LOCKED", "true");
        }
        let output = command.output().await?;
        if output.status == 0 { Ok(()) } else { Err((refused(&output.stderr), command.failed(&output))) }
    };
    let left = on_host(&present).await?;
    let kept = kept(&left, purged)?;
    let mut needed = context.needed_packages();
    // What has gone now is needed no more.
    needed.retain(|name| !present.contains(name));
    needed.extend(kept.keys().cloned());
    let own = added(wanted, prior);
    let kept = kept.into_iter().filter(|(name, _)| own.contains(name));
    Ok(kept.map(|(name, users)| format!("the package {name} stays: {}", needs(&users))).collect())
}

/// Who needs a package, for people: three of them at most.
fn needs(users: &BTreeSet<String>) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = users.iter().take(SHOWN).map(String::as_str).collect();
    match users.len() {
        0 => "other packages need it".to_owned(),
        1 => format!("{} needs it", shown.concat()),
        count if count <= SHOWN => format!("{} need it", shown.join(", ")),
        count => format!("{} and {} more need it", shown.join(", "), count - SHOWN),
    }
}

/// What dpkg kept and for whom; any other reason why something is left is an error.
fn kept(
    left: &BTreeSet<String>,
    purged: Result<(), (BTreeMap<String, BTreeSet<String>>, CommandError)>,
) -> Result<BTreeMap<String, BTreeSet<String>>, HostError> {
    let Err((mut refused, error)) = purged else { return Ok(BTreeMap::new()) };
    if left.iter().any(|name| !refused.contains_key(name)) || refused.is_empty() {
        return Err(error.into());
    }
    refused.retain(|name, _| left.contains(name));
    Ok(refused)
}

/// Packages that dpkg did not remove because others depend on them, and which those are:
///
/// ```text
/// dpkg: dependency problems prevent removal of libfoo1:amd64:
///  bar depends on libfoo1 (>= 1.0).
/// ```
fn refused(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        if let Some((_, rest)) = line.split_once(NEEDED) {
            let name = rest.rsplit_once(" of ").map_or("", |(_, name)| name).trim_end_matches(':');
            let name = plain(name);
            found.entry(name.clone()).or_default();
            current = Some(name);
        } else if let (Some(name), Some((user, _))) = (&current, line.split_once(" depends on ")) {
            found.entry(name.clone()).or_default().insert(plain(user.trim()));
        } else if !line.starts_with(' ') {
            current = None;
        }
    }
    found
}

/// A package's name without its architecture.
fn plain(name: &str) -> String {
    name.split(':').next().unwrap_or(name).to_owned()
}

/// Those of `names` of which anything is installed, or whose purge was cut short. Configuration that is left of a package removed by
/// somebody else is not barque's.
async fn on_host(names: &BTreeSet<String>) -> Result<BTreeSet<String>, HostError> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let options = ["--show", "--showformat=${Package}\t${db:Status-Abbrev}\n", "--"].into_iter().map(str::to_owned);
    // The status is 1 when a name is unknown to dpkg, which is an answer.
    match Command::new("dpkg-query", options.chain(names.iter().cloned())).output().await {
        Ok(output) => Ok(output
            .stdout
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter(|(_, is)| is_there(is))
            .map(|(name, _)| name.to_owned())
            .collect()),
        Err(error) if error.is_missing() => Ok(BTreeSet::new()),
        Err(error) => Err(error.into()),
    }
}

/// First letter: what is wanted, `p` to purge it; second: present state, `n` not installed, `c` only its configuration (dpkg-query(1)).
fn is_there(status: &str) -> bool {
    match status.as_bytes() {
        [_, b'n', ..] => false,
        [wanted, b'c', ..] => *wanted == b'p',
        other => other.len() > 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSAL: &str = "dpkg: dependency problems prevent removal of libnl-3-200:amd64:
 iw depends on libnl-3-200 (>= 3.2.7).
 powertop depends on libnl-3-200 (>= 3.2.7).

dpkg: error processing package libnl-3-200:amd64 (--purge):
 dependency problems - not removing
Errors were encountered while processing:
 libnl-3-200:amd64
";

    fn failed(text: &str) -> Result<(), (BTreeMap<String, BTreeSet<String>>, CommandError)> {
        Err((refused(text), CommandError::Status { command: "dpkg".into(), status: 1, output: Vec::new() }))
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_others_need_is_told_apart_from_what_fails() {
        let kept_for = kept(&set(&["libnl-3-200"]), failed(REFUSAL)).expect("a refusal is no failure");
        assert_eq!(kept_for, BTreeMap::from([("libnl-3-200".to_owned(), set(&["iw", "powertop"]))]));
        assert!(kept(&set(&["libnl-3-200", "haproxy"]), failed(REFUSAL)).is_err(), "haproxy was not refused for others");
        assert!(kept(&set(&["haproxy"]), failed("dpkg: error processing package haproxy (--purge):\n")).is_err());
        assert!(kept(&set(&[]), failed("dpkg: error: cannot write\n")).is_err());
        assert!(kept(&set(&[]), Ok(())).is_ok_and(|kept| kept.is_empty()));
    }

    #[test]
    fn says_who_needs_a_package() {
        assert_eq!(needs(&set(&["iw"])), "iw needs it");
        assert_eq!(needs(&set(&["iw", "powertop"])), "iw, powertop need it");
        assert_eq!(needs(&set(&["a", "b", "c", "d", "e"])), "a, b, c and 2 more need it");
    }

    #[test]
    fn a_purge_that_was_cut_short_goes_on() {
        for (status, there) in [("ii ", true), ("iF ", true), ("pH ", true), ("pc ", true), ("rc ", false), ("un ", false), ("pn ", false)]
        {
            assert_eq!(is_there(status), there, "{status}");
        }
    }

    #[test]
    fn only_what_was_not_there_goes() {
        let archive = |name: &str| barque_plan::Archive {
            name: name.into(),
            version: "1".into(),
            blob: barque_plan::Blob { digest: barque_model::Digest::of(name.as_bytes()), size: 1 },
        };
        let package = Package { name: "haproxy".into(), archives: vec![archive("haproxy"), archive("lua")], form: PackageForm::Native };
        assert_eq!(added(&package, &Prior::Absent), set(&["haproxy", "lua"]));
        assert_eq!(added(&package, &Prior::Package { installed: vec![("lua".into(), "0".into())] }), set(&["haproxy"]));
    }
}
