//! Turns an add-on on or off in the text of a cluster file, and leaves every other byte of it as it is.

use std::fmt::Write as _;

use crate::report::{Place, Report};
use crate::scalar::Scalar;
use crate::yaml::{self, Content, Node};

/// What is to become of an add-on's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddonChange<'a> {
    /// The add-on.
    pub name: &'a str,
    /// Whether it is on afterwards.
    pub enabled: bool,
    /// Settings to set: name, and value as it is to be written in YAML.
    pub settings: &'a [(String, String)],
}

/// Why the text is not changed. The lines to write by hand are in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cluster file is written in a way that cannot be changed safely: {reason}")]
pub struct AddonEditRefusal {
    /// Why.
    pub reason: String,
    /// What to write below `spec:`.
    pub lines: String,
}

/// Answers the text with the change, which is the same text when nothing is to be changed. What the edit came to is read again: whatever
/// else would be different makes it a refusal.
pub fn change_addon(text: &str, change: &AddonChange<'_>) -> Result<String, AddonEditRefusal> {
    let refuse = |reason: &str| AddonEditRefusal { reason: reason.to_owned(), lines: entry_lines(change, "  ", "\n", true) };
    let root = read(text).ok_or_else(|| refuse("it is not valid YAML"))?;
    let edited = Editor::new(text).edit(&root, change).map_err(refuse)?;
    let after = read(&edited).ok_or_else(|| refuse("the change would not be valid YAML"))?;
    if !is_as_wanted(&after, change) || without(&root, change.name) != without(&after, change.name) {
        return Err(refuse("the change would touch more than the add-on"));
    }
    Ok(edited)
}

fn read(text: &str) -> Option<Node> {
    let mut report = Report::new("", text);
    let root = yaml::parse(text, &mut report)?;
    (!report.has_errors()).then_some(root)
}

/// The text as lines, each with its end.
struct Editor<'text> {
    lines: Vec<String>,
    end: &'text str,
}

impl<'text> Editor<'text> {
    fn new(text: &'text str) -> Self {
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        Self { lines: text.split_inclusive('\n').map(str::to_owned).collect(), end }
    }

