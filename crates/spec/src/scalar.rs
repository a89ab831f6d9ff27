//! What a plain YAML scalar means (YAML 1.2.2, section 10.3.2, the core schema).

/// A scalar as written, and its type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    /// The text, after escapes and quotes.
    pub(crate) text: String,
    /// Its type.
    pub(crate) kind: ScalarKind,
}

/// The types that the core schema tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarKind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent, or a whole one that does not fit 64 bits.
    Number,
    /// Anything else, and everything in quotes.
    Text,
}

impl Scalar {
    /// A scalar without quotes.
    pub(crate) fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), kind: classify(text) }
    }

    /// A scalar in quotes or a block scalar.
    pub(crate) fn quoted(text: &str) -> Self {
        Self { text: text.to_owned(), kind: ScalarKind::Text }
    }
}

fn classify(text: &str) -> ScalarKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return ScalarKind::Null,
        "true" | "True" | "TRUE" => return ScalarKind::Boolean(true),
        "false" | "False" | "FALSE" => return ScalarKind::Boolean(false),
        _ => {}
    }
    let digits_of = |prefix: &str, radix| text.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, radix).ok());
    if let Some(number) = digits_of("0x", 16).or_else(|| digits_of("0o", 8)).or_else(|| text.parse().ok()) {
        return ScalarKind::Integer(number);
    }
    // `f64` also reads `inf` and `nan`, which are words in the core schema.
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    if numeric && text.parse::<f64>().is_ok() { ScalarKind::Number } else { ScalarKind::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_core_schema() {
        let kinds = [
            ("", ScalarKind::Null),
            ("~", ScalarKind::Null),
            ("true", ScalarKind::Boolean(true)),
            ("no", ScalarKind::Text),
            ("42", ScalarKind::Integer(42)),
            ("-1", ScalarKind::Integer(-1)),
            ("0x10", ScalarKind::Integer(16)),
            ("1.37", ScalarKind::Number),
            ("1e3", ScalarKind::Number),
            ("99999999999999999999", ScalarKind::Number),
            ("1.37.2", ScalarKind::Text),
            ("nan", ScalarKind::Text),
            ("10.0.0.1", ScalarKind::Text),
            ("e", ScalarKind::Text),
        ];
        for (text, kind) in kinds {
            assert_eq!(Scalar::plain(text).kind, kind, "{text}");
        }
        assert_eq!(Scalar::quoted("42").kind, ScalarKind::Text);
    }
}
