//! The JSON Schema of the cluster file.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::file::ClusterFile;

/// The JSON Schema (draft 2020-12) of the cluster file, with descriptions and defaults, for editors.
///
/// Two keywords are barque's own: `x-unit` is the unit of a number, `x-default` describes a default that depends on something else.
pub fn schema() -> Value {
    // Inlined, so that a field's own description stands beside its type and readers need not follow references.
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<ClusterFile>().to_value();
    schema["title"] = "barque cluster file, version 1".into();
    schema
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What [`crate::structure`] and [`crate::reference`] understand.
    const KEYWORDS: [&str; 17] = [
        "$schema",
        "title",
        "description",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "oneOf",
        "default",
        "format",
        "minimum",
        "maximum",
        "x-unit",
        "x-default",
    ];

    fn visit(schema: &Value, path: &str, see: &mut impl FnMut(&Value, &str)) {
        see(schema, path);
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            visit(field, &format!("{path}.{name}"), see);
        }
        for name in ["items", "additionalProperties"] {
            if schema[name].is_object() {
                visit(&schema[name], &format!("{path}.{name}"), see);
            }
        }
        for choice in schema["oneOf"].as_array().into_iter().flatten() {
            visit(choice, path, see);
        }
    }

    #[test]
    fn uses_only_keywords_that_are_checked() {
        visit(&schema(), "", &mut |schema, path| {
            for keyword in schema.as_object().unwrap().keys() {
                assert!(KEYWORDS.contains(&keyword.as_str()), "{path}: {keyword}");
            }
        });
    }

    #[test]
    fn every_field_is_described_and_has_a_default_or_is_required() {
        visit(&schema(), "", &mut |schema, path| {
            let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|other| other == name));
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                assert!(field["description"].as_str().is_some_and(|text| !text.is_empty()), "{path}.{name} has no description");
                let section = field["properties"].is_object();
                let default = !field["default"].is_null() || !field["x-default"].is_null();
                assert!(section || default != required(name), "{path}.{name}: default {default}");
            }
        });
    }

    #[test]
    fn unknown_fields_are_refused_in_every_mapping() {
        visit(&schema(), "", &mut |schema, path| {
            if schema["properties"].is_object() {
                assert_eq!(schema["additionalProperties"], false, "{path}");
            }
        });
    }
}
