//! Fills a bundle: `cargo run -p barque-lab --example artifacts --profile quick -- CACHE [MINIMAL_ROOT]`.
#![allow(clippy::print_stdout, reason = "an example program")]

use std::path::PathBuf;
use std::time::Instant;

use barque_lab::artifacts::{Progress, Request, ensure};
use barque_model::{Release, Version};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let cache = arguments.next().ok_or("usage: artifacts CACHE [MINIMAL_ROOT]")?;
    let minimal_root = arguments.next();
    let release = Release {
        kubernetes: Version::new(1, 37, 2),
        etcd: Version::new(3, 6, 14),
        containerd: Version::new(2, 4, 2),
        runc: Version::new(1, 5, 2),
        cni_plugins: Version::new(1, 9, 1),
        flannel: Version::new(0, 28, 10),
        flannel_cni: Version::new(0, 9, 1),
        coredns: Version::new(1, 15, 0),
        pause: Version::new(3, 10, 2),
    };
    let start = Instant::now();
    let request = Request { cache: &cache, release: &release, minimal_root: minimal_root.as_deref() };
    let bundle = ensure(request, &mut |progress| match progress {
        Progress::Waiting => println!("waiting for another process"),
        Progress::OutOfReach { origin } => println!("{origin} downloads are out of reach"),
        Progress::Started { item } => println!("{item} ..."),
        Progress::Finished { item, seconds, source } => println!("{item} done in {seconds:.1} s: {source}"),
        Progress::Present { item } => println!("{item} is there"),
    })?;
    let (count, seconds) = (bundle.artifacts().len(), start.elapsed().as_secs_f64());
    let compressed: u64 = bundle.artifacts().iter().map(|artifact| artifact.compressed_size).sum();
    println!("{count} artifacts, {} MB, {seconds:.2} s: {}", compressed / 1_000_000, bundle.root().display());
    Ok(())
}
