//! The package manager.

use crate::distribution;
use crate::evaluate::HostView;
use crate::ports::words;
use crate::{CheckId, Finding};

pub(crate) fn find(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    // A host that gets no package does not care.
    if barque_render::packages(view.cluster, view.host).is_empty() || !distribution::has_packages(&view.inspection.facts.os) {
        return;
    }
    let Some(packages) = &view.inspection.packages else { return };
    if let Some(holder) = &packages.lock_holder {
        findings.push(view.finding(
            CheckId::PackageLock,
            format!("{} holds dpkg's lock", words(holder)),
            "wait for it; `fuser -v /var/lib/dpkg/lock-frontend` on the host shows whether it has ended",
        ));
    } else if !packages.unfinished.is_empty() && !view.inspection.interrupted.has_packages() {
        // While a package manager is at work, what is half done is its business; after a run of barque that was cut off, the next run's.
        findings.push(view.finding(
            CheckId::PackageState,
            format!("dpkg was interrupted: {}", packages.unfinished.join(", ")),
            "run `dpkg --configure -a` on the host",
        ));
    }
}
