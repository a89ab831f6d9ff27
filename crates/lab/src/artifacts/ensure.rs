//! Brings a bundle up to a release.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use barque_bundle::{Architecture, ArtifactKind, Bundle, Description};
use barque_model::{Digest, Release};
use fs_err as fs;

use super::component::{Component, components, is_for_tests};
use super::download::Downloads;
use super::error::io_error;
use super::image::{Packed, ProgramOf, compile_pause, images, pause_key};
use super::layout::Image;
use super::recipe::Recipe;
use super::source::{Fetched, Recipes, Source, SourceChoice, Wanted};
use super::toolchain::Toolchain;
use super::{ArtifactError, Progress, elf, packages, portable};

/// What to obtain and where to keep it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The cache folder; the bundle is its subfolder `bundle`.
    pub cache: &'a Path,
    /// The versions.
    pub release: &'a Release,
    /// The minimal Debian root that packages are resolved against; `None` leaves packages as they are.
    pub minimal_root: Option<&'a Path>,
}

/// Puts everything that `request` names into the bundle and answers it.
///
/// What is there already is not touched and not hashed again, so that a second call takes milliseconds. What is missing
/// comes from the official downloads or is built, one thing after the other; after a failure the next call goes on where this
/// one stopped. Processes that share a cache wait for each other.
pub fn ensure(request: Request<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Bundle, ArtifactError> {
    ensure_from(ways(&SourceChoice::usual()), Purpose::Tests, request, progress)
}

/// The same without what only tests use, with barque itself, and with programs from `sources`: the first that has one gives it. What is
/// there already stays, wherever it came from.
pub fn ensure_product(
    request: Request<'_>,
    sources: &[SourceChoice],
    own: OwnProgram<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Bundle, ArtifactError> {
    ensure_from(ways(sources), Purpose::Product(own), request, progress)
}

/// barque itself, for a machine that has nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnProgram<'a> {
    /// The program.
    pub path: &'a Path,
    /// Its name in the bundle.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// SPDX expression of its licence.
    pub licence: &'a str,
}

/// What the artifacts are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose<'a> {
    /// Clusters.
    Product(OwnProgram<'a>),
    /// Clusters, and tests with them.
    Tests,
}

fn ways(sources: &[SourceChoice]) -> Vec<Way> {
    let way = |choice: &SourceChoice| match choice {
        SourceChoice::Official => Way::Downloads(Downloads::new()),
        SourceChoice::Mirror(url) => Way::Downloads(Downloads::mirror(url)),
        SourceChoice::GoModules => Way::Recipes,
    };
    sources.iter().map(way).collect()
}

/// One of the ways, in their order.
enum Way {
    Downloads(Downloads),
    Recipes,
}

fn ensure_from(
    ways: Vec<Way>,
    purpose: Purpose<'_>,
    request: Request<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Bundle, ArtifactError> {
    let cache = request.cache;
    fs::create_dir_all(cache).map_err(io_error(format!("create the cache `{}`", cache.display())))?;
    let lock = fs::File::create(cache.join("artifacts.lock")).map_err(io_error("open the lock of the cache"))?;
    match lock.file().try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress(Progress::Waiting);
            lock.file().lock().map_err(io_error("lock the cache"))?;
        }
        Err(TryLockError::Error(source)) => return Err(io_error("lock the cache")(source)),
    }
    let recipes = Recipes { installed: Toolchain::installed(Path::new("go"))?, cache: cache.to_owned() };
    let mut run = Run {
        bundle: Bundle::create_or_open(cache.join("bundle"))?,
        architecture: this_architecture()?,
        ways,
        recipes,
        // Below the cache and not below /tmp: the programs are some hundred megabytes.
        work: tempfile::Builder::new().prefix("work-").tempdir_in(cache).map_err(io_error("create a work folder"))?,
        progress,
    };
    let is_wanted = |name: &str| purpose == Purpose::Tests || !is_for_tests(name);
    for component in components(request.release).into_iter().filter(|component| is_wanted(component.name)) {
        for program in component.programs {
            run.binary(&component, program)?;
        }
    }
    for image in images(request.release).into_iter().filter(|image| is_wanted(image.name)) {
        run.image(&image)?;
    }
    if let Some(root) = request.minimal_root {
        run.packages(root)?;
        run.portable(root)?;
    }
    if let Purpose::Product(own) = purpose {
        run.own(own)?;
    }
    Ok(run.bundle)
}

