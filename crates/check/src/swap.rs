//! Swap, now and after the next boot.

use crate::evaluate::HostView;
use crate::inspection::SwapSource;
use crate::{CheckId, Finding};

pub(crate) fn find(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    if !view.host.is_node() || !view.cluster.kubelet.fail_swap_on {
        return;
    }
    for swap in &view.inspection.swaps {
        let what = &swap.what;
        findings.push(match swap.source {
            SwapSource::Active => view.finding(
                CheckId::SwapActive,
                format!("swap is on: {what}"),
                format!("run `swapoff {what}` on the host, or set `spec.kubelet.failSwapOn: false`"),
            ),
            SwapSource::Fstab => view.finding(
                CheckId::SwapAtBoot,
                format!("/etc/fstab turns swap on at boot: `{what}`"),
                "remove the line from /etc/fstab and run `systemctl daemon-reload`",
            ),
            SwapSource::Unit => view.finding(
                CheckId::SwapAtBoot,
                format!("a unit turns swap on at boot: {what}"),
                format!("run `systemctl mask {what}` on the host"),
            ),
            SwapSource::Zram => view.finding(
                CheckId::SwapAtBoot,
                format!("compressed memory becomes swap at boot: {what}"),
                format!("remove {what} on the host, or the package that brought it"),
            ),
        });
    }
}
