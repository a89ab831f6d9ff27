//! Builds programs by recipe.

use std::path::{Path, PathBuf};

use super::command::run;
use super::error::io_error;
use super::recipe::Recipe;
use super::toolchain::Toolchain;
use super::{ArtifactError, elf, pages};

/// Flags of every build: no path and no time of this machine gets into a program.
pub(super) const FIXED_FLAGS: &[&str] = &["-trimpath", "-mod=readonly", "-buildvcs=false"];

/// Builds one program of `recipe` below `work` and answers where it lies.
///
/// Go's own caches make a second build of the same recipe quick, also for its other programs.
pub(super) fn build(toolchain: &Toolchain, recipe: &Recipe, program: &str, work: &Path) -> Result<PathBuf, ArtifactError> {
    let settings = recipe.settings()?;
    let Some(package) = settings.programs.get(program) else {
        let (component, version) = recipe.folder.rsplit_once('-').unwrap_or((&recipe.folder, ""));
        return Err(ArtifactError::NoSource {
            component: format!("{program} of {component}"),
            version: version.to_owned(),
            known: "its recipe does not build this program".to_owned(),
        });
    };
    let folder = work.join(&recipe.folder);
    recipe.write_to(&folder).map_err(io_error(format!("write recipe `{}`", folder.display())))?;
    if let Some(pages) = &settings.pages {
        pages::prepare(toolchain, pages, &folder)?;
    }
    let output = folder.join("out").join(program);
    let mut command = toolchain.command();
    command.current_dir(&folder).env("CGO_ENABLED", if settings.cgo { "1" } else { "0" });
    command.arg("build").args(FIXED_FLAGS).args(["-ldflags", &settings.ldflags]);
    if !settings.tags.is_empty() {
        command.args(["-tags", &settings.tags.join(",")]);
    }
    command.arg("-o").arg(&output).arg(package);
    run(&mut command)?;
    if !elf::is_static_program(&output).map_err(io_error(format!("read `{}`", output.display())))? {
        return Err(ArtifactError::NotStatic { program: program.to_owned() });
    }
    Ok(output)
}
