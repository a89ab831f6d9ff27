//! A source line with a caret under the place.

use std::fmt;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::report::Problem;

/// Columns of source shown at most; a longer line is cut around the place.
const MAX_COLUMNS: usize = 120;

/// Writes where `problem` is, the line and a caret under it; only the place when the line is beyond the end of the file.
pub(crate) fn write(formatter: &mut fmt::Formatter<'_>, file: &str, source: &str, problem: &Problem) -> fmt::Result {
    let number = problem.line.to_string();
    let margin = " ".repeat(number.len());
    writeln!(formatter, "{margin}--> {file}:{}:{}", problem.line, problem.column)?;
    let Some(line) = source.lines().nth(problem.line as usize - 1) else {
        return Ok(());
    };
    // Control characters (tabs, escapes) would move the caret or the terminal.
    let shown: String = line.trim_end().chars().map(|character| if character.width().is_none() { ' ' } else { character }).collect();
    let start = problem.column as usize - 1;
    let before: String = shown.chars().take(start).collect();
    let marked: String = shown.chars().skip(start).take(problem.width as usize).collect();
    let (text, before_width) = window(&shown, &before);
    let carets = marked.width().clamp(1, MAX_COLUMNS - before_width.min(MAX_COLUMNS - 1));
    writeln!(formatter, "{margin} |")?;
    writeln!(formatter, "{number} | {text}")?;
    writeln!(formatter, "{margin} | {}{}", " ".repeat(before_width), "^".repeat(carets))
}

/// The part of `shown` to print, and the width of what stands before the place in it.
fn window(shown: &str, before: &str) -> (String, usize) {
    let cut_left = before.width() > MAX_COLUMNS / 2;
    let skip = if cut_left { before.chars().count().saturating_sub(MAX_COLUMNS / 4) } else { 0 };
    let mut text = if cut_left { "... ".to_owned() } else { String::new() };
    let lead: String = before.chars().skip(skip).collect();
    let before_width = text.width() + lead.width();
    for character in shown.chars().skip(skip) {
        if text.width() + 4 >= MAX_COLUMNS {
            text.push_str(" ...");
            break;
        }
        text.push(character);
    }
    (text, before_width)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shown<'source>(&'source str, u32, u32);

    impl fmt::Display for Shown<'_> {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            let problem = Problem { line: 1, column: self.1, width: self.2, message: String::new(), hint: String::new() };
            write(formatter, "f", self.0, &problem)
        }
    }

    #[test]
    fn carets_stand_under_wide_characters() {
        assert_eq!(Shown("主机: ab", 5, 2).to_string(), " --> f:1:5\n  |\n1 | 主机: ab\n  |       ^^\n");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let line = format!("{}bad{}", "x".repeat(500), "y".repeat(500));
        let text = Shown(&line, 501, 3).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].len() <= MAX_COLUMNS + 8, "{text}");
        let caret = lines[3].find('^').map(|at| &lines[2][at..at + 3]);
        assert_eq!(caret, Some("bad"), "{text}");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert!(!Shown("a\u{1b}[31m\tb", 1, 1).to_string().contains(['\u{1b}', '\t']));
    }
}
