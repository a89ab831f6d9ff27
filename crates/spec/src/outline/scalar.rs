//! Text as a YAML scalar.

use crate::scalar::{Scalar, ScalarKind};

/// The text as it must be written so that it is read as text: plain where that is safe, else in quotes.
pub(super) fn scalar(text: &str) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/');
    let rest = text.strip_prefix("~/").unwrap_or(text);
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'~'));
    if first && rest.bytes().all(allowed) && Scalar::plain(text).kind == ScalarKind::Text {
        text.to_owned()
    } else {
        // A JSON string is a double-quoted YAML scalar.
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::report::Report;
    use crate::yaml::{Content, parse};

    proptest! {
        #[test]
        fn what_is_written_is_read(text in "\\PC{0,24}") {
            let document = format!("[{}]", scalar(&text));
            let mut report = Report::new("", &document);
            let node = parse(&document, &mut report).unwrap();
            let Content::List(items) = node.content else { panic!("no list") };
            let Content::Scalar(read) = &items[0].content else { panic!("no scalar") };
            prop_assert_eq!(read, &Scalar::quoted(&text));
        }
    }

    #[test]
    fn plain_where_it_is_safe() {
        let texts = ["m1", "10.0.0.1", "~/.ssh/id", "10.0.0.0/8", "30000-32767", "0", "1e3", "true", "~", "a b", "-x", "a: b", ""];
        let shown: Vec<String> = texts.into_iter().map(scalar).collect();
        assert_eq!(
            shown,
            [
                "m1",
                "10.0.0.1",
                "~/.ssh/id",
                "10.0.0.0/8",
                "30000-32767",
                "\"0\"",
                "\"1e3\"",
                "\"true\"",
                "\"~\"",
                "\"a b\"",
                "\"-x\"",
                "\"a: b\"",
                "\"\""
            ]
        );
    }
}