struct Run<'a> {
    bundle: Bundle,
    architecture: Architecture,
    ways: Vec<Way>,
    recipes: Recipes,
    work: tempfile::TempDir,
    progress: &'a mut dyn FnMut(Progress),
}

impl Run<'_> {
    fn binary(&mut self, component: &Component, program: &str) -> Result<(), ArtifactError> {
        let item = format!("{program} {}", component.version);
        let key = self.recipes.key(component.name, &component.version);
        if let Ok(found) = self.bundle.binary(program, &component.version, self.architecture)
            && is_current(&found.source, key.as_deref())
        {
            let found = found.clone();
            self.bundle.set_licence(&found, component.licence)?;
            (self.progress)(Progress::Present { item });
            return Ok(());
        }
        let start = self.start(&item);
        let Fetched { path, source } = self.program(component.name, &component.version, program)?;
        let description = self.description(ArtifactKind::Binary, program, &component.version, source, component.licence);
        self.store(item, start, &path, description)?;
        Ok(())
    }

    fn image(&mut self, image: &Packed) -> Result<(), ArtifactError> {
        let item = format!("image {}", image.reference());
        let program_key = match image.program {
            ProgramOf::Pause => pause_key(),
            ProgramOf::Recipe(component) => self.recipes.key(component, &image.version).unwrap_or_default(),
            ProgramOf::Bundle(name) => self.bundle.binary(name, &image.version, self.architecture)?.digest.to_string(),
        };
        let key = image.key(&program_key);
        if let Ok(found) = self.bundle.image(image.name, &image.version, self.architecture)
            && is_current(&found.source, Some(&key))
        {
            let found = found.clone();
            self.bundle.set_licence(&found, image.licence)?;
            (self.progress)(Progress::Present { item });
            return Ok(());
        }
        let start = self.start(&item);
        let program = match image.program {
            ProgramOf::Pause => compile_pause(self.work.path())?,
            ProgramOf::Recipe(component) => self.program(component, &image.version, image.program_name())?.path,
            ProgramOf::Bundle(name) => self.unpack(name, &image.version)?,
        };
        let layout = self.work.path().join("image.tar");
        let packed =
            Image { reference: image.reference(), program: &program, path: image.path, user: image.user, architecture: self.architecture };
        packed.write_to(&layout).map_err(io_error(format!("pack {item}")))?;
        let source = format!("packed from {}, key {key}", image.path);
        let description = self.description(ArtifactKind::Image, image.name, &image.version, source, image.licence);
        self.store(item, start, &layout, description)
    }

    fn packages(&mut self, root: &Path) -> Result<(), ArtifactError> {
        let item = format!("packages for {}", packages::DISTRIBUTION);
        let key = packages::key(root)?;
        if packages::are_present(&self.bundle, self.architecture, &key) {
            packages::set_licences(&mut self.bundle)?;
            (self.progress)(Progress::Present { item });
            return Ok(());
        }
        let start = self.start(&item);
        packages::store(&mut self.bundle, root, self.architecture, self.work.path(), &key)?;
        (self.progress)(Progress::Finished { item, seconds: start.elapsed().as_secs_f64(), source: format!("Debian, key {key}") });
        Ok(())
    }

    /// The same programs with their libraries, for other distributions.
    fn portable(&mut self, root: &Path) -> Result<(), ArtifactError> {
        let key = packages::key(root)?;
        for package in portable::packages() {
            let item = format!("{package} with its libraries, for any distribution");
            let Some(packing) = portable::missing(&self.bundle, self.architecture, package, &key) else {
                (self.progress)(Progress::Present { item });
                continue;
            };
            let start = self.start(&item);
            let source = packing.store(&mut self.bundle, root, self.work.path())?;
            (self.progress)(Progress::Finished { item, seconds: start.elapsed().as_secs_f64(), source });
        }
        Ok(())
    }

    fn own(&mut self, own: OwnProgram<'_>) -> Result<(), ArtifactError> {
        let item = format!("{} {}", own.name, own.version);
        let content = fs::read(own.path).map_err(io_error("read barque's own program"))?;
        let digest = Digest::of(&content);
        if self.bundle.binary(own.name, own.version, self.architecture).is_ok_and(|found| found.digest == digest) {
            (self.progress)(Progress::Present { item });
            return Ok(());
        }
        // A program that needs this machine's libraries is of no use on another.
        if !elf::is_static_program(own.path).map_err(io_error("read barque's own program"))? {
            return Err(ArtifactError::NotStatic { program: own.name.to_owned() });
        }
        let start = self.start(&item);
        let source = "the program that made the bundle".to_owned();
        let description = self.description(ArtifactKind::Binary, own.name, own.version, source, own.licence);
        self.store(item, start, own.path, description)
    }

    /// Gets a program from the first source that has it.
    fn program(&mut self, component: &str, version: &str, program: &str) -> Result<Fetched, ArtifactError> {
        let wanted = Wanted { component, version, program, architecture: self.architecture };
        for way in &mut self.ways {
            let source: &mut dyn Source = match way {
                Way::Downloads(downloads) => downloads,
                Way::Recipes => &mut self.recipes,
            };
            if let Some(fetched) = source.fetch(wanted, self.work.path(), self.progress)? {
                return Ok(fetched);
            }
        }
        let builds = self.ways.iter().any(|way| matches!(way, Way::Recipes));
        let known =
            if builds { Recipe::known_versions(component) } else { "not asked for: `go-modules` is none of the sources".to_owned() };
        Err(ArtifactError::NoSource { component: component.to_owned(), version: version.to_owned(), known })
    }

    fn unpack(&self, name: &str, version: &str) -> Result<PathBuf, ArtifactError> {
        let artifact = self.bundle.binary(name, version, self.architecture)?;
        let path = self.work.path().join(format!("unpacked-{name}"));
        let unpack = |mut content| io::copy(&mut content, &mut fs::File::create(&path)?);
        unpack(self.bundle.open_content(artifact)?).map_err(io_error(format!("unpack `{name}`")))?;
        Ok(path)
    }

    fn description(&self, kind: ArtifactKind, name: &str, version: &str, source: String, licence: &str) -> Description {
        let (name, version, licence) = (name.to_owned(), version.to_owned(), licence.to_owned());
        Description { kind, name, version, architecture: self.architecture, source, licence }
    }

    fn start(&mut self, item: &str) -> Instant {
        (self.progress)(Progress::Started { item: item.to_owned() });
        Instant::now()
    }

    /// Stores the file and tells so.
    fn store(&mut self, item: String, start: Instant, path: &Path, description: Description) -> Result<(), ArtifactError> {
        let artifact = self.bundle.add_file(path, description)?;
        (self.progress)(Progress::Finished { item, seconds: start.elapsed().as_secs_f64(), source: artifact.source });
        Ok(())
    }
}

/// A download stays good for ever; a build as long as its key is that of today's recipe. Without a recipe what is there is the best.
fn is_current(source: &str, key: Option<&str>) -> bool {
    source.starts_with("https://") || key.is_none_or(|key| source.ends_with(&format!("key {key}")))
}

fn this_architecture() -> Result<Architecture, ArtifactError> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(Architecture::Amd64),
        "aarch64" => Ok(Architecture::Arm64),
        other => Err(ArtifactError::UnsupportedArchitecture(other)),
    }
}

#[cfg(test)]
#[path = "ensure_tests.rs"]
mod tests;
