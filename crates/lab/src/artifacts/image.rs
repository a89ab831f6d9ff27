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
    /// The program; its path in the image is its name.
    pub(super) program: ProgramOf,
    /// Path in the image, without the leading slash.
    pub(super) path: &'static str,
    /// See [`super::layout::Image::user`].
    pub(super) user: Option<&'static str>,
    /// SPDX expression of its program's licence.
    pub(super) licence: &'static str,
}

/// Images of add-ons that are packed here: the name of the image in the bundle, and of the recipe and the program in it. Their versions are the
/// add-ons' own.
const OF_ADDONS: &[(&str, &str)] = &[("registry.k8s.io/metrics-server/metrics-server", "metrics-server")];

/// The images of `release`, and those of add-ons.
pub(super) fn images(release: &Release) -> Vec<Packed> {
    let mut found = of_release(release);
    found.extend(of_addons());
    found
}

fn of_addons() -> Vec<Packed> {
    let mut found = Vec::new();
    for image in Library::embedded().barques().iter().flat_map(|addon| &addon.images) {
        let known = OF_ADDONS.iter().find(|(name, _)| image.artifact.as_deref() == Some(name));
        let Some((name, program)) = known else { continue };
        let (_, tag) = image.reference.rsplit_once(':').unwrap_or_default();
        found.push(Packed {
            name,
            version: image.version.clone(),
            tag: tag.to_owned(),
            program: ProgramOf::Recipe(program),
            path: program,
            user: Some("65534:65534"),
            licence: "Apache-2.0",
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
        let needed: Vec<&str> =
            Library::embedded().barques().iter().flat_map(|addon| &addon.images).map(|image| image.reference.as_str()).collect();
        assert_eq!(packed.iter().map(Packed::reference).collect::<Vec<_>>(), needed);
        for image in packed {
            assert!(super::super::recipe::Recipe::find(image.path, &image.version).is_some(), "{}", image.reference());
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
