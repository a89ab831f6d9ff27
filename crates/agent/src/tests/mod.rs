#![allow(clippy::unwrap_used)]

mod conversation;
mod laws;

use std::path::Path;

use barque_host::HostContext;
use barque_model::RunId;
use fs_err as fs;

/// A temporary root with the few files that resources need.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        write("etc/passwd", &format!("root:x:{uid}:{gid}::/root:/bin/sh\n"));
        write("etc/group", &format!("root:x:{gid}:\n"));
        write("etc/hosts", "127.0.0.1 localhost\n");
        write("proc/sys/kernel/random/boot_id", "boot-1\n");
        write("proc/sys/net/ipv4/ip_forward", "0\n");
        Self(root)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn context(&self) -> HostContext {
        let context = HostContext::new(self.path());
        barque_host::prepare(&context).unwrap();
        context
    }
}

fn run(number: u8) -> RunId {
    format!("20261125T020304Z-000{number}").parse().unwrap()
}
