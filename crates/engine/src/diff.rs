//! How contents differ, as data for people and programs. Pure, and without a secret in any result.

use barque_model::{APPLIED_ANNOTATION, RUN_MARKER, as_rendered};
use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// Longer texts are not compared line by line; no file of barque's is longer than a few kilobytes.
const LONGEST: usize = 256 << 10;
/// What stands for a run's identifier, which is no difference.
const RUN: &str = "<run>";

/// How the content of a file or an object changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ContentChange {
    /// A text where nothing was.
    New {
        /// Number of lines.
        lines: usize,
        /// The whole text.
        text: String,
    },
    /// A text becomes another.
    Text {
        /// A unified diff.
        diff: String,
    },
    /// It changes, and must not be shown.
    Secret,
    /// It changes, and cannot be shown.
    Hidden {
        /// Why.
        reason: String,
    },
}

/// Names of the two sides of a diff.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) before: &'a str,
    pub(crate) after: &'a str,
}

/// What becomes of `before`, as it lies on a host or was rendered, when it becomes `after`.
pub(crate) fn content_change(before: &[u8], after: &[u8], sides: Sides<'_>) -> ContentChange {
    match (readable(before), readable(after)) {
        (Ok(before), Ok(after)) => ContentChange::Text { diff: unified(&before, &after, sides) },
        (Err(reason), _) | (_, Err(reason)) => ContentChange::Hidden { reason },
    }
}

/// What a file that is not there yet will hold.
pub(crate) fn new_content(content: &[u8]) -> ContentChange {
    match readable(content) {
        Ok(text) => ContentChange::New { lines: text.lines().count(), text },
        Err(reason) => ContentChange::Hidden { reason },
    }
}

fn readable(content: &[u8]) -> Result<String, String> {
    if content.len() > LONGEST {
        return Err(format!("{} bytes are too many to compare line by line", content.len()));
    }
    match std::str::from_utf8(&as_rendered(content)) {
        Ok(text) if !text.contains('\0') => Ok(text.replace(RUN_MARKER, RUN)),
        _ => Err("it is no text".to_owned()),
    }
}

fn unified(before: &str, after: &str, sides: Sides<'_>) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(CONTEXT).header(sides.before, sides.after).to_string()
}

/// What applying an object, given as JSON, changes of its live state. Of that only the fields that barque sets count; what the API server and
/// others set beside them is no difference. `None` when those fields are equal.
pub(crate) fn object_change(wanted: &str, live: Option<&Value>) -> Option<ContentChange> {
    let sides = Sides { before: "in the cluster", after: "as wanted" };
    let wanted = object(wanted);
    let Some(live) = live else {
        return Some(if is_secret(&wanted) { ContentChange::Secret } else { new_content(lines_of(&wanted).as_bytes()) });
    };
    let live = cut_down_object(&wanted, live);
    compared(&live, &wanted, sides)
}

/// What somebody changed of an object that barque applied, likewise.
pub(crate) fn object_edit(applied: &str, live: &Value) -> Option<ContentChange> {
    let applied = object(applied);
    let live = cut_down_object(&applied, live);
    compared(&applied, &live, Sides { before: "as barque would apply it", after: "in the cluster" })
}

fn compared(before: &Value, after: &Value, sides: Sides<'_>) -> Option<ContentChange> {
    if before == after {
        return None;
    }
    Some(if is_secret(before) {
        ContentChange::Secret
    } else {
        content_change(lines_of(before).as_bytes(), lines_of(after).as_bytes(), sides)
    })
}

fn object(text: &str) -> Value {
    let mut object = serde_json::from_str(text).unwrap_or_default();
    without_annotation(&mut object);
    object
}

fn is_secret(object: &Value) -> bool {
    object["kind"] == "Secret"
}

fn cut_down_object(like: &Value, live: &Value) -> Value {
    let mut live = live.clone();
    without_annotation(&mut live);
    cut_down(like, &live)
}

