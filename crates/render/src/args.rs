//! Command lines as environment files that systemd reads.

use std::collections::BTreeMap;

use barque_model::{Cluster, Component};

use crate::header::managed;

/// Flags of one program, in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Args(Vec<(String, String)>);

impl Args {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds `--name=value`.
    #[expect(clippy::needless_pass_by_value, reason = "numbers, texts and references alike, without a sign at each call")]
    pub(crate) fn set(&mut self, name: &str, value: impl ToString) -> &mut Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds `--name=value` when `condition` holds.
    pub(crate) fn set_if(&mut self, condition: bool, name: &str, value: impl ToString) -> &mut Self {
        if condition {
            self.set(name, value);
        }
        self
    }

    /// Takes the user's flags for `component`: one of a name that barque sets replaces it in place, others follow in alphabetical order.
    pub(crate) fn merged(mut self, cluster: &Cluster, component: Component) -> Self {
        let empty = BTreeMap::new();
        for (name, value) in cluster.extra_args.get(&component).unwrap_or(&empty) {
            match self.0.iter_mut().find(|(known, _)| known == name) {
                Some(known) => known.1.clone_from(value),
                None => self.0.push((name.clone(), value.clone())),
            }
        }
        self
    }

    /// Names and values in order.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The environment file: `ARGS`, one flag per line.
    ///
    /// Two layers of quoting, undone in turn by systemd: the file (`EnvironmentFile=`: inside double quotes a backslash escapes `"`, `\`, `` ` ``
    /// and `$`, and a backslash at the end of a line joins it to the next), then the splitting of `$ARGS` in `ExecStart=` at blanks, which
    /// honours quotes. Neither layer expands variables inside the value.
    pub(crate) fn environment_file(&self, variable: &str) -> String {
        let mut text = format!("{variable}=\"");
        for (name, value) in &self.0 {
            text.push_str("\\\n");
            text.push_str(&escape_file(&quote_word(&format!("--{name}={value}"))));
            text.push(' ');
        }
        text.truncate(text.trim_end().len());
        text.push_str("\"\n");
        managed(&text)
    }
}

/// Quotes a word so that systemd's splitting yields it unchanged.
fn quote_word(word: &str) -> String {
    let plain = |character: char| !character.is_whitespace() && !matches!(character, '\'' | '"' | '\\');
    if word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("'");
    for character in word.chars() {
        if matches!(character, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('\'');
    quoted
}

/// Escapes for the inside of double quotes in an environment file.
fn escape_file(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '"' | '\\' | '`' | '$') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::cluster;

    #[test]
    fn one_flag_per_line() {
        let mut args = Args::new();
        args.set("a", "1").set_if(false, "b", "2").set("c", true);
        let text = args.environment_file("ARGS");
        let (header, body) = text.split_once('\n').unwrap();
        assert!(header.starts_with("# Managed by barque, run @barque-run@."));
        assert_eq!(body, "ARGS=\"\\\n--a=1 \\\n--c=true\"\n");
    }

    #[test]
    fn blanks_quotes_and_dollars_are_quoted_for_both_layers() {
        let mut args = Args::new();
        args.set("x", r#"a b"c$d\e'f"#);
        let text = args.environment_file("ARGS");
        assert!(text.ends_with("ARGS=\"\\\n'--x=a b\\\"c\\$d\\\\\\\\e\\\\'f'\"\n"), "{text}");
    }

    #[test]
    fn a_users_flag_replaces_or_follows() {
        let mut cluster = cluster();
        let extra = [("a".to_owned(), "new".to_owned()), ("zz".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        cluster.extra_args.insert(Component::KubeScheduler, extra.into());
        let mut args = Args::new();
        args.set("q", "0").set("a", "old");
        let merged = args.clone().merged(&cluster, Component::KubeScheduler);
        assert_eq!(merged.0, [("q", "0"), ("a", "new"), ("b", "2"), ("zz", "1")].map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(args.clone().merged(&cluster, Component::Kubelet), args);
    }
}
