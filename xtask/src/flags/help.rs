//! Reads `--help` in the styles of the programs that barque deploys.

use std::collections::BTreeMap;

/// A flag as its program describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flag {
    /// Its type's word; `bool` for a switch.
    pub(super) kind: String,
    /// Its default as printed; empty when none is printed.
    pub(super) default: String,
    /// Whether the program advises against it.
    pub(super) is_deprecated: bool,
}

/// The flags in `text`, by name.
///
/// pflag (Kubernetes) writes `  -v, --v Level   words (default 0)`, the words on the next lines where it wraps; Go's own package (flannel)
/// `  -iface value` with the words below; etcd `  --name 'default'` with the words below. Flags that a program hides are in none of them.
pub(super) fn flags(text: &str) -> BTreeMap<String, Flag> {
    let mut found = BTreeMap::new();
    let mut current: Option<(String, String, String)> = None;
    for line in text.lines() {
        if let Some((name, rest)) = flag_line(line) {
            finish(&mut found, current.take());
            let (kind, words) = kind_and_words(rest);
            current = Some((name.to_owned(), kind, words));
        } else if let Some((_, _, words)) = &mut current {
            if line.trim().is_empty() || !line.starts_with([' ', '\t']) {
                finish(&mut found, current.take());
            } else {
                words.push(' ');
                words.push_str(line.trim());
            }
        }
    }
    finish(&mut found, current);
    found
}

/// The name of the flag that a line describes, and what follows.
fn flag_line(line: &str) -> Option<(&str, &str)> {
    // Words of a description that mention a flag are indented further.
    let indent = line.len() - line.trim_start().len();
    if indent == 0 || indent > 6 || line.starts_with('\t') {
        return None;
    }
    let mut rest = line.trim_start();
    if let Some((short, long)) = rest.split_once(", ")
        && short.len() == 2
        && short.starts_with('-')
    {
        rest = long;
    }
    let rest = rest.strip_prefix("--").or_else(|| rest.strip_prefix('-'))?;
    let end =
        rest.find(|character: char| !(character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.'))).unwrap_or(rest.len());
    (end > 0).then(|| rest.split_at(end))
}

/// Type and words of what follows a name. etcd has the default there, in quotes.
fn kind_and_words(rest: &str) -> (String, String) {
    let rest = rest.trim_start_matches(|character: char| !character.is_whitespace());
    let trimmed = rest.trim_start();
    let gap = rest.len() - trimmed.len();
    if let Some(quoted) = trimmed.strip_prefix('\'') {
        let default = quoted.split('\'').next().unwrap_or_default();
        let kind = if matches!(default, "true" | "false") { "bool" } else { "value" };
        return (kind.to_owned(), format!("(default {default})"));
    }
    // One blank before the type, three and more before the words.
    if gap != 1 || trimmed.is_empty() {
        return ("bool".to_owned(), trimmed.to_owned());
    }
    let end = trimmed.find("   ").unwrap_or(trimmed.len());
    (trimmed[..end].trim().to_owned(), trimmed[end..].trim().to_owned())
}

fn finish(found: &mut BTreeMap<String, Flag>, flag: Option<(String, String, String)>) {
    let Some((name, kind, words)) = flag else { return };
    let is_deprecated = words.contains("(DEPRECATED") || words.starts_with("DEPRECATED") || words.contains("Deprecated: ");
    found.insert(name, Flag { kind, default: default_of(&words), is_deprecated });
}

/// What stands in the last `(default …)`, brackets inside it counted.
fn default_of(words: &str) -> String {
    let Some(start) = words.rfind("(default ") else { return String::new() };
    let mut depth = 0_usize;
    for (position, character) in words[start..].char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 1 => return words[start + "(default ".len()..start + position].trim_matches('"').to_owned(),
            ')' => depth -= 1,
            _ => {}
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn flag(kind: &str, default: &str, is_deprecated: bool) -> Flag {
        Flag { kind: kind.into(), default: default.into(), is_deprecated }
    }

    #[test]
    fn pflag_in_one_line_and_wrapped() {
        let text = "Generic flags:\n\n      --goaway-chance float      To prevent --http2 clients (default 0.1 (of 1))\n  -v, --v Level   number\n      --profiling     Enable profiling (default true)\n      --bind ip                                   \n                The IP address\n                (default 0.0.0.0) (DEPRECATED: use --config)\n\nOther flags:\n      --list strings   a,b (default [a,b])\n      --tracing[=true]   words\n";
        let flags = flags(text);
        assert_eq!(flags.len(), 6);
        assert_eq!(flags["goaway-chance"], flag("float", "0.1 (of 1)", false));
        assert_eq!(flags["v"], flag("Level", "", false));
        assert_eq!(flags["profiling"], flag("bool", "true", false));
        assert_eq!(flags["bind"], flag("ip", "0.0.0.0", true));
        assert_eq!(flags["list"], flag("strings", "[a,b]", false));
        assert_eq!(flags["tracing"], flag("bool", "", false));
    }

    #[test]
    fn go_flags_and_etcd() {
        let flannel = flags("Usage: flannel\n  -healthz-port int\n    \tthe port (default 0)\n  -ip-masq\n    \tsetup --masquerade\n");
        assert_eq!(flannel["healthz-port"], flag("int", "0", false));
        assert_eq!(flannel["ip-masq"], flag("bool", "", false));
        let etcd = flags("Member:\n  --name 'default'\n    Human-readable name.\n  --client-cert-auth 'false'\n    Enable it.\n");
        assert_eq!(etcd["name"], flag("value", "default", false));
        assert_eq!(etcd["client-cert-auth"], flag("bool", "false", false));
    }
}
