//! Parts of a content, as `Range` asks for them (RFC 9110, section 14).

/// What of a content is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: nothing else was asked for, or something that may be passed over, such as several ranges.
    Whole,
    /// So many bytes from here.
    Range { start: u64, size: u64 },
    /// Nothing of it is in the range.
    Outside,
}

/// What `header` asks for of a content with `size` bytes.
pub(super) fn part(header: Option<&str>, size: u64) -> Part {
    let Some(range) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Part::Whole };
    let Some((first, last)) = range.split_once('-').map(|(first, last)| (first.trim(), last.trim())) else { return Part::Whole };
    match (number(first), number(last)) {
        // The last bytes; none of them is none at all.
        (None, Some(count)) if first.is_empty() => match count.min(size) {
            0 => Part::Outside,
            count => Part::Range { start: size - count, size: count },
        },
        (Some(start), None) if last.is_empty() => between(start, u64::MAX, size),
        (Some(start), Some(end)) if start <= end => between(start, end, size),
        _ => Part::Whole,
    }
}

fn between(start: u64, end: u64, size: u64) -> Part {
    if start >= size { Part::Outside } else { Part::Range { start, size: end.min(size - 1) - start + 1 } }
}

/// Digits alone: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More than any content has.
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_handed_out() {
        let of = |start, size| Part::Range { start, size };
        for (header, expected) in [
            ("bytes=0-0", of(0, 1)),
            ("bytes=2-5", of(2, 4)),
            ("bytes=2-", of(2, 8)),
            ("bytes=2-99999999999999999999999", of(2, 8)),
            ("bytes=-3", of(7, 3)),
            ("bytes=-99", of(0, 10)),
            ("bytes= 9 - 9 ", of(9, 1)),
            ("bytes=10-", Part::Outside),
            ("bytes=-0", Part::Outside),
        ] {
            assert_eq!(part(Some(header), 10), expected, "{header}");
        }
    }

    #[test]
    fn what_is_no_single_range_gives_all() {
        for header in ["bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "bytes=+1-2", "items=0-1", "bytes=a-b", "bytes=1"] {
            assert_eq!(part(Some(header), 10), Part::Whole, "{header}");
        }
        assert_eq!(part(None, 10), Part::Whole);
        assert_eq!(part(Some("bytes=0-"), 0), Part::Outside);
    }
}
