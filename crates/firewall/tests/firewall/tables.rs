//! Tables for the network team.

use std::collections::BTreeMap;

use barque_firewall::{DEFAULT_PREFIX, Language, Row, csv, markdown, matrix, rows, segments};
use barque_model::Cluster;

use crate::clusters::{example, narrow, seven};

fn of(cluster: &Cluster, prefix: u8) -> Vec<Row> {
    rows(&matrix(cluster), cluster, &segments(cluster, &BTreeMap::new(), prefix))
}

#[test]
fn seven_hosts_as_csv() {
    insta::assert_snapshot!(csv(&of(&example("ha.yaml"), DEFAULT_PREFIX), Language::English));
}

#[test]
fn ten_hosts_as_markdown() {
    insta::assert_snapshot!(markdown(&of(&example("separate-etcd.yaml"), DEFAULT_PREFIX), Language::English));
}

#[test]
fn the_same_in_chinese_with_sources_named() {
    insta::assert_snapshot!(markdown(&of(&narrow(), DEFAULT_PREFIX), Language::Chinese));
}

#[test]
fn hosts_of_several_segments_are_told_apart() {
    // .10 and the hosts up to .15 are in one /28, the balancers and nodes in others.
    let rows = of(&seven(""), 28);
    let between: Vec<String> =
        rows.iter().filter(|row| row.flow.as_str() == "kubelet").map(|row| format!("{}: {} to {}", row.group, row.from, row.to)).collect();
    insta::assert_snapshot!(between.join("\n"));
    assert!(rows.is_sorted_by_key(|row| row.group));
}

#[test]
fn every_line_of_csv_has_every_cell() {
    for cluster in [example("ha.yaml"), example("minimal.yaml"), example("separate-etcd.yaml"), narrow()] {
        for line in csv(&of(&cluster, 26), Language::English).lines() {
            // A comma outside quotes ends a cell.
            let commas = line.split('"').step_by(2).map(|part| part.matches(',').count()).sum::<usize>();
            assert_eq!(commas, 10, "{line}");
        }
    }
}
