//! Which tests need real components or real hosts, and which need neither.
//!
//! Both kinds are compiled with all packages and all features selected: cargo unites the features of what is selected, and every other
//! selection would compile the dependencies once more.

use std::process::Command;

use anyhow::{Result, bail};

use crate::metadata::{Metadata, Package, Target};
use crate::run;

/// The feature without which a test that needs more than this machine's own programs is not compiled.
const END_TO_END: &str = "e2e";

/// The package of the scenarios: all its tests need more.
const SCENARIOS: &str = "barque-e2e";

/// `cargo nextest run` of all tests that need neither real components nor real hosts.
pub(crate) fn unit(metadata: &Metadata) -> Result<Command> {
    let mut command = nextest();
    command.args(["--lib", "--bins"]).args(selection(metadata, false)?);
    Ok(command)
}

/// `cargo nextest run` of all others, with nextest's profile for them.
pub(crate) fn end_to_end(metadata: &Metadata, profile: &str) -> Result<Command> {
    let mut command = nextest();
    command.args(["--profile", profile]).args(selection(metadata, true)?);
    Ok(command)
}

fn nextest() -> Command {
    run::cargo(&["nextest", "run", "--locked", "--workspace", "--all-features"])
}

/// `--test NAME` for each.
fn selection(metadata: &Metadata, end_to_end: bool) -> Result<Vec<String>> {
    let names = |wanted: bool| -> Vec<&str> {
        let tests = metadata.packages.iter().flat_map(|package| tests(package).map(move |test| (package, test)));
        let mut names: Vec<&str> =
            tests.filter(|(package, test)| needs_more(package, test) == wanted).map(|(_, test)| test.name.as_str()).collect();
        names.sort_unstable();
        names
    };
    let (selected, others) = (names(end_to_end), names(!end_to_end));
    // cargo knows tests by name alone, in whatever package they are.
    if let Some(name) = selected.iter().find(|name| others.contains(name)) {
        bail!("a unit test and an end-to-end test have the name `{name}`; rename one of the two");
    }
    Ok(selected.into_iter().flat_map(|name| ["--test".to_owned(), name.to_owned()]).collect())
}

fn tests(package: &Package) -> impl Iterator<Item = &Target> {
    package.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "test"))
}

fn needs_more(package: &Package, test: &Target) -> bool {
    package.name == SCENARIOS || test.required_features.iter().any(|feature| feature == END_TO_END)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn package(targets: &[(&str, &str, bool)]) -> Package {
        let target = |(name, kind, more): &(&str, &str, bool)| Target {
            name: (*name).to_owned(),
            kind: vec![(*kind).to_owned()],
            required_features: if *more { vec![END_TO_END.to_owned()] } else { Vec::new() },
        };
        Package { name: "barque-x".into(), dependencies: Vec::new(), targets: targets.iter().map(target).collect() }
    }

    #[test]
    fn every_test_is_in_one_of_the_two() {
        let metadata = Metadata {
            packages: vec![
                package(&[("x", "lib", false), ("b", "test", false), ("hosts", "test", true)]),
                package(&[("a", "test", false)]),
            ],
        };
        assert_eq!(selection(&metadata, false).unwrap(), ["--test", "a", "--test", "b"]);
        assert_eq!(selection(&metadata, true).unwrap(), ["--test", "hosts"]);
    }

    #[test]
    fn one_name_for_both_kinds_is_refused() {
        let metadata = Metadata { packages: vec![package(&[("a", "test", false)]), package(&[("a", "test", true)])] };
        assert!(selection(&metadata, true).unwrap_err().to_string().contains("`a`"));
    }

    #[test]
    fn this_workspace_has_both() {
        let metadata = crate::metadata::read().unwrap();
        let (unit, more) = (selection(&metadata, false).unwrap(), selection(&metadata, true).unwrap());
        assert!(unit.contains(&"frames".to_owned()) && more.contains(&"seven_hosts".to_owned()), "{unit:?} {more:?}");
    }
}
