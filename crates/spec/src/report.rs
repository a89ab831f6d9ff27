//! Collects what is wrong with a file, and prints it with source excerpts.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::excerpt;

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Line, from 1.
    pub(crate) line: u32,
    /// Column in characters, from 1.
    pub(crate) column: u32,
    /// Characters that it covers, at least 1.
    pub(crate) width: u32,
}

impl Place {
    /// The start of the file.
    pub(crate) const START: Self = Self { line: 1, column: 1, width: 1 };

    /// A place from a parser's numbers: line from 1, column from 0.
    pub(crate) fn new(line: usize, column: usize, width: usize) -> Self {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Self { line: number(line).max(1), column: number(column).saturating_add(1), width: number(width).max(1) }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Located<T> {
    /// The value.
    pub(crate) value: T,
    /// Where.
    pub(crate) place: Place,
}

/// One thing that is wrong, or worth a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Characters that the place covers.
    pub width: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Problems of one file in the order of their places. `Display` prints each with its source line.
#[derive(Debug, Clone)]
pub struct Findings {
    severity: &'static str,
    file: String,
    source: String,
    items: Vec<Problem>,
    /// Lines that are not shown, because they hold a secret.
    hidden: BTreeSet<u32>,
}

impl Findings {
    /// The problems, in the order of the file.
    pub fn items(&self) -> &[Problem] {
        &self.items
    }

    /// Name of the file, as given.
    pub fn file(&self) -> &str {
        &self.file
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.items {
            writeln!(formatter, "{}: {}", self.severity, problem.message)?;
            let source = if self.hidden.contains(&problem.line) { "" } else { &self.source };
            excerpt::write(formatter, &self.file, source, problem)?;
            writeln!(formatter, "hint: {}\n", problem.hint)?;
        }
        let plural = if self.items.len() == 1 { "" } else { "s" };
        write!(formatter, "{}: {} {}{plural}", self.file, self.items.len(), self.severity)
    }
}

/// Everything that makes a file unusable. `Display` prints the whole report, one block per error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct SpecErrors(Findings);

impl SpecErrors {
    /// The errors, in the order of the file.
    pub fn items(&self) -> &[Problem] {
        self.0.items()
    }

    /// Name of the file, as given.
    pub fn file(&self) -> &str {
        self.0.file()
    }
}

/// Takes errors and warnings while a file is read.
#[derive(Debug)]
pub(crate) struct Report {
    errors: Findings,
    warnings: Findings,
}

impl Report {
    /// An empty report on `source`, called `file`.
    pub(crate) fn new(file: &str, source: &str) -> Self {
        let findings =
            |severity| Findings { severity, file: file.to_owned(), source: source.to_owned(), items: Vec::new(), hidden: BTreeSet::new() };
        Self { errors: findings("error"), warnings: findings("warning") }
    }

    /// Adds an error.
    pub(crate) fn error(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        add(&mut self.errors, place, message.into(), hint.into());
    }

    /// Adds a warning.
    pub(crate) fn warn(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        add(&mut self.warnings, place, message.into(), hint.into());
    }

    /// Keeps the line of `place` out of excerpts: it holds a secret.
    pub(crate) fn hide(&mut self, place: Place) {
        self.errors.hidden.insert(place.line);
        self.warnings.hidden.insert(place.line);
    }

    /// Whether there are errors so far.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.items.is_empty()
    }

    /// The value with the warnings, or the errors.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<(T, Findings), SpecErrors> {
        match value {
            Some(value) if !self.has_errors() => Ok((value, self.warnings)),
            _ => {
                if !self.has_errors() {
                    self.error(Place::START, "the file could not be resolved", "this is a defect of barque; report it with the file");
                }
                Err(SpecErrors(self.errors))
            }
        }
    }
}

fn add(findings: &mut Findings, place: Place, message: String, hint: String) {
    let problem = Problem { line: place.line, column: place.column, width: place.width, message, hint };
    // Several checks can find the same fault, and an alias repeats those of the value that it stands for.
    let after = findings.items.partition_point(|other| (other.line, other.column) <= (problem.line, problem.column));
    let same_place = findings.items[..after].iter().rev().take_while(|other| (other.line, other.column) == (problem.line, problem.column));
    if same_place.into_iter().any(|other| *other == problem) {
        return;
    }
    findings.items.insert(after, problem);
}
