//! YAML text to a tree in which every value knows its place.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use crate::report::{Place, Report};
use crate::scalar::{Scalar, ScalarKind};

/// Size of a cluster file at most, in bytes; 1000 hosts with labels take about 300 KB.
const MAX_BYTES: usize = 4 << 20;
/// Values in a file at most, after aliases are expanded; bounds what a file of nested aliases can cost.
const MAX_NODES: usize = 200_000;

/// A value and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The value's place; a mapping or list under a key has the place of the key.
    pub(crate) place: Place,
    /// Place of the key that it stands under, if any.
    pub(crate) key: Option<Place>,
    /// The value.
    pub(crate) content: Content,
}

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// A scalar.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping in file order, without duplicates.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// As written.
    pub(crate) text: String,
    /// Where.
    pub(crate) place: Place,
}

impl Node {
    /// The value under `name` when this is a mapping that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|(key, _)| key.text == name).map(|(_, value)| value),
            _ => None,
        }
    }

    fn count(&self) -> usize {
        1 + match &self.content {
            Content::Scalar(_) => 0,
            Content::List(items) => items.iter().map(Self::count).sum(),
            Content::Map(entries) => entries.iter().map(|(_, value)| value.count()).sum(),
        }
    }
}

/// Whose YAML it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// A cluster file's.
    Own,
    /// Another program's, with what is common there: tags, merge keys, files without a value.
    Foreign,
}

/// Reads the one document of a cluster file. `None` means that it cannot be read; the reason is in `report`.
pub(crate) fn parse(text: &str, report: &mut Report) -> Option<Node> {
    read(text, Dialect::Own, report)
}

/// Reads the one document of another program's file: tags are passed over, merge keys (YAML 1.1, `<<`) are carried out. `None` with nothing in
/// `report` means that the file has no value.
pub(crate) fn parse_foreign(text: &str, report: &mut Report) -> Option<Node> {
    read(text, Dialect::Foreign, report)
}

fn read(text: &str, dialect: Dialect, report: &mut Report) -> Option<Node> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; a cluster file has at most {MAX_BYTES}", text.len());
        report.error(Place::START, message, "check that this is a cluster file");
        return None;
    }
    let parser = Parser::new_from_str_with_options(text, granit_parser::options! { emit_comments: false });
    let mut reader = Reader { parser, text, dialect, anchors: BTreeMap::new(), nodes: 0, report };
    reader.document().ok()
}

/// Reading cannot go on; the reason has been reported.
struct Stop;

struct Reader<'text, 'report> {
    parser: Parser<'text, StrInput<'text>>,
    text: &'text str,
    dialect: Dialect,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    report: &'report mut Report,
}

