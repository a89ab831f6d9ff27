//! The files that an import reads, with what is wrong in each and what is left out of each.

use std::collections::BTreeMap;

use crate::report::{Place, Report, SpecErrors};

/// A place in one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    /// Position of the file among all.
    pub(super) file: usize,
    /// Where in it.
    pub(super) place: Place,
}

/// The files and what was found.
pub(super) struct Sources {
    files: Vec<(String, Report)>,
    /// What is left out for a reason, by place.
    notes: BTreeMap<Origin, Vec<String>>,
    /// Names of settings that barque has no use for, by place.
    unread: BTreeMap<Origin, String>,
}

impl Sources {
    /// No files yet.
    pub(super) const fn new() -> Self {
        Self { files: Vec::new(), notes: BTreeMap::new(), unread: BTreeMap::new() }
    }

    /// Adds a file; its position.
    pub(super) fn add(&mut self, name: &str, text: &str) -> usize {
        self.files.push((name.to_owned(), Report::new(name, text)));
        self.files.len() - 1
    }

    /// The report on a file.
    pub(super) fn report(&mut self, file: usize) -> &mut Report {
        &mut self.files[file].1
    }

    /// Adds an error.
    pub(super) fn error(&mut self, origin: Origin, message: impl Into<String>, hint: impl Into<String>) {
        self.report(origin.file).error(origin.place, message, hint);
    }

    /// Says what is left out, or taken otherwise than written, and why.
    pub(super) fn note(&mut self, origin: Origin, text: impl Into<String>) {
        let (notes, text) = (self.notes.entry(origin).or_default(), text.into());
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    /// Says that a setting is not read.
    pub(super) fn unread(&mut self, origin: Origin, name: &str) {
        self.unread.insert(origin, name.to_owned());
    }

    /// `file:line`.
    pub(super) fn label(&self, origin: Origin) -> String {
        format!("{}:{}", self.files[origin.file].0, origin.place.line)
    }

    /// The errors of each file that has some, or what was left out, a line each.
    pub(super) fn finish(self) -> Result<Vec<String>, Vec<SpecErrors>> {
        let mut lines = Vec::new();
        for (origin, notes) in &self.notes {
            lines.extend(notes.iter().map(|text| format!("{}: {text}", self.label(*origin))));
        }
        for (position, (file, _)) in self.files.iter().enumerate() {
            let names: Vec<String> = self
                .unread
                .iter()
                .filter(|(origin, _)| origin.file == position)
                .map(|(origin, name)| format!("{name} (line {})", origin.place.line))
                .collect();
            if !names.is_empty() {
                lines.push(format!("{file}: not read: {}", names.join(", ")));
            }
        }
        let faulty = self.files.into_iter().filter(|(_, report)| report.has_errors());
        let errors: Vec<SpecErrors> = faulty.filter_map(|(_, report)| report.finish::<()>(None).err()).collect();
        if errors.is_empty() { Ok(lines) } else { Err(errors) }
    }
}
