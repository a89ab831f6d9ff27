//! Turns an add-on on or off in the cluster file.

use std::path::Path;

use anyhow::Result;
use barque_engine::{Context, EngineError};
use barque_event::exit;
use barque_spec::{AddonChange, change_addon};
use serde_json::{Value, json};

use super::look::context;
use crate::arguments::{AddonsShowArguments, Output};
use crate::terminal::{note, print_json, say};

/// The add-on that is always on.
const DNS: &str = "dns";

/// Changes the file, when it may be; what it came to is validated before it is written.
pub(super) fn run(arguments: &AddonsShowArguments, enabled: bool, settings: &[(String, String)]) -> Result<u8> {
    let context = context(&arguments.cluster)?;
    let name = arguments.name.as_str();
    let is_on = context.cluster.addons.iter().any(|addon| addon.name.as_str() == name);
    if !is_on && context.addons.get(name).is_none() && !context.text.contains(name) {
        let names = barque_engine::addon_rows(&context).into_iter().map(|row| row.name.to_string()).collect();
        return Err(EngineError::NoAddon { name: name.to_owned(), nearest: context.addons.nearest(name), names }.into());
    }
    if name == DNS && (!enabled || settings.is_empty()) {
        return refused("add-on `dns` is always on: pods find services by it", "");
    }
    if !enabled && !is_on {
        return answer(arguments, enabled, false);
    }
    let settings: Vec<(String, String)> = settings.iter().map(|(key, value)| (key.clone(), written(&context, name, key, value))).collect();
    let text = match change_addon(&context.text, &AddonChange { name, enabled, settings: &settings }) {
        Ok(text) => text,
        Err(refusal) => return refused(&refusal.to_string(), &refusal.lines),
    };
    let changed = text != context.text;
    if changed {
        Context::from_text(context.options.clone(), text.clone())?;
        fs_err::write(&arguments.cluster.file, text)?;
    }
    answer(arguments, enabled, changed)
}

/// A value as YAML says it: text is put in quotes, so that `1` stays text where text is wanted.
fn written(context: &Context, name: &str, key: &str, value: &str) -> String {
    let is_text = context.addons.get(name).is_some_and(|addon| addon.settings.is_text(key));
    let is_plain = serde_json::from_str::<Value>(value).is_ok_and(|value| value.is_number() || value.is_boolean());
    if is_plain && !is_text { value.to_owned() } else { Value::String(value.to_owned()).to_string() }
}

fn refused(reason: &str, lines: &str) -> Result<u8> {
    note(&format!("error: {reason}"))?;
    if !lines.is_empty() {
        note("hint: write this into the cluster file, below `spec:`; `barque validate` checks it")?;
        say(lines.trim_end())?;
    }
    Ok(exit::REFUSED)
}

fn answer(arguments: &AddonsShowArguments, enabled: bool, changed: bool) -> Result<u8> {
    let (name, file) = (&arguments.name, &arguments.cluster.file);
    match arguments.cluster.output {
        Output::Json => print_json(&json!({"addon": name, "enabled": enabled, "changed": changed, "file": file}))?,
        Output::Text => say(&words(name, file, enabled, changed))?,
    }
    Ok(exit::DONE)
}

fn words(name: &str, file: &Path, enabled: bool, changed: bool) -> String {
    let state = if enabled { "on" } else { "off" };
    let (shown, option) =
        (file.display(), if file == Path::new("cluster.yaml") { String::new() } else { format!(" -f {}", file.display()) });
    if !changed {
        return format!("add-on `{name}` is {state} in `{shown}` already; nothing was changed");
    }
    format!(
        "add-on `{name}` is {state} in `{shown}`; no host was touched\nnext: `barque plan{option}` shows what follows, `barque up{option}` does it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_run_next_is_said() {
        insta::assert_snapshot!(words("x", Path::new("a.yaml"), true, true), @r"
        add-on `x` is on in `a.yaml`; no host was touched
        next: `barque plan -f a.yaml` shows what follows, `barque up -f a.yaml` does it
        ");
        insta::assert_snapshot!(words("x", Path::new("cluster.yaml"), false, false), @"add-on `x` is off in `cluster.yaml` already; nothing was changed");
    }
}