impl<'text> Reader<'text, '_> {
    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(..) if root.is_some() => {
                    let hint = "keep one cluster in one file; remove the second `---` and what follows";
                    self.report.error(place(&span), "the file holds more than one YAML document", hint);
                    return Err(Stop);
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => root = Some(self.node(event, &span)?),
            }
        }
        match root {
            Some(root) if !matches!(&root.content, Content::Scalar(scalar) if scalar.kind == ScalarKind::Null) => Ok(root),
            _ if self.dialect == Dialect::Foreign => Err(Stop),
            _ => {
                self.report.error(Place::START, "the file is empty", "run `barque init` to write a cluster file");
                Err(Stop)
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'text>, Span), Stop> {
        loop {
            match self.parser.next() {
                None => return Ok((Event::StreamEnd, Span::default())),
                Some(Ok((event, span))) if event.is_node() || !matches!(event, Event::Anchor(..)) => return Ok((event, span)),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    let at = Place::new(error.marker().line(), error.marker().col(), 1);
                    let message = format!("this is not valid YAML: {}", error.info());
                    self.report.error(at, message, self.syntax_hint(at));
                    return Err(Stop);
                }
            }
        }
    }

    fn syntax_hint(&self, at: Place) -> &'static str {
        let indented_by_tab =
            |line: &str| line.chars().take_while(|character| character.is_whitespace()).any(|character| character == '\t');
        let until = self.text.lines().take(at.line as usize);
        if until.last().is_some_and(indented_by_tab) {
            "YAML indents with spaces only; replace the tab"
        } else {
            "check indentation, quotes and brackets at and before this place; values that contain `: `, ` #` or start with a special character need quotes"
        }
    }

    fn node(&mut self, event: Event<'text>, span: &Span) -> Result<Node, Stop> {
        self.spend(1, span)?;
        if let Some(tag) = event.tag().filter(|_| self.dialect == Dialect::Own) {
            let message = format!("the YAML tag `{}` is not used in cluster files", tag.original());
            self.report.error(place(span), message, "remove the tag; put text in quotes instead of `!!str`");
        }
        let anchor = event.anchor_id();
        let node = match event {
            Event::Alias(id) => self.alias(id, span)?,
            Event::Scalar(text, style, ..) => {
                let scalar = if style == ScalarStyle::Plain { Scalar::plain(&text) } else { Scalar::quoted(&text) };
                Node { place: place(span), key: None, content: Content::Scalar(scalar) }
            }
            Event::SequenceStart(..) => Node { place: place(span), key: None, content: Content::List(self.list()?) },
            Event::MappingStart(..) => self.map(span)?,
            _ => {
                self.report.error(place(span), "this is not valid YAML: a value is missing here", "check the indentation");
                return Err(Stop);
            }
        };
        if let Some(id) = anchor {
            self.anchors.insert(id, node.clone());
        }
        Ok(node)
    }

    fn spend(&mut self, nodes: usize, span: &Span) -> Result<(), Stop> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let message = format!("the file has more than {MAX_NODES} values once its aliases are expanded");
            self.report.error(place(span), message, "check that this is a cluster file, and that aliases do not nest");
            return Err(Stop);
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<Node, Stop> {
        let Some(target) = self.anchors.get(&id).cloned() else {
            self.report.error(place(span), "this alias refers to a value that contains the alias itself", "write the value out");
            return Err(Stop);
        };
        self.spend(target.count(), span)?;
        Ok(Node { place: place(span), key: None, ..target })
    }

    fn list(&mut self) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(items);
            }
            items.push(self.node(event, &span)?);
        }
    }

    fn map(&mut self, span: &Span) -> Result<Node, Stop> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut lines: BTreeMap<String, u32> = BTreeMap::new();
        let mut merged: Vec<Node> = Vec::new();
        loop {
            let (event, key_span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key_node = self.node(event, &key_span)?;
            let (value_event, value_span) = self.next()?;
            let mut value = self.node(value_event, &value_span)?;
            let Content::Scalar(scalar) = key_node.content else {
                self.report.error(key_node.place, "a field's name must be plain text", "remove the `?`, list or mapping used as a name");
                continue;
            };
            if self.dialect == Dialect::Foreign && scalar.text == "<<" {
                merged.push(value);
                continue;
            }
            let key = Key { text: scalar.text, place: key_node.place };
            if !matches!(value.content, Content::Scalar(_)) {
                value.place = key.place;
            }
            value.key = Some(key.place);
            if let Some(first) = lines.get(&key.text) {
                let message = format!("field `{}` is given twice; the first is on line {first}", key.text);
                self.report.error(key.place, message, "remove one of the two");
                continue;
            }
            lines.insert(key.text.clone(), key.place.line);
            entries.push((key, value));
        }
        merge(&mut entries, merged);
        let place = entries.first().map_or_else(|| place(span), |(key, _)| key.place);
        Ok(Node { place, key: None, content: Content::Map(entries) })
    }
}

/// Adds what merge keys bring; a key that is there already keeps its value.
fn merge(entries: &mut Vec<(Key, Node)>, merged: Vec<Node>) {
    for node in merged {
        match node.content {
            Content::Scalar(_) => {}
            Content::List(items) => merge(entries, items),
            Content::Map(others) => {
                for (key, value) in others {
                    if !entries.iter().any(|(other, _)| other.text == key.text) {
                        entries.push((key, value));
                    }
                }
            }
        }
    }
}

fn place(span: &Span) -> Place {
    let one_line = span.start.line() == span.end.line();
    let width = if one_line { span.end.col().saturating_sub(span.start.col()) } else { 1 };
    Place::new(span.start.line(), span.start.col(), width)
}
