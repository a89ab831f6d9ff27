//! Finds what somebody asks for.

use crate::{FileEntry, Item, ItemKind, Language, Subject};

/// Names that a search suggests at most.
const SUGGESTIONS: usize = 5;
/// Letters that a word must have before it is looked for inside of names and texts.
const SHORTEST: usize = 3;
/// Likeness from which a name is worth suggesting (Jaro-Winkler, 0 to 1).
const LIKENESS: f64 = 0.8;

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Exactly what was asked for; several when several things have the name.
    Exact(Vec<Item>),
    /// Things whose name or text has the words, or all things of a kind or subject.
    Some(Vec<Item>),
    /// Nothing; these have similar names.
    Similar(Vec<String>),
}

/// Looks for `words`, such as `kubelet max-pods`, `kubelet.maxPods`, `port 10250` or a bare word.
///
/// The first word may be a kind (`file`, `check`, …) or a subject (`kubelet`, `kernel`, …). Case and signs in names do not matter.
pub fn search(items: Vec<Item>, words: &[String]) -> Found {
    let (scope, query) = scope_of(words);
    let items: Vec<Item> = items.into_iter().filter(|item| scope.has(item)).collect();
    let wanted = key(&query);
    if wanted.is_empty() {
        return Found::Some(items);
    }
    let exact: Vec<Item> = items.iter().filter(|item| is_exactly(item, &query, &wanted)).cloned().collect();
    if !exact.is_empty() {
        return Found::Exact(exact);
    }
    if wanted.chars().count() >= SHORTEST || !wanted.is_ascii() {
        for has in [name_has, text_has] {
            let some: Vec<Item> = items.iter().filter(|item| has(item, &query, &wanted)).cloned().collect();
            match some.len() {
                0 => {}
                1 => return Found::Exact(some),
                _ => return Found::Some(some),
            }
        }
    }
    Found::Similar(similar(&items, &wanted))
}

/// Where a search looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everything,
    Kind(ItemKind),
    Subject(Subject),
}

impl Scope {
    fn has(self, item: &Item) -> bool {
        match self {
            Self::Everything => true,
            Self::Kind(kind) => item.kind() == kind || (kind == ItemKind::File && item.kind() == ItemKind::Certificate),
            Self::Subject(subject) => item.subject() == Some(subject),
        }
    }
}

fn scope_of(words: &[String]) -> (Scope, String) {
    let Some((first, rest)) = words.split_first() else {
        return (Scope::Everything, String::new());
    };
    let rest_text = rest.join(" ");
    if let Some(kind) = ItemKind::find(first) {
        return (Scope::Kind(kind), rest_text);
    }
    if let Some(subject) = Subject::find(first) {
        return (Scope::Subject(subject), rest_text);
    }
    let inside = first.split_once('.').and_then(|(before, after)| Some((Subject::find(before)?, after)));
    match inside {
        Some((subject, after)) => (Scope::Subject(subject), format!("{after} {rest_text}").trim().to_owned()),
        None => (Scope::Everything, words.join(" ")),
    }
}