    fn edit(mut self, root: &Node, change: &AddonChange<'_>) -> Result<String, &'static str> {
        let spec = root.get("spec").ok_or("it has no `spec`")?;
        let Content::Map(fields) = &spec.content else { return Err("`spec` is no mapping") };
        let (first, _) = fields.first().ok_or("`spec` is empty")?;
        self.is_block(first.place)?;
        let indent = " ".repeat(column(first.place));
        match fields.iter().find(|(key, _)| key.text == "addons") {
            None if change.enabled => {
                let at = self.after(&spec_end(root));
                let lines = entry_lines(change, &indent, self.end, true);
                self.insert(at, &lines);
            }
            None => return Err("it has no such add-on"),
            Some((key, list)) => {
                let Content::List(entries) = &list.content else { return Err("`spec.addons` is no list") };
                match entries.iter().find(|entry| scalar(entry.get("name")) == Some(change.name)) {
                    Some(entry) => self.entry(entry, change)?,
                    None => self.append(key.place, entries, change)?,
                }
            }
        }
        Ok(self.lines.concat())
    }

    /// Adds an entry at the end of the list.
    fn append(&mut self, key: Place, entries: &[Node], change: &AddonChange<'_>) -> Result<(), &'static str> {
        let Some(last) = entries.last() else { return Err("`spec.addons` is an empty list; remove it") };
        let Content::Map(fields) = &last.content else { return Err("an entry of `spec.addons` is no mapping") };
        let (first, _) = fields.first().ok_or("an entry of `spec.addons` is empty")?;
        let dash = self.dash_before(first.place)?;
        if key.line >= first.place.line {
            return Err("`spec.addons` is written on one line");
        }
        let at = self.after(&(last_line(last), dash));
        let lines = entry_lines(change, &" ".repeat(dash), self.end, false);
        self.insert(at, &lines);
        Ok(())
    }

    /// Changes an entry that is there.
    fn entry(&mut self, entry: &Node, change: &AddonChange<'_>) -> Result<(), &'static str> {
        let Content::Map(fields) = &entry.content else { return Err("the add-on's entry is no mapping") };
        let (first, _) = fields.first().ok_or("the add-on's entry is empty")?;
        self.dash_before(first.place)?;
        let indent = " ".repeat(column(first.place));
        let name = fields.iter().find(|(key, _)| key.text == "name").ok_or("the add-on's entry has no name")?;
        // From the end backwards, so that the places above stay right.
        let mut edits: Vec<(u32, Edit)> = Vec::new();
        match entry.get("enabled") {
            Some(node) if scalar(Some(node)) != Some(if change.enabled { "true" } else { "false" }) => {
                edits.push((node.place.line, Edit::Replace(node.place, change.enabled.to_string())));
            }
            None if !change.enabled => edits.push((name.1.place.line, Edit::Below(format!("{indent}enabled: false{}", self.end)))),
            _ => {}
        }
        let settings = entry.get("settings");
        let mut fresh: Vec<String> = Vec::new();
        for (key, value) in change.settings {
            match settings.and_then(|settings| settings.get(key)) {
                Some(node) if matches!(node.content, Content::Scalar(_)) => {
                    if !same(node, value) {
                        edits.push((node.place.line, Edit::Replace(node.place, value.clone())));
                    }
                }
                Some(_) => return Err("a setting that is to be changed is a list or mapping"),
                None => fresh.push(format!("{key}: {value}")),
            }
        }
        if !fresh.is_empty() {
            edits.push(self.more_settings(settings, name.1.place.line, &indent, &fresh)?);
        }
        edits.sort_by_key(|(line, edit)| (std::cmp::Reverse(*line), matches!(edit, Edit::Replace(..))));
        for (line, edit) in edits {
            match edit {
                Edit::Replace(place, with) => self.replace(place, &with)?,
                Edit::Below(lines) => self.insert(line as usize, &lines),
            }
        }
        Ok(())
    }

    fn more_settings(&self, settings: Option<&Node>, name: u32, indent: &str, fresh: &[String]) -> Result<(u32, Edit), &'static str> {
        let lines = |indent: &str| {
            fresh.iter().fold(String::new(), |mut text, line| {
                let _ = write!(text, "{indent}{line}{}", self.end);
                text
            })
        };
        let Some(settings) = settings else {
            return Ok((name, Edit::Below(format!("{indent}settings:{}{}", self.end, lines(&format!("{indent}  "))))));
        };
        let Content::Map(fields) = &settings.content else { return Err("`settings` is no mapping") };
        let (first, _) = fields.first().ok_or("`settings` is an empty mapping; remove it")?;
        self.is_block(first.place)?;
        let line = first.place.line.checked_sub(1).ok_or("`settings` is written on one line")?;
        if settings.key.is_none_or(|key| key.line >= first.place.line) {
            return Err("`settings` is written on one line");
        }
        Ok((line, Edit::Below(lines(&" ".repeat(column(first.place))))))
    }

    fn replace(&mut self, place: Place, with: &str) -> Result<(), &'static str> {
        let line = self.lines.get_mut(place.line as usize - 1).ok_or("its places cannot be found again")?;
        let characters: Vec<char> = line.chars().collect();
        let (begin, end) = (column(place), column(place) + place.width as usize);
        if end > characters.len() {
            return Err("its places cannot be found again");
        }
        *line = characters[..begin].iter().copied().chain(with.chars()).chain(characters[end..].iter().copied()).collect();
        Ok(())
    }

    /// Inserts whole lines after the first `at`.
    fn insert(&mut self, at: usize, lines: &str) {
        if let Some(last) = at.checked_sub(1).and_then(|index| self.lines.get_mut(index))
            && !last.ends_with('\n')
        {
            last.push_str(self.end);
        }
        self.lines.insert(at.min(self.lines.len()), lines.to_owned());
    }

    /// A field that begins its line, but for spaces and the dash of its entry.
    fn is_block(&self, place: Place) -> Result<(), &'static str> {
        let line = self.lines.get(place.line as usize - 1).map_or("", String::as_str);
        let before: String = line.chars().take(column(place)).collect();
        if before.chars().all(|character| matches!(character, ' ' | '-')) { Ok(()) } else { Err("it is written on one line") }
    }

