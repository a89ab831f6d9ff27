//! The comment that opens every managed file.

use barque_model::RUN_MARKER;

/// How the header begins, as a comment with `#`.
pub(crate) const OPENING: &str = "# Managed by barque";

/// Puts the header, as a comment with `#`, before `body`.
pub(crate) fn managed(body: &str) -> String {
    format!("{}{body}", line("#"))
}

/// The header line with another comment sign, newline included.
pub(crate) fn line(sign: &str) -> String {
    format!("{sign} Managed by barque, run {RUN_MARKER}. Edits here are lost: change the cluster file and run `barque up`.\n")
}
