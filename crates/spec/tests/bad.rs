//! Every file under `tests/bad` is refused, with the report in its snapshot.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use barque_addon::Library;
use barque_model::Version;
use barque_spec::{Known, Surroundings, parse, parse_with};
use support::Files;

const KNOWN: Known<'static> = Known { kubernetes: &[Version::new(1, 36, 4), Version::new(1, 37, 2)] };

#[test]
fn bad_files_get_full_reports() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut names: Vec<String> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    names.sort();
    assert!(names.len() >= 25, "only {} files", names.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("bad");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        for name in names {
            let text = std::fs::read_to_string(directory.join(&name)).unwrap();
            let report = match parse_with(&text, &name, &KNOWN, &Surroundings { files: &Files, addons: &Library::embedded() }) {
                Ok(loaded) => panic!("{name} was accepted: {loaded:#?}"),
                Err(errors) => errors.to_string(),
            };
            insta::assert_snapshot!(name.trim_end_matches(".yaml"), report);
        }
    });
}

#[test]
fn items_carry_place_message_and_hint() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad/article-cidr.yaml")).unwrap();
    let errors = parse(&text, "cluster.yaml", &KNOWN).unwrap_err();
    let items = errors.items();
    assert_eq!(items.len(), 2, "{errors}");
    assert_eq!((items[0].line, items[0].column, items[0].width), (13, 14, 12));
    assert_eq!(items[0].hint, "write 10.10.0.0/22");
    assert!(errors.to_string().ends_with("cluster.yaml: 2 errors"));
}
