//! Words for a shell whose kind is not known.

/// Quotes `word` so that a POSIX shell, csh and fish all read it back as one word. A backslash before another backslash would
/// be halved by fish; barque passes no such words.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_words_stay() {
        assert_eq!(quote("--stdio"), "--stdio");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn sh_reads_it_back(word in "[^\\x00]{0,24}") {
            let script = format!("printf %s {}", quote(&word));
            let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
            prop_assert_eq!(output.stdout, word.as_bytes());
        }
    }
}
