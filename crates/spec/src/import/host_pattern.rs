//! Ansible's short form for many hosts: `node[01:10].example.com`, `rack[a:c]-[1:9:2]`.

/// Hosts that one pattern may stand for.
const MAX_HOSTS: usize = 1024;

/// Why a pattern cannot be expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidPattern {
    /// Brackets without two ends.
    #[error("is not a range of hosts")]
    Syntax,
    /// It ends before it begins.
    #[error("is a range that ends before it begins")]
    Backwards,
    /// Too many hosts.
    #[error("stands for more than {MAX_HOSTS} hosts")]
    TooMany,
}

/// The host names that `pattern` stands for, in order.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, InvalidPattern> {
    let Some((before, rest)) = pattern.split_once('[') else {
        return if pattern.contains(']') { Err(InvalidPattern::Syntax) } else { Ok(vec![pattern.to_owned()]) };
    };
    let (range, after) = rest.split_once(']').ok_or(InvalidPattern::Syntax)?;
    let tails = expand(after)?;
    let mut hosts = Vec::new();
    for middle in members(range)? {
        hosts.extend(tails.iter().map(|tail| format!("{before}{middle}{tail}")));
        if hosts.len() > MAX_HOSTS {
            return Err(InvalidPattern::TooMany);
        }
    }
    Ok(hosts)
}

fn members(range: &str) -> Result<Vec<String>, InvalidPattern> {
    let parts: Vec<&str> = range.split(':').collect();
    let (first, last, step) = match parts[..] {
        [first, last] => (first, last, 1),
        [first, last, step] => (first, last, step.parse().ok().filter(|step| *step > 0).ok_or(InvalidPattern::Syntax)?),
        _ => return Err(InvalidPattern::Syntax),
    };
    let letter = |text: &str| text.parse::<char>().ok().filter(char::is_ascii_alphabetic);
    if let (Some(first), Some(last)) = (letter(first), letter(last)) {
        if first > last {
            return Err(InvalidPattern::Backwards);
        }
        return Ok((first..=last).step_by(step).map(String::from).collect());
    }
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    // An empty beginning counts from 0, as in Ansible.
    let start = if first.is_empty() { 0 } else { number(first).ok_or(InvalidPattern::Syntax)? };
    let end = number(last).ok_or(InvalidPattern::Syntax)?;
    if end < start {
        return Err(InvalidPattern::Backwards);
    }
    if (end - start) as usize / step >= MAX_HOSTS {
        return Err(InvalidPattern::TooMany);
    }
    // Leading zeros give the width.
    let width = if first.len() > 1 && first.starts_with('0') { first.len() } else { 0 };
    Ok((start..=end).step_by(step).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_as_ansible_expands_them() {
        assert_eq!(expand("m1").unwrap(), ["m1"]);
        assert_eq!(expand("node[08:10].x").unwrap(), ["node08.x", "node09.x", "node10.x"]);
        assert_eq!(expand("n[1:5:2]").unwrap(), ["n1", "n3", "n5"]);
        assert_eq!(expand("[a:b][1:2]").unwrap(), ["a1", "a2", "b1", "b2"]);
        assert_eq!(expand("10.0.0.[9:10]").unwrap(), ["10.0.0.9", "10.0.0.10"]);
        for (bad, why) in [
            ("a[", InvalidPattern::Syntax),
            ("a]", InvalidPattern::Syntax),
            ("a[1]", InvalidPattern::Syntax),
            ("a[1:b]", InvalidPattern::Syntax),
            ("a[1:5:0]", InvalidPattern::Syntax),
            ("a[5:1]", InvalidPattern::Backwards),
            ("a[1:99999999]", InvalidPattern::TooMany),
            ("[1:900][1:900]", InvalidPattern::TooMany),
        ] {
            assert_eq!(expand(bad), Err(why), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-c0-9:\\[\\]]{0,16}") {
            let _ = expand(&text);
        }
    }
}
