//! The definitions of the Gateway API, without what is for people: the add-on is part of the binary, and nine tenths of them are descriptions.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

const TARGET: &str = "addons/gateway-api/objects/10-definitions.yaml";
const KIND: &str = "CustomResourceDefinition";
/// Names of fields stand here, and one of them may be called `description`.
const FIELDS: &str = "properties";

/// Reads every definition in `folder`, and writes them in one file of the add-on.
pub(crate) fn run(folder: &Path) -> Result<()> {
    let mut files: Vec<_> = fs_err::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut text =
        "# Made by `cargo xtask definitions` from config/crd/standard of sigs.k8s.io/gateway-api; one definition a line.\n".to_owned();
    let mut count = 0;
    for file in files {
        let documents = barque_addon::documents(&fs_err::read_to_string(&file)?).map_err(anyhow::Error::msg);
        for mut document in documents.with_context(|| file.display().to_string())? {
            if document["kind"] != KIND {
                continue;
            }
            without_descriptions(&mut document);
            if let Some(definition) = document.as_object_mut() {
                definition.retain(|name, _| name != "status");
            }
            let line = document.to_string();
            ensure!(!["{{", "{%", "{#"].iter().any(|tag| line.contains(tag)), "{}: it holds what templates understand", file.display());
            text.push_str(if count == 0 { "" } else { "---\n" });
            text.push_str(&line);
            text.push('\n');
            count += 1;
        }
    }
    ensure!(count > 0, "`{}` has no definitions", folder.display());
    fs_err::write(TARGET, &text)?;
    println!("{TARGET}: {count} definitions, {} bytes", text.len());
    Ok(())
}

fn without_descriptions(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, member| name != "description" || !member.is_string());
            for (name, member) in members.iter_mut() {
                match member.as_object_mut() {
                    Some(fields) if name == FIELDS => fields.values_mut().for_each(without_descriptions),
                    _ => without_descriptions(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_descriptions),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn descriptions_go_and_fields_of_that_name_stay() {
        let mut value = json!({"description": "for people", "properties": {"description": {"type": "string", "description": "a field"}},
            "items": [{"description": "one more", "type": "object"}]});
        without_descriptions(&mut value);
        assert_eq!(value, json!({"properties": {"description": {"type": "string"}}, "items": [{"type": "object"}]}));
    }
}
