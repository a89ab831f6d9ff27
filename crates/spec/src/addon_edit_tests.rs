#![allow(clippy::unwrap_used)]

use super::*;

const PLAIN: &str = "\
apiVersion: barque.dev/v1
kind: Cluster
metadata: {name: a}   # a name
spec:
  kubernetes: {version: 1.37.2}
  hosts:
    - name: m1   # the master
      address: 192.0.2.1
";

fn on(text: &str, settings: &[(&str, &str)]) -> Result<String, AddonEditRefusal> {
    changed(text, true, settings)
}

fn changed(text: &str, enabled: bool, settings: &[(&str, &str)]) -> Result<String, AddonEditRefusal> {
    let settings: Vec<(String, String)> = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    change_addon(text, &AddonChange { name: "metrics-server", enabled, settings: &settings })
}

/// The lines that are new, after all others were found again in their order.
fn new_lines(before: &str, after: &str) -> String {
    let mut old = before.lines().peekable();
    let mut fresh = Vec::new();
    for line in after.lines() {
        if old.peek() == Some(&line) {
            old.next();
        } else {
            fresh.push(line);
        }
    }
    assert_eq!(old.next(), None, "a line is gone");
    fresh.join("\n")
}

#[test]
fn the_first_add_on_comes_at_the_end_of_spec() {
    let after = on(PLAIN, &[("replicas", "2"), ("cpuRequest", "\"200m\"")]).unwrap();
    insta::assert_snapshot!(new_lines(PLAIN, &after), @r#"
      addons:
        - name: metrics-server
          settings:
            replicas: 2
            cpuRequest: "200m"
    "#);
    assert!(after.starts_with(PLAIN));
    assert_eq!(on(&after, &[("replicas", "2")]).unwrap(), after, "nothing to do");
}

#[test]
fn what_follows_spec_and_comments_stay() {
    let text = "metadata: {name: a}\nspec:\n    hosts: [x]\n\n# of the other\nkind: Cluster\n";
    let after = on(text, &[]).unwrap();
    assert_eq!(
        after,
        "metadata: {name: a}\nspec:\n    hosts: [x]\n    addons:\n      - name: metrics-server\n\n# of the other\nkind: Cluster\n"
    );
}

#[test]
fn an_entry_is_turned_off_and_on_again() {
    let text = format!(
        "{PLAIN}  addons:\n    # measured\n    - name: metrics-server   # top\n      settings:\n        replicas: 2   # two\n    - name: other\n"
    );
    let off = changed(&text, false, &[]).unwrap();
    assert_eq!(new_lines(&text, &off), "      enabled: false");
    let again = on(&off, &[("replicas", "3"), ("verbosity", "1")]).unwrap();
    insta::assert_snapshot!(&again[PLAIN.len()..], @r"
      addons:
        # measured
        - name: metrics-server   # top
          enabled: true
          settings:
            verbosity: 1
            replicas: 3   # two
        - name: other
    ");
}

#[test]
fn another_entry_is_added_in_the_style_of_the_list() {
    let text = format!("{PLAIN}  addons:\n  - name: other\n    settings:\n      text: |\n        two\n        lines\n");
    let after = on(&text, &[]).unwrap();
    assert_eq!(after, format!("{text}  - name: metrics-server\n"));
}

#[test]
fn line_ends_stay() {
    let text = PLAIN.replace('\n', "\r\n");
    let after = on(&text, &[]).unwrap();
    assert_eq!(after, format!("{text}  addons:\r\n    - name: metrics-server\r\n"));
    let cut = PLAIN.trim_end();
    assert_eq!(on(cut, &[]).unwrap(), format!("{PLAIN}  addons:\n    - name: metrics-server\n"));
}

#[test]
fn what_is_written_on_one_line_is_refused_with_the_lines_to_write() {
    for tail in ["  addons: [{name: other}]\n", "  addons: []\n", "  addons: [{name: metrics-server, enabled: false}]\n"] {
        let error = on(&format!("{PLAIN}{tail}"), &[("replicas", "2")]).unwrap_err();
        assert_eq!(error.lines, "  addons:\n    - name: metrics-server\n      settings:\n        replicas: 2\n", "{tail}");
    }
    assert!(on("spec: {hosts: []}\n", &[]).is_err());
    assert!(on("a: [", &[]).is_err());
    assert!(changed(PLAIN, false, &[]).is_err());
}
