//! `barque images`: what pods are made from.

use anyhow::Result;
use barque_engine::Context;
use barque_event::exit;

use super::bundle::{local, push_images};
use crate::arguments::{ImagesCommand, ImagesListArguments, Output, StateArguments};
use crate::settings;
use crate::terminal::{bundle as words, note, print_json, say};

/// Runs one of the verbs.
pub(crate) fn run(command: &ImagesCommand) -> Result<u8> {
    match command {
        ImagesCommand::List(arguments) => list(arguments),
        ImagesCommand::Push(arguments) => push_images(arguments),
    }
}

/// Lists the images; exit code 1 when the bundle lacks one that the cluster needs.
fn list(arguments: &ImagesListArguments) -> Result<u8> {
    let state = StateArguments { state_dir: None, identity: Some("unused".into()), passphrase_file: None };
    let mut options = settings::local(&arguments.cluster, &state)?;
    if let Some(bundle) = &arguments.bundle {
        local(bundle)?;
        options.bundle.clone_from(bundle);
    }
    let context = Context::load(options)?;
    let images = barque_engine::images(&context)?;
    match arguments.cluster.output {
        Output::Text => say(&words::images(&images))?,
        Output::Json => print_json(&images)?,
    }
    if images.iter().all(|image| image.digest.is_some() || image.is_pulled) {
        return Ok(exit::DONE);
    }
    note(&format!(
        "bundle `{}` lacks images that this cluster needs; `barque lab artifacts` obtains them",
        context.options.bundle.display()
    ))?;
    Ok(exit::FAILED)
}
