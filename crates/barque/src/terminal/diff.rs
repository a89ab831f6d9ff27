//! Contents that change, as text for people.

use std::fmt::Write as _;

use barque_engine::ContentChange;

const REMOVED: anstyle::Style = anstyle::Style::new().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Red)));
const ADDED: anstyle::Style = anstyle::Style::new().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Green)));
const PLACE: anstyle::Style = anstyle::Style::new().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Cyan)));

/// What is said of a content within a line.
pub(crate) fn content_words(content: &ContentChange) -> String {
    match content {
        ContentChange::New { lines: 1, .. } => "new, 1 line".to_owned(),
        ContentChange::New { lines, .. } => format!("new, {lines} lines"),
        ContentChange::Text { .. } => String::new(),
        ContentChange::Secret => "secret: content changed".to_owned(),
        ContentChange::Hidden { reason } => format!("content changed, not shown: {reason}"),
    }
}

/// The lines that follow: a diff, and the whole of what is new when `verbose`. Empty when there are none.
pub(crate) fn content_lines(content: &ContentChange, verbose: bool, indent: usize) -> String {
    match content {
        ContentChange::Text { diff } => diff_lines(diff, indent),
        ContentChange::New { text, .. } if verbose => text.lines().fold(String::new(), |mut lines, line| {
            let _ = writeln!(lines, "{:indent$}{ADDED}+{}{ADDED:#}", "", printable(line));
            lines
        }),
        ContentChange::New { .. } | ContentChange::Secret | ContentChange::Hidden { .. } => String::new(),
    }
}

/// A unified diff, indented and in colour; the signs say the same without it.
fn diff_lines(diff: &str, indent: usize) -> String {
    let mut text = String::new();
    for line in diff.lines() {
        let style = match line.as_bytes().first() {
            Some(b'+') => ADDED,
            Some(b'-') => REMOVED,
            Some(b'@') => PLACE,
            _ => anstyle::Style::new(),
        };
        let _ = writeln!(text, "{:indent$}{style}{}{style:#}", "", printable(line));
    }
    text
}

/// Text of a host, with whatever could steer a terminal made visible.
pub(crate) fn printable(text: &str) -> String {
    let steers = |letter: char| {
        (letter.is_control() && letter != '\t')
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if steers(letter) { shown.extend(letter.escape_unicode()) } else { shown.push(letter) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_diff_keeps_its_signs_without_colour() {
        let content = ContentChange::Text { diff: "--- a\n+++ b\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n".into() };
        let text = content_lines(&content, false, 4);
        assert!(text.contains('\u{1b}'));
        assert_eq!(plain(&text), "    --- a\n    +++ b\n    @@ -1,2 +1,2 @@\n     same\n    -old\n    +new\n");
    }

    #[test]
    fn a_new_file_shows_its_length_and_its_content_when_asked() {
        let content = ContentChange::New { lines: 2, text: "a\nb\n".into() };
        assert_eq!(content_words(&content), "new, 2 lines");
        assert_eq!(content_lines(&content, false, 2), "");
        assert_eq!(plain(&content_lines(&content, true, 2)), "  +a\n  +b\n");
    }

    #[test]
    fn a_secret_is_only_said_to_change() {
        assert_eq!(content_words(&ContentChange::Secret), "secret: content changed");
        assert_eq!(content_lines(&ContentChange::Secret, true, 2), "");
    }

    #[test]
    fn a_file_cannot_steer_the_terminal() {
        assert_eq!(printable("a\tb\u{1b}[2Jc\u{202e}d\r"), "a\tb\\u{1b}[2Jc\\u{202e}d\\u{d}");
    }
}
