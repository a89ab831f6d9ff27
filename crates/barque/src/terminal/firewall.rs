//! The flows of a cluster as tables for a terminal.

use std::fmt::Write as _;

use barque_firewall::Row;

use super::table;

/// A table per pair of network segments.
pub(crate) fn flow_table(rows: &[Row]) -> String {
    let mut text = String::new();
    for group in rows.chunk_by(|one, two| one.group == two.group) {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", group[0].group);
        let mut table = table(["FLOW", "FROM", "TO", "PROTOCOL", "PORTS", "SEEN ON", "NEEDED BY"]);
        for row in group {
            table.add_row([
                row.flow.as_str(),
                &row.from,
                &row.to,
                row.protocol.as_str(),
                &row.ports,
                row.passage.as_str(),
                // The backquotes are for documents.
                &row.needed_by.replace('`', ""),
            ]);
        }
        for line in table.to_string().lines() {
            let _ = writeln!(text, "  {}", line.trim_end());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::path::Path;

    use barque_firewall::{matrix, rows, segments};
    use barque_model::Version;
    use barque_spec::{Known, parse};

    use super::*;

    fn text(example: &str, prefix: u8) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
        let known = Known { kubernetes: &[Version::new(1, 37, 2)] };
        let cluster = parse(&fs_err::read_to_string(path).unwrap(), example, &known).unwrap().cluster;
        flow_table(&rows(&matrix(&cluster), &cluster, &segments(&cluster, &BTreeMap::new(), prefix)))
    }

    #[test]
    fn seven_hosts_in_one_segment() {
        insta::assert_snapshot!(text("ha.yaml", 24));
    }

    #[test]
    fn ten_hosts_in_three_segments() {
        insta::assert_snapshot!(text("separate-etcd.yaml", 28));
    }
}
