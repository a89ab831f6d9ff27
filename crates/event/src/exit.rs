//! Exit codes of the `barque` program. They are part of its interface.

/// Everything asked for was done.
pub const DONE: u8 = 0;
/// Something failed.
pub const FAILED: u8 = 1;
/// The command line or the cluster file is wrong; nothing was touched.
pub const USAGE: u8 = 2;
/// Changes are pending (`plan`, `drift`).
pub const PENDING: u8 = 3;
/// Some hosts are pending; the rest was done.
pub const PARTIAL: u8 = 4;
/// Refused because it could harm the cluster.
pub const REFUSED: u8 = 5;
