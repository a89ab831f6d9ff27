//! Space, inodes, mounts, and the speed of etcd's disk.

use barque_model::{Component, Role};

use crate::evaluate::HostView;
use crate::inspection::Volume;
use crate::request::{ETCD_DATA, UsedPath, paths};
use crate::{CheckId, Finding};

/// Free bytes that a host needs besides what it will receive: room for logs, images' layers and etcd's first files.
const HEADROOM: u64 = 200 << 20;
/// What other paths need while something is installed.
const LITTLE: u64 = 16 << 20;
/// etcd's first files: two preallocated segments of its log of 64 MB each, a database, and a snapshot.
const ETCD_BEGIN: u64 = 256 << 20;
/// What the programs and packages of a node or master take, roughly.
const NODE_PROGRAMS: u64 = 600 << 20;
/// What those of other hosts take.
const OTHER_PROGRAMS: u64 = 150 << 20;
/// kubelet evicts pods below this share of inodes (its default `nodefs.inodesFree`), in percent.
const INODES_PERCENT: u64 = 5;
/// etcd's documentation ("Hardware recommendations"): the 99th percentile of fdatasync, in microseconds.
const SYNC_MICROS: u64 = 10_000;

pub(crate) fn find(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    let used = paths(view.cluster, view.host);
    let with_volume =
        || used.iter().filter_map(|used| Some((used, view.inspection.volumes.iter().find(|volume| volume.path == used.path)?)));
    each_mount(with_volume(), |used, volume| space(view, used, volume), findings);
    each_mount(with_volume(), |_, volume| inodes(view, volume), findings);
    each_mount(with_volume(), |_, volume| read_only(view, volume), findings);
    each_mount(with_volume(), |used, volume| no_exec(view, used, volume), findings);
    latency(view, findings);
}

/// Paths on one file system give one finding.
fn each_mount<'a>(
    volumes: impl Iterator<Item = (&'a UsedPath, &'a Volume)>,
    judge: impl Fn(&UsedPath, &Volume) -> Option<Finding>,
    findings: &mut Vec<Finding>,
) {
    let mut reported: Vec<&str> = Vec::new();
    for (used, volume) in volumes {
        if reported.contains(&volume.mount.as_str()) {
            continue;
        }
        if let Some(finding) = judge(used, volume) {
            reported.push(&volume.mount);
            findings.push(finding);
        }
    }
}

fn space(view: &HostView<'_>, used: &UsedPath, volume: &Volume) -> Option<Finding> {
    let deployed = !view.inspection.managed.is_empty();
    let programs = if view.host.is_node() { NODE_PROGRAMS } else { OTHER_PROGRAMS };
    let estimate = if deployed { 0 } else { programs };
    let to_receive = view.to_receive.unwrap_or(estimate);
    let needed = match used.path.as_str() {
        "/var/lib/barque" if to_receive > 0 => to_receive.saturating_add(HEADROOM),
        ETCD_DATA if !view.inspection.managed.has_unit(&Component::Etcd.unit()) => ETCD_BEGIN,
        _ => LITTLE,
    };
    // What is deployed and has nothing to receive works with what it has; kubelet watches the space itself.
    if volume.read_only || volume.free_bytes >= needed || (deployed && view.to_receive == Some(0)) {
        return None;
    }
    let message = format!(
        "the file system `{}` under {} has {} MB free; {} MB are needed",
        volume.mount,
        used.path,
        volume.free_bytes >> 20,
        needed >> 20
    );
    let remedy = format!("free space on it; `du -xh --max-depth=2 {} | sort -h` on the host shows what takes it", volume.mount);
    Some(view.finding(CheckId::DiskSpace, message, remedy))
}

fn inodes(view: &HostView<'_>, volume: &Volume) -> Option<Finding> {
    let short = volume.inodes > 0 && volume.free_inodes.saturating_mul(100) < volume.inodes.saturating_mul(INODES_PERCENT);
    let message = format!(
        "the file system `{}` under {} has {} of {} inodes left, less than {INODES_PERCENT} %",
        volume.mount, volume.path, volume.free_inodes, volume.inodes
    );
    let remedy = format!("remove small files; `du --inodes -x --max-depth=2 {} | sort -n` on the host shows where they are", volume.mount);
    short.then(|| view.finding(CheckId::Inodes, message, remedy))
}

fn read_only(view: &HostView<'_>, volume: &Volume) -> Option<Finding> {
    let message = format!("`{}` is read-only: the file system at `{}` is mounted so", volume.path, volume.mount);
    let remedy = format!("run `mount -o remount,rw {}` on the host, and correct /etc/fstab", volume.mount);
    volume.read_only.then(|| view.finding(CheckId::ReadOnlyMount, message, remedy))
}

fn no_exec(view: &HostView<'_>, used: &UsedPath, volume: &Volume) -> Option<Finding> {
    let message = format!("no program can be run from `{}`: the file system at `{}` is mounted with noexec", volume.path, volume.mount);
    let remedy = format!("run `mount -o remount,exec {}` on the host, and correct /etc/fstab", volume.mount);
    (volume.no_exec && used.programs).then(|| view.finding(CheckId::NoexecMount, message, remedy))
}

fn latency(view: &HostView<'_>, findings: &mut Vec<Finding>) {
    let Some(sync) = &view.inspection.sync else { return };
    if !view.host.has(Role::Etcd) || sync.p99_micros <= SYNC_MICROS {
        return;
    }
    let message = format!(
        "small writes take {:.1} ms to reach the disk under {} (99th percentile of {}); etcd wants at most {} ms",
        sync.p99_micros as f64 / 1000.0,
        sync.path,
        sync.writes,
        SYNC_MICROS / 1000
    );
    findings.push(view.finding(CheckId::DiskLatency, message, "put /var/lib/etcd on a local SSD that little else writes to"));
}