/// Letters and digits in lower case: `--max-pods` and `maxPods` are the same.
fn key(text: &str) -> String {
    text.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn is_exactly(item: &Item, query: &str, wanted: &str) -> bool {
    let is_path = query.starts_with('/');
    match item {
        Item::File(entry) if is_path => FileEntry::matches(entry, query),
        Item::Certificate(entry) if is_path => entry.files.iter().any(|file| file == query),
        Item::Port(entry) if query.parse::<u16>().is_ok() => has_port(&entry.ports, query),
        _ => key(&item.name()) == wanted || item.aliases().into_iter().any(|alias| key(alias) == wanted),
    }
}

/// Whether a port of the catalog is `number`; what the cluster file may set otherwise counts with its default.
fn has_port(ports: &str, number: &str) -> bool {
    match ports {
        "SSH" => number == "22",
        "API" => number == "6443",
        "NODE-PORTS" => number.parse::<u16>().is_ok_and(|number| (30_000..=32_767).contains(&number)),
        own => own == number,
    }
}

fn name_has(item: &Item, _query: &str, wanted: &str) -> bool {
    key(&item.name()).contains(wanted) || item.aliases().into_iter().any(|alias| key(alias).contains(wanted))
}

fn text_has(item: &Item, query: &str, _wanted: &str) -> bool {
    let query = query.to_lowercase();
    Language::ALL.into_iter().any(|language| item.explanation(language).meaning.to_lowercase().contains(&query))
}

/// Addresses of the items whose names are most like `wanted`, the most similar first.
fn similar(items: &[Item], wanted: &str) -> Vec<String> {
    let likeness = |item: &Item| {
        let names = std::iter::once(item.name()).chain(item.aliases().into_iter().map(str::to_owned));
        names.map(|name| strsim::jaro_winkler(&key(&name), wanted)).fold(0.0, f64::max)
    };
    let mut close: Vec<(f64, String)> =
        items.iter().map(|item| (likeness(item), item.address())).filter(|(likeness, _)| *likeness >= LIKENESS).collect();
    close.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
    close.dedup_by(|left, right| left.1 == right.1);
    close.truncate(SUGGESTIONS);
    close.into_iter().map(|(_, address)| address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items;

    fn look(words: &str) -> Found {
        search(items(), &words.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    fn exact(words: &str) -> Vec<String> {
        match look(words) {
            Found::Exact(items) => items.iter().map(Item::address).collect(),
            other => panic!("{words}: {other:?}"),
        }
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        for words in ["kubelet max-pods", "kubelet.maxPods", "kubelet --max-pods", "maxpods", "KUBELET MaxPods"] {
            assert_eq!(exact(words), ["kubelet maxPods"], "{words}");
        }
        assert_eq!(exact("kubelet pod-max-pids"), ["kubelet podPidsLimit"]);
        assert_eq!(exact("port 10250"), ["port kubelet", "port metrics-kubelet"]);
        assert_eq!(exact("port 6443"), ["port api-vip", "port api"]);
        assert_eq!(exact("30080"), ["port node-ports-tcp", "port node-ports-udp"]);
        assert_eq!(exact("file /etc/kubernetes/kube-apiserver.env"), ["file /etc/kubernetes/kube-apiserver.env"]);
        assert_eq!(exact("/usr/local/bin/etcdctl"), ["file /usr/local/bin/NAME"]);
        assert_eq!(exact("file /etc/kubernetes/pki/apiserver.key"), ["certificate apiserver"]);
        assert_eq!(exact("certificate etcd-peer"), ["certificate etcd-peer"]);
        assert_eq!(exact("stage etcd"), ["stage etcd"]);
        assert_eq!(exact("check swap-active"), ["check swap-active"]);
        assert_eq!(exact("release 1.33"), ["release 1.33"]);
        assert_eq!(exact("devicemapper"), ["topic storage-driver"]);
        assert_eq!(exact("sysctl ip_forward"), ["kernel net.ipv4.ip_forward"]);
    }

    #[test]
    fn a_name_that_several_things_have_gives_all() {
        let found = exact("profiling");
        assert!(
            found.contains(&"kube-apiserver profiling".to_owned()) && found.contains(&"kube-scheduler profiling".to_owned()),
            "{found:?}"
        );
        assert!(exact("etcd-peer").len() == 2);
    }

    #[test]
    fn words_inside_names_and_texts_are_found() {
        let Found::Some(audit) = look("audit") else { panic!("audit") };
        assert!(audit.iter().any(|item| item.address() == "kube-apiserver audit-log-path"));
        let Found::Some(all) = look("kubelet") else { panic!("kubelet") };
        assert!(all.iter().all(|item| item.subject() == Subject::find("kubelet")) && all.len() > 30);
        let Found::Some(chinese) = look("驱逐") else { panic!("驱逐") };
        assert!(chinese.iter().any(|item| item.address() == "kubelet evictionHard"));
    }

    #[test]
    fn an_unknown_name_gets_similar_ones() {
        let Found::Similar(names) = look("kubelet maxPodz") else { panic!("found") };
        assert_eq!(names.first().map(String::as_str), Some("kubelet maxPods"));
        assert_eq!(look("qqqq"), Found::Similar(Vec::new()));
    }
}
