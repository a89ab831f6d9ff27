//! YAML documents as JSON values.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Number, Value};

/// Bytes of one file at most. The largest rendered charts have some 5 MB, most of it definitions of kinds.
const MAX_BYTES: usize = 16 << 20;
/// Values of one file at most, aliases expanded.
const MAX_VALUES: usize = 1_000_000;

/// Reads every document of `text`; empty ones are left out. The error is for people, with its line.
pub fn documents(text: &str) -> Result<Vec<Value>, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("it has {} bytes; {MAX_BYTES} are read at most", text.len()));
    }
    let parser = Parser::new_from_str_with_options(text, granit_parser::options! { emit_comments: false });
    let mut reader = Reader { parser, anchors: BTreeMap::new(), values: 0, line: 1 };
    let mut found = Vec::new();
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(found),
            Event::StreamStart | Event::DocumentEnd => {}
            Event::DocumentStart(..) => reader.anchors.clear(),
            event => {
                let value = reader.value(event)?;
                if !value.is_null() {
                    found.push(value);
                }
            }
        }
    }
}

struct Reader<'text> {
    parser: Parser<'text, StrInput<'text>>,
    anchors: BTreeMap<usize, Value>,
    values: usize,
    line: usize,
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<Event<'text>, String> {
        loop {
            match self.parser.next() {
                None => return Ok(Event::StreamEnd),
                Some(Ok((event, span))) if event.is_node() || !matches!(event, Event::Anchor(..)) => {
                    self.line = span.start.line();
                    return Ok(event);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(format!("line {}: {}", error.marker().line(), error.info())),
            }
        }
    }

    fn value(&mut self, event: Event<'text>) -> Result<Value, String> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(format!("it has more than {MAX_VALUES} values once its aliases are expanded"));
        }
        let anchor = event.anchor_id();
        let value = match event {
            Event::Alias(id) => self.anchors.get(&id).cloned().ok_or_else(|| format!("line {}: this alias contains itself", self.line))?,
            Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
            Event::Scalar(text, ..) => Value::String(text.into_owned()),
            Event::SequenceStart(..) => self.list()?,
            Event::MappingStart(..) => self.mapping()?,
            _ => return Err(format!("line {}: a value is missing", self.line)),
        };
        if let Some(id) = anchor {
            self.anchors.insert(id, value.clone());
        }
        Ok(value)
    }

    fn list(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::Array(items)),
                event => items.push(self.value(event)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, String> {
        let mut members = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Value::Object(members)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(format!("line {}: a key must be plain text", self.line)),
            };
            let (line, event) = (self.line, self.next()?);
            let value = self.value(event)?;
            if members.insert(key.clone(), value).is_some() {
                return Err(format!("line {line}: `{key}` is given twice"));
            }
        }
    }
}

/// A scalar without quotes, as `kubectl` reads it: YAML 1.1 with the octal numbers of 1.2 too (sigs.k8s.io/yaml 1.6.0, `resolve` of its
/// go-yaml v2). So `0400` is a mode and `on` is true.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::Bool(true),
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return Value::String(text.to_owned());
    }
    let digits = text.replace('_', "");
    if let Some(number) = integer(&digits) {
        return Value::from(number);
    }
    let numeric = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    let number = if numeric { digits.parse::<f64>().ok().and_then(Number::from_f64) } else { None };
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn integer(text: &str) -> Option<i64> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let bases = [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2), ("0", 8)];
    let (digits, radix) = bases
        .iter()
        .find_map(|(prefix, radix)| Some((unsigned.strip_prefix(prefix)?, *radix)))
        .filter(|(digits, _)| !digits.is_empty())
        .unwrap_or((unsigned, 10));
    // Neither a second sign nor nothing.
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}
