//! Writes SVG elements.

use std::fmt::Write as _;

/// Characters of text fit by their average width, in units of the picture, at this size of letters.
const WIDTH_PER_SIZE: f64 = 0.56;

/// An SVG document being written.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    body: String,
}

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// How letters look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Letters {
    pub(crate) size: f64,
    pub(crate) colour: &'static str,
    pub(crate) bold: bool,
}

impl Canvas {
    /// A rectangle with round corners.
    pub(crate) fn rectangle(&mut self, area: Area, fill: &str, stroke: &str, stroke_width: f64) {
        let Area { x, y, width, height } = area;
        self.line(&format!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{stroke}" stroke-width="{stroke_width}"/>"#
        ));
    }

    /// Text that begins at `x` with its base line at `y`, cut to `room`; the whole text is its title then.
    pub(crate) fn text(&mut self, x: f64, y: f64, text: &str, letters: Letters, room: f64) {
        let Letters { size, colour, bold } = letters;
        let shown = fitted(text, size, room);
        let weight = if bold { r#" font-weight="600""# } else { "" };
        let title = if shown == text { String::new() } else { format!("<title>{}</title>", escaped(text)) };
        let shown = escaped(&shown);
        self.line(&format!(r#"<text x="{x}" y="{y}" font-size="{size}" fill="{colour}"{weight}>{title}{shown}</text>"#));
    }

    /// A line through points.
    pub(crate) fn path(&mut self, points: &[(f64, f64)], colour: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        self.line(&format!(r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.6"/>"#, points.join(" ")));
    }

    /// The head of an arrow that points left to `x`.
    pub(crate) fn head(&mut self, x: f64, y: f64, colour: &str) {
        self.line(&format!(r#"<polygon points="{x},{y} {},{} {},{}" fill="{colour}"/>"#, x + 9.0, y - 4.5, x + 9.0, y + 4.5));
    }

    /// A dot.
    pub(crate) fn dot(&mut self, x: f64, y: f64, colour: &str) {
        self.line(&format!(r#"<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>"#));
    }

    /// The whole document; `title` is read out by screen readers.
    pub(crate) fn finish(self, width: f64, height: f64, title: &str, background: &str) -> String {
        let title = escaped(title);
        format!(
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" "#,
                "role=\"img\" font-family=\"system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\">\n",
                "<title>{title}</title>\n",
                r#"<rect x="0" y="0" width="{width}" height="{height}" rx="10" fill="{background}"/>"#,
                "\n{body}</svg>\n"
            ),
            width = width,
            height = height,
            title = title,
            background = background,
            body = self.body
        )
    }

    fn line(&mut self, element: &str) {
        let _ = writeln!(self.body, "{element}");
    }
}

/// The width that `text` takes, about.
pub(crate) fn width_of(text: &str, size: f64) -> f64 {
    f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX)) * size * WIDTH_PER_SIZE
}

fn fitted(text: &str, size: f64, room: f64) -> String {
    if width_of(text, size) <= room {
        return text.to_owned();
    }
    let mut shown = String::new();
    for character in text.chars() {
        shown.push(character);
        if width_of(&shown, size) > room - size {
            shown.pop();
            break;
        }
    }
    shown.push('…');
    shown
}

/// Text as it may stand in an element or an attribute. Characters that XML forbids become spaces.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_cut() {
        assert_eq!(escaped("a<b> & \"c\"\u{7}'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;");
        assert_eq!(fitted("short", 10.0, 100.0), "short");
        let cut = fitted("a-name-that-does-not-fit-here", 10.0, 100.0);
        assert!(cut.ends_with('…') && width_of(&cut, 10.0) <= 100.0, "{cut}");
    }
}
