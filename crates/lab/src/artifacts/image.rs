//! The images that are packed here, and the pause program.

use std::path::{Path, PathBuf};
use std::process::Command;

use barque_addon::Library;
use barque_model::Release;
use fs_err as fs;
use sha2::{Digest as _, Sha256};

use super::command::run;
use super::component::{TOOLBOX_IMAGE, TOOLBOX_VERSION};
use super::error::io_error;
use super::layout::LAYOUT_VERSION;
use super::{ArtifactError, elf};

const PAUSE_SOURCE: &str = include_str!("../../recipes/pause/pause.c");
const PAUSE_FLAGS: &[&str] = &["-Os", "-static", "-s", "-Wall", "-Werror"];
/// musl first: its program is a fiftieth of the size.
const COMPILERS: &[&str] = &["musl-gcc", "gcc", "cc"];

/// Where the program of an image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProgramOf {
    /// The bundle's binary of this name, of the image's version.
    Bundle(&'static str),
    /// The recipe of this component, of the image's version.
    Recipe(&'static str),
    /// `pause.c`.
    Pause,
}

/// One image to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    /// Reference without tag.
    pub(super) name: &'static str,
    /// The tag without `v`.
    pub(super) version: String,
    /// The tag.
    pub(super) tag: String,
    /// The program.
    pub(super) program: ProgramOf,
    /// Its path in the image, without the leading slash. Its last part is the program's name in its recipe.
    pub(super) path: &'static str,
    /// See [`super::layout::Image::user`].
    pub(super) user: Option<&'static str>,
    /// SPDX expression of its program's licence.
    pub(super) licence: &'static str,
}

/// An image of an add-on that is packed here. Its version is the add-on's own.
struct OfAddon {
    /// Its name in the bundle.
    name: &'static str,
    /// The recipe of its program.
    recipe: &'static str,
    /// See [`Packed::path`]: where upstream's own image has it, so that pods run with either.
    path: &'static str,
    /// SPDX expression of its program's licence.
    licence: &'static str,
}

/// The packages that its pages are made of are in it.
const PROMETHEUS: &str = "Apache-2.0 AND MIT AND BSD-2-Clause AND BSD-3-Clause AND ISC";

const OF_ADDONS: &[OfAddon] = &[
    OfAddon { name: "barque.dev/config-watch", recipe: "config-watch", path: "config-watch", licence: "Apache-2.0" },
    OfAddon { name: "barque.dev/local-path-helper", recipe: "local-path-helper", path: "local-path-helper", licence: "Apache-2.0" },
    OfAddon { name: "barque.dev/otel-collector", recipe: "otel-collector", path: "otel-collector", licence: "Apache-2.0" },
    OfAddon { name: "docker.io/library/caddy", recipe: "caddy", path: "usr/bin/caddy", licence: "Apache-2.0" },
    OfAddon { name: "docker.io/library/registry", recipe: "registry", path: "bin/registry", licence: "Apache-2.0" },
    OfAddon { name: "docker.io/library/traefik", recipe: "traefik", path: "usr/local/bin/traefik", licence: "MIT" },
    OfAddon {
        name: "docker.io/rancher/local-path-provisioner",
        recipe: "local-path-provisioner",
        path: "usr/bin/local-path-provisioner",
        licence: "Apache-2.0",
    },
    OfAddon {
        name: "registry.k8s.io/metrics-server/metrics-server",
        recipe: "metrics-server",
        path: "metrics-server",
        licence: "Apache-2.0",
    },
    OfAddon { name: "quay.io/prometheus/prometheus", recipe: "prometheus", path: "bin/prometheus", licence: PROMETHEUS },
    OfAddon { name: "quay.io/prometheus/alertmanager", recipe: "alertmanager", path: "bin/alertmanager", licence: "Apache-2.0" },
    OfAddon { name: "quay.io/prometheus/node-exporter", recipe: "node-exporter", path: "bin/node_exporter", licence: "Apache-2.0" },
    OfAddon {
        name: "registry.k8s.io/kube-state-metrics/kube-state-metrics",
        recipe: "kube-state-metrics",
        path: "kube-state-metrics",
        licence: "Apache-2.0",
    },
];

/// The images of `release`, and those of add-ons.
pub(super) fn images(release: &Release) -> Vec<Packed> {
    let mut found = of_release(release);
    found.extend(of_addons());
    found
}

