//! The run's identifier inside written files.

use std::borrow::Cow;
use std::ops::Range;

use crate::{RUN_MARKER, RunId};

/// The identifier stands behind this text.
const INTRODUCTION: &[u8] = b"run ";
/// The introduction begins within so many bytes from the start.
const SEARCHED: usize = 512;
/// Length of a run identifier.
const LENGTH: usize = 21;

/// Where a written file names the run that wrote it. `head` is its beginning, of at least 540 bytes when it has as many.
pub fn find_run(head: &[u8]) -> Option<Range<usize>> {
    let searched = &head[..head.len().min(SEARCHED)];
    let introductions = searched.windows(INTRODUCTION.len()).enumerate().filter(|(_, window)| *window == INTRODUCTION);
    let mut places = introductions.map(|(at, _)| at + INTRODUCTION.len()..at + INTRODUCTION.len() + LENGTH);
    places.find(|place| {
        let token = head.get(place.clone()).and_then(|token| std::str::from_utf8(token).ok());
        token.is_some_and(|token| token.parse::<RunId>().is_ok())
    })
}

/// A written file's content as it was rendered: with [`RUN_MARKER`] where it names the run that wrote it.
pub fn as_rendered(content: &[u8]) -> Cow<'_, [u8]> {
    match find_run(content) {
        None => Cow::Borrowed(content),
        Some(place) => Cow::Owned([&content[..place.start], RUN_MARKER.as_bytes(), &content[place.end..]].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_becomes_the_marker_again() {
        let rendered = format!("# Managed by barque, run {RUN_MARKER}. Do not edit.\nA=1\n");
        let written = rendered.replace(RUN_MARKER, "20261125T020304Z-1a2b");
        assert_eq!(as_rendered(written.as_bytes()), rendered.as_bytes());
        assert_eq!(as_rendered(rendered.as_bytes()), rendered.as_bytes());
    }

    #[test]
    fn only_a_whole_identifier_near_the_start_counts() {
        for text in
            ["", "run ", "run 20261125T020304Z-1a2", "run 20261125T020304Z-1A2b", &format!("{}run 20261125T020304Z-1a2b", "x".repeat(600))]
        {
            assert_eq!(find_run(text.as_bytes()), None, "{text}");
        }
        assert_eq!(find_run(b"run fast, run 20261125T020304Z-1a2b"), Some(14..35));
    }
}
