//! Images that objects name.

use serde_json::Value;

/// Every image of every container in an object, at any depth, in the order in which they are found, each once.
pub(crate) fn of_objects<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    let mut found = Vec::new();
    for object in objects {
        collect(object, &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if matches!(key.as_str(), "containers" | "initContainers") {
                    let images = member.as_array().into_iter().flatten().filter_map(|container| container["image"].as_str());
                    for image in images {
                        if !found.iter().any(|known| known == image) {
                            found.push(image.to_owned());
                        }
                    }
                }
                collect(member, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}
