//! `barque kubeconfig`: the administrator's way into the cluster.

use fs_err::os::unix::fs::OpenOptionsExt as _;
use std::io::Write as _;

use anyhow::Result;
use barque_engine::Context;
use barque_event::exit;

use crate::arguments::KubeconfigArguments;
use crate::settings;
use crate::terminal::note;

/// Prints it, or writes it to a file that only its owner can read.
pub(crate) fn run(arguments: &KubeconfigArguments) -> Result<u8> {
    let context = Context::load(settings::local(&arguments.cluster, &arguments.state)?)?;
    let kubeconfig = barque_engine::kubeconfig(&context)?;
    let Some(path) = &arguments.to else {
        std::io::stdout().write_all(kubeconfig.expose())?;
        return Ok(exit::DONE);
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let name = path.file_name().map_or_else(|| "kubeconfig".into(), |name| name.to_string_lossy().into_owned());
    let temporary = directory.join(format!(".{name}.{}", std::process::id()));
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(kubeconfig.expose())?;
    file.sync_all()?;
    fs_err::rename(&temporary, path)?;
    note(&format!("wrote {}", path.display()))?;
    Ok(exit::DONE)
}