fn lines_of(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The annotation is a digest of the rest, and says nothing to a reader.
fn without_annotation(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    annotations.shift_remove(APPLIED_ANNOTATION);
    if annotations.is_empty() {
        metadata.shift_remove("annotations");
    }
}

/// Those members of `live` that `wanted` names, in the order of `wanted`.
fn cut_down(wanted: &Value, live: &Value) -> Value {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            let members = wanted.iter().filter_map(|(key, value)| Some((key.clone(), cut_down(value, live.get(key)?))));
            Value::Object(members.collect())
        }
        (Value::Array(wanted), Value::Array(live)) => {
            let items =
                live.iter().enumerate().map(|(index, item)| wanted.get(index).map_or_else(|| item.clone(), |like| cut_down(like, item)));
            Value::Array(items.collect())
        }
        (_, live) => live.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SIDES: Sides<'_> = Sides { before: "on m1", after: "as wanted" };

    #[test]
    fn the_identifier_of_a_run_is_no_difference() {
        let there = b"# Managed by barque, run 20261125T020304Z-1a2b.\nA=1\nB=2\nC=3\n";
        let wanted = b"# Managed by barque, run @barque-run@.\nA=1\nB=two\nC=3\n";
        let ContentChange::Text { diff } = content_change(there, wanted, SIDES) else { panic!("a text") };
        insta::assert_snapshot!(diff, @r"
        --- on m1
        +++ as wanted
        @@ -1,4 +1,4 @@
         # Managed by barque, run <run>.
         A=1
        -B=2
        +B=two
         C=3
        ");
    }

    #[test]
    fn a_missing_line_end_is_a_difference() {
        let ContentChange::Text { diff } = content_change(b"A=1", b"A=1\n", SIDES) else { panic!("a text") };
        insta::assert_snapshot!(diff, @r"
        --- on m1
        +++ as wanted
        @@ -1 +1 @@
        -A=1
        \ No newline at end of file
        +A=1
        ");
    }

    #[test]
    fn what_is_no_text_is_not_shown() {
        for content in [&b"\xff\xfe"[..], b"a\0b", &vec![b'x'; LONGEST + 1]] {
            assert!(matches!(content_change(b"", content, SIDES), ContentChange::Hidden { .. }));
            assert!(matches!(content_change(content, b"", SIDES), ContentChange::Hidden { .. }));
            assert!(matches!(new_content(content), ContentChange::Hidden { .. }));
        }
    }

    #[test]
    fn of_a_live_object_only_what_barque_sets_counts() {
        let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "annotations": {APPLIED_ANNOTATION: "2"}}, "data": {"a": "1", "b": "2"}});
        let mut live = json!({
            "kind": "ConfigMap", "apiVersion": "v1", "data": {"b": "2", "a": "1", "theirs": "x"},
            "metadata": {"name": "c", "uid": "u", "annotations": {APPLIED_ANNOTATION: "1", "other": "y"}}
        });
        assert_eq!(object_change(&wanted.to_string(), Some(&live)), None);
        live["data"]["a"] = json!("0");
        let Some(ContentChange::Text { diff }) = object_change(&wanted.to_string(), Some(&live)) else { panic!("a text") };
        insta::assert_snapshot!(diff, @r#"
        --- in the cluster
        +++ as wanted
        @@ -5,7 +5,7 @@
             "name": "c"
           },
           "data": {
        -    "a": "0",
        +    "a": "1",
             "b": "2"
           }
         }
        "#);
        let Some(ContentChange::Text { diff }) = object_edit(&wanted.to_string(), &live) else { panic!("a text") };
        assert!(diff.contains("-    \"a\": \"1\"") && diff.contains("+    \"a\": \"0\""), "{diff}");
        assert!(matches!(object_change(&wanted.to_string(), None), Some(ContentChange::New { lines: 11, .. })));
    }

    #[test]
    fn lists_keep_what_somebody_added() {
        let wanted = json!({"rules": [{"verbs": ["get"]}]});
        let live = json!({"rules": [{"verbs": ["get"], "defaulted": true}, {"verbs": ["delete"]}]});
        assert_eq!(cut_down(&wanted, &live), json!({"rules": [{"verbs": ["get"]}, {"verbs": ["delete"]}]}));
    }

    #[test]
    fn a_secret_object_is_never_shown() {
        let wanted = json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "aHVudGVyMg=="}}).to_string();
        let live = json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "b2xk"}});
        assert_eq!(object_change(&wanted, Some(&live)), Some(ContentChange::Secret));
        assert_eq!(object_change(&wanted, None), Some(ContentChange::Secret));
        assert_eq!(object_edit(&wanted, &live), Some(ContentChange::Secret));
    }
}
