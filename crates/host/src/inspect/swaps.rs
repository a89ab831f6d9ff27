//! Swap from any source.

use std::collections::BTreeSet;
use std::path::Path;

use barque_check::{Swap, SwapSource};

use super::read::{exists, files, link, names, text};
use crate::context::HostContext;

/// Where units are linked to start at boot.
const UNITS: &str = "/etc/systemd/system";
/// Units for swap partitions that no file names (systemd-gpt-auto-generator(8)).
const GENERATED: &str = "/run/systemd/generator.late";
/// What makes swap of compressed memory, with its configuration.
const ZRAM: [(&str, &str); 3] = [
    ("/usr/lib/systemd/system-generators/zram-generator", "/etc/systemd/zram-generator.conf"),
    ("/usr/lib/systemd/system-generators/zram-generator", "/usr/lib/systemd/zram-generator.conf"),
    ("/etc/systemd/system/multi-user.target.wants/zramswap.service", "/etc/default/zramswap"),
];

/// Swap that is on, and what turns it on at boot.
pub(super) fn swaps(context: &HostContext) -> Vec<Swap> {
    let mut swaps = Vec::new();
    let mut add = |source, what: String| swaps.push(Swap { what, source });
    for line in text(context, "/proc/swaps").lines().skip(1) {
        line.split_whitespace().next().into_iter().for_each(|device| add(SwapSource::Active, device.to_owned()));
    }
    text(context, "/etc/fstab").lines().filter(|line| mounts_swap(line)).for_each(|line| {
        add(SwapSource::Fstab, line.split_whitespace().collect::<Vec<_>>().join(" "));
    });
    for unit in units(context) {
        add(SwapSource::Unit, unit);
    }
    if let Some((_, configuration)) =
        ZRAM.iter().find(|(program, configuration)| exists(context, program) && exists(context, configuration))
    {
        add(SwapSource::Zram, (*configuration).to_owned());
    }
    swaps
}

/// A line of fstab(5) of type `swap` that counts at boot.
fn mounts_swap(line: &str) -> bool {
    let fields: Vec<&str> = line.split_whitespace().collect();
    !line.trim_start().starts_with('#')
        && fields.get(2) == Some(&"swap")
        && !fields.get(3).is_some_and(|options| options.split(',').any(|option| option == "noauto"))
}

fn units(context: &HostContext) -> BTreeSet<String> {
    let linked = names(context, UNITS).into_iter().filter(|name| matches!(name.rsplit_once('.'), Some((_, "wants" | "requires"))));
    let folders = linked.map(|folder| format!("{UNITS}/{folder}")).chain([GENERATED.to_owned()]);
    let found = folders.flat_map(|folder| files(context, &folder, ".swap"));
    let name = |path: String| path.rsplit('/').next().map(str::to_owned);
    let masked = |unit: &String| link(context, &format!("{UNITS}/{unit}")).is_some_and(|target| target == Path::new("/dev/null"));
    found.filter_map(name).filter(|unit| !masked(unit)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fs_err as fs;
    use fs_err::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_source_is_found_and_masked_units_are_not() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
            fs::write(root.path().join(path), text).unwrap();
        };
        write("proc/swaps", "Filename\t\t\t\tType\t\tSize\n/dev/dm-1   partition 1 0 -2\n");
        write(
            "etc/fstab",
            "# /old none swap sw 0 0\n/swap.img\tnone\tswap\tsw\t0 0\n/a none swap sw,noauto 0 0\n/dev/sda1 / ext4 defaults 0 1\n",
        );
        write("etc/systemd/system/swap.target.wants/dev-sdb1.swap", "");
        write("run/systemd/generator.late/dev-sdc1.swap", "");
        symlink("/dev/null", root.path().join("etc/systemd/system/dev-sdc1.swap")).unwrap();
        write("etc/systemd/zram-generator.conf", "[zram0]\n");
        let context = HostContext::new(root.path());
        let found: Vec<(String, SwapSource)> = swaps(&context).into_iter().map(|swap| (swap.what, swap.source)).collect();
        let expected =
            [("/dev/dm-1", SwapSource::Active), ("/swap.img none swap sw 0 0", SwapSource::Fstab), ("dev-sdb1.swap", SwapSource::Unit)];
        assert_eq!(found, expected.map(|(what, source)| (what.to_owned(), source)));
        write("usr/lib/systemd/system-generators/zram-generator", "");
        assert_eq!(swaps(&context).last().unwrap().source, SwapSource::Zram);
    }
}
