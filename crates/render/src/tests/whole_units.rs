//! Units of hosts whose distribution brings none.

use barque_model::Component;

use super::{host, text};
use crate::testing::{cluster, release};
use crate::{RenderFacts, component_files};

#[test]
fn units_of_hosts_without_the_distributions() {
    let (cluster, facts) = (cluster(), RenderFacts { interface: Some("eth0".into()), whole_units: true });
    let files = [Component::Haproxy, Component::Keepalived].map(|component| {
        let of = |facts: &RenderFacts| component_files(&cluster, &release(), host(&cluster, "lb1"), component, facts);
        let (whole, added) = (of(&facts), of(&super::facts()));
        let unit = whole.iter().find(|file| file.path.ends_with(".service")).unwrap();
        let drop_in = added.iter().find(|file| file.path.ends_with(".service.d/10-barque.conf")).unwrap();
        // What barque adds to a unit of the distribution's is in its own too.
        for line in text(drop_in).lines().filter(|line| line.contains('=')) {
            let words = line.split_once('=').unwrap();
            assert!(text(unit).lines().any(|found| found.starts_with(words.0) && found.ends_with(words.1)), "{line}");
        }
        format!("# {}\n{}", unit.path, text(unit))
    });
    insta::assert_snapshot!(files.join("\n"));
}
