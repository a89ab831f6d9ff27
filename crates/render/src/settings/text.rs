//! Reads the settings back from the configuration files that barque writes as text. It knows what barque writes, and no more of the formats.

/// What stands in a block within a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inner {
    /// Items of a list (keepalived).
    List,
    /// Keys of their own (CoreDNS).
    Keys,
}

/// Adds a value; a name that is there already gets both.
fn add(found: &mut Vec<(String, String)>, name: String, value: &str) {
    match found.iter_mut().find(|(known, _)| *known == name) {
        Some((_, known)) if value.is_empty() || known == value => {}
        Some((_, known)) => *known = format!("{known}; {value}"),
        None => found.push((name, value.to_owned())),
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

/// `[section]` and `key = value`: units and TOML. Names are `section.key`, after `prefix`.
pub(super) fn sections(text: &str, prefix: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut section = String::new();
    for line in lines(text) {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            // A mirror's address is a name of the user's choice.
            section = match header.starts_with("host.") {
                true if header.ends_with(".header") => "host.header".to_owned(),
                true => "host".to_owned(),
                false => header.replace('\'', ""),
            };
        } else if let Some((key, value)) = line.split_once('=') {
            let name = [prefix, &section, key.trim()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
            add(&mut found, name, value.trim().trim_matches(['\'', '"']));
        }
    }
    found
}

/// `-key = value`: kernel parameters.
pub(super) fn parameters(text: &str) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let (key, value) = line.trim().trim_start_matches('-').split_once('=')?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    };
    lines(text).filter_map(pair).collect()
}

/// haproxy: a section's word at the start of a line, its settings indented below. Some keywords have two words.
pub(super) fn indented(text: &str) -> Vec<(String, String)> {
    const TWO_WORDS: [&str; 4] = ["option", "timeout", "stats", "http-check"];
    let mut found = Vec::new();
    let mut section = "";
    for line in lines(text) {
        let (first, rest) = first_word(line.trim());
        if !line.starts_with(' ') {
            section = first;
            continue;
        }
        let (keyword, value) = if TWO_WORDS.contains(&first) {
            let (second, rest) = first_word(rest);
            (format!("{first} {second}"), rest)
        } else {
            (first.to_owned(), rest)
        };
        add(&mut found, format!("{section}.{keyword}"), value);
    }
    found
}

/// Braces: keepalived, where the outer block names the section, and the Corefile, where it is a server and its blocks are plugins.
pub(super) fn blocks(text: &str, inner: Inner) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    for line in lines(text) {
        let line = line.trim();
        if line == "}" {
            path.pop();
            continue;
        }
        let opens = line.ends_with('{');
        let (keyword, value) = first_word(line.trim_end_matches('{').trim());
        match (path.as_slice(), inner) {
            ([section], Inner::List) if !opens => add(&mut found, format!("{section}.{keyword}"), value),
            ([], _) | ([_], Inner::List) => {}
            ([section, list, ..], Inner::List) => add(&mut found, format!("{section}.{list}"), line),
            ([_], Inner::Keys) => add(&mut found, keyword.to_owned(), value),
            ([_, plugin, ..], Inner::Keys) => add(&mut found, format!("{plugin}.{keyword}"), value),
        }
        if opens {
            path.push(keyword);
        }
    }
    found
}

fn first_word(line: &str) -> (&str, &str) {
    line.split_once(' ').map_or((line, ""), |(word, rest)| (word, rest.trim()))
}
