//! Pictures are well-formed, say what they must, and hold no two texts on one another.

use barque_network::{picture, work_out};

use crate::support::{links, topology, usual};

fn drawn(nodes: u8) -> String {
    let topology = topology(nodes);
    picture(&topology, &work_out(&usual(&topology)), &links(&topology))
}

/// Walks over all tags: each is closed in order, attributes are quoted, and `&` begins an entity.
fn well_formed(text: &str) {
    let mut open = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        assert!(!before.contains('>'), "a `>` in text: {before}");
        for entity in before.split('&').skip(1) {
            let name = entity.split_once(';').unwrap_or_else(|| panic!("a bare `&`: {before}")).0;
            assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "{name}");
        }
        let (tag, next) = after.split_once('>').unwrap();
        rest = next;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order");
            continue;
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.split([' ', '/']).next().unwrap();
        assert!(["svg", "title", "rect", "text", "polyline", "polygon", "circle"].contains(&name), "{name}");
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
}

fn numbers(text: &str, element: &str, names: &[&str]) -> Vec<Vec<f64>> {
    let elements = text.lines().filter(|line| line.starts_with(&format!("<{element} ")));
    let value = |line: &str, name: &str| line.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    elements.map(|line| names.iter().map(|name| value(line, name)).collect()).collect()
}

#[test]
fn seven_and_twenty_hosts_are_drawn() {
    for nodes in [2, 15, 60] {
        let text = drawn(nodes);
        well_formed(&text);
        assert!(!text.contains("script") && !text.contains("http://www.w3.org/1999/xlink"));
        for index in 1..=nodes {
            assert!(text.contains(&format!(">n{index}<")) && text.contains(&format!(">192.0.2.{}<", 30 + index)), "n{index}");
        }
        for words in [
            "VIP, port 6443",
            "192.0.2.10",
            "from nodes: tcp 6443",
            "among themselves: vrrp",
            "pods 10.244.0.0/16",
            "services 10.96.0.0/16",
        ] {
            assert!(text.contains(words), "{words}");
        }
        let size = &numbers(&text, "rect", &["width", "height"])[0];
        for place in numbers(&text, "text", &["x", "y"]) {
            assert!(place[0] >= 0.0 && place[0] < size[0] && place[1] > 0.0 && place[1] < size[1], "{place:?} lies outside {size:?}");
        }
        let mut places = numbers(&text, "text", &["x", "y"]);
        let count = places.len();
        places.sort_by(|one, other| one.partial_cmp(other).unwrap());
        places.dedup();
        assert_eq!(places.len(), count, "two texts have one place");
    }
}

#[test]
fn the_same_cluster_gives_the_same_picture() {
    insta::assert_snapshot!(drawn(2));
    assert_eq!(drawn(2), drawn(2));
}