    /// Column of the dash before the first field of an entry.
    fn dash_before(&self, place: Place) -> Result<usize, &'static str> {
        self.is_block(place)?;
        let line = self.lines.get(place.line as usize - 1).map_or("", String::as_str);
        line.chars().take(column(place)).position(|character| character == '-').ok_or("an entry of `spec.addons` is not written with `- `")
    }

    /// The number of lines up to the end of what ends on a line, with what belongs to a text of several lines: deeper than `indent`.
    fn after(&self, (line, indent): &(u32, usize)) -> usize {
        let mut at = *line as usize;
        let deeper = |line: &String| {
            let text = line.trim_end();
            !text.is_empty() && !text.trim_start().starts_with('#') && line.len() - line.trim_start_matches(' ').len() > *indent
        };
        while self.lines.get(at).is_some_and(deeper) {
            at += 1;
        }
        at
    }
}

enum Edit {
    Replace(Place, String),
    Below(String),
}

/// Column from 0.
fn column(place: Place) -> usize {
    place.column.saturating_sub(1) as usize
}

/// Where `spec` ends: its last line, and the column of its key.
fn spec_end(root: &Node) -> (u32, usize) {
    let spec = root.get("spec");
    let key = spec.and_then(|spec| spec.key).map_or(0, column);
    (spec.map_or(1, last_line), key)
}

/// The last line that a value is known to reach.
fn last_line(node: &Node) -> u32 {
    let inner = match &node.content {
        Content::Scalar(_) => None,
        Content::List(items) => items.iter().map(last_line).max(),
        Content::Map(entries) => entries.iter().map(|(_, value)| last_line(value)).max(),
    };
    inner.unwrap_or(0).max(node.place.line)
}

fn scalar(node: Option<&Node>) -> Option<&str> {
    match &node?.content {
        Content::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

/// Whether a scalar says what `value` would say.
fn same(node: &Node, value: &str) -> bool {
    matches!(&node.content, Content::Scalar(scalar) if *scalar == meaning(value))
}

/// What a value as it is written in YAML means.
fn meaning(value: &str) -> Scalar {
    match serde_json::from_str::<String>(value) {
        Ok(text) => Scalar::quoted(&text),
        Err(_) => Scalar::plain(value),
    }
}

/// The lines of a whole entry; with `head` the key of the list too.
fn entry_lines(change: &AddonChange<'_>, indent: &str, end: &str, head: bool) -> String {
    let mut text = String::new();
    let inner = if head {
        let _ = write!(text, "{indent}addons:{end}");
        format!("{indent}  ")
    } else {
        indent.to_owned()
    };
    let _ = write!(text, "{inner}- name: {}{end}", change.name);
    if !change.enabled {
        let _ = write!(text, "{inner}  enabled: false{end}");
    }
    if !change.settings.is_empty() {
        let _ = write!(text, "{inner}  settings:{end}");
        for (key, value) in change.settings {
            let _ = write!(text, "{inner}    {key}: {value}{end}");
        }
    }
    text
}

/// Whether the add-on's entry says what is wanted.
fn is_as_wanted(root: &Node, change: &AddonChange<'_>) -> bool {
    let list = root.get("spec").and_then(|spec| spec.get("addons"));
    let Some(Content::List(entries)) = list.map(|list| &list.content) else { return false };
    let Some(entry) = entries.iter().find(|entry| scalar(entry.get("name")) == Some(change.name)) else { return false };
    let enabled = scalar(entry.get("enabled")).is_none_or(|word| word == "true");
    let set = |(key, value): &(String, String)| {
        entry.get("settings").and_then(|settings| settings.get(key)).is_some_and(|node| same(node, value))
    };
    enabled == change.enabled && change.settings.iter().all(set)
}

/// Everything in the file but the entry of one add-on, as text without places.
fn without(root: &Node, name: &str) -> String {
    let mut text = String::new();
    say(root, "", name, &mut text);
    text
}

fn say(node: &Node, path: &str, left_out: &str, text: &mut String) {
    match &node.content {
        Content::Scalar(scalar) => {
            let _ = writeln!(text, "{path} {scalar:?}");
        }
        Content::List(items) => {
            let kept = items.iter().filter(|item| path != "/spec/addons" || scalar(item.get("name")) != Some(left_out));
            for (index, item) in kept.enumerate() {
                say(item, &format!("{path}/{index}"), left_out, text);
            }
        }
        Content::Map(entries) => {
            for (key, value) in entries {
                say(value, &format!("{path}/{}", key.text), left_out, text);
            }
        }
    }
}

#[cfg(test)]
#[path = "addon_edit_tests.rs"]
mod tests;