fn of_addons() -> Vec<Packed> {
    let mut found = Vec::new();
    for image in Library::embedded().barques().iter().flat_map(|addon| &addon.images) {
        let Some(known) = OF_ADDONS.iter().find(|known| image.artifact.as_deref() == Some(known.name)) else { continue };
        let (_, tag) = image.reference.rsplit_once(':').unwrap_or_default();
        found.push(Packed {
            name: known.name,
            version: image.version.clone(),
            tag: tag.to_owned(),
            program: ProgramOf::Recipe(known.recipe),
            path: known.path,
            user: Some("65534:65534"),
            licence: known.licence,
        });
    }
    found
}

fn of_release(release: &Release) -> Vec<Packed> {
    vec![
        Packed {
            name: "registry.k8s.io/pause",
            version: release.pause.to_string(),
            tag: release.pause.to_string(),
            program: ProgramOf::Pause,
            path: "pause",
            user: Some("65535:65535"),
            licence: "Apache-2.0",
        },
        Packed {
            name: "registry.k8s.io/coredns/coredns",
            version: release.coredns.to_string(),
            tag: format!("v{}", release.coredns),
            program: ProgramOf::Bundle("coredns"),
            path: "coredns",
            // Port 53 needs NET_BIND_SERVICE, which a container keeps only as root unless the file carries it: the pod drops all
            // other capabilities, and the user stays unset.
            user: None,
            licence: "Apache-2.0",
        },
        Packed {
            name: TOOLBOX_IMAGE,
            version: TOOLBOX_VERSION.to_owned(),
            tag: TOOLBOX_VERSION.to_owned(),
            program: ProgramOf::Recipe("toolbox"),
            path: "toolbox",
            user: Some("65534:65534"),
            licence: "Apache-2.0",
        },
    ]
}

impl Packed {
    /// The full reference.
    pub(super) fn reference(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }

    /// The program's name in its recipe or in the bundle.
    pub(super) fn program_name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// Names the outcome: `program_key` stands for the program's content.
    pub(super) fn key(&self, program_key: &str) -> String {
        let text = format!("{LAYOUT_VERSION} {} {} {:?} {program_key}", self.reference(), self.path, self.user);
        hex::encode(&Sha256::digest(text)[..6])
    }
}

/// Stands for the content of the pause program.
pub(super) fn pause_key() -> String {
    hex::encode(&Sha256::digest(format!("{}\n{PAUSE_SOURCE}", PAUSE_FLAGS.join(" ")))[..6])
}

/// Compiles the pause program below `work`.
pub(super) fn compile_pause(work: &Path) -> Result<PathBuf, ArtifactError> {
    let (source, program) = (work.join("pause.c"), work.join("pause"));
    fs::write(&source, PAUSE_SOURCE).map_err(io_error("write pause.c"))?;
    for compiler in COMPILERS {
        // Relative paths, so that nothing of this machine gets into the program.
        match run(Command::new(compiler).current_dir(work).args(PAUSE_FLAGS).args(["-o", "pause", "pause.c"])) {
            Err(ArtifactError::ProgramMissing { .. }) => {}
            Err(error) => return Err(error),
            Ok(_) if elf::is_static_program(&program).map_err(io_error("read the pause program"))? => return Ok(program),
            Ok(_) => return Err(ArtifactError::NotStatic { program: "pause".to_owned() }),
        }
    }
    Err(ArtifactError::ProgramMissing { program: "gcc".to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    #[test]
    fn every_image_of_an_add_on_is_packed_from_a_recipe() {
        let packed = of_addons();
        let images = Library::embedded().barques().iter().flat_map(|addon| &addon.images);
        // Others are pulled by nodes.
        let needed: Vec<&str> = images.filter(|image| image.artifact.is_some()).map(|image| image.reference.as_str()).collect();
        assert_eq!(packed.iter().map(Packed::reference).collect::<Vec<_>>(), needed);
        for image in packed {
            let ProgramOf::Recipe(component) = image.program else { panic!("{} has no recipe", image.reference()) };
            let recipe = super::super::recipe::Recipe::find(component, &image.version).unwrap_or_else(|| panic!("{}", image.reference()));
            assert!(recipe.settings().unwrap().programs.contains_key(image.program_name()), "{}", image.reference());
        }
    }

    #[test]
    fn pause_waits_and_ends_when_told() {
        let work = tempfile::tempdir().unwrap();
        let program = match compile_pause(work.path()) {
            Err(ArtifactError::ProgramMissing { .. }) => return,
            compiled => compiled.unwrap(),
        };
        let mut child = Command::new(program).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::CHILD).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert!(child.try_wait().unwrap().is_none(), "ends by itself");
        kill_process(pid, Signal::TERM).unwrap();
        let start = Instant::now();
        assert!(child.wait().unwrap().success());
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
