//! Where programs lie that bring all their libraries, for hosts whose distribution barque has no packages for.

/// The folder of them on a host. Each has a folder `NAME-KEY` in it, with `sbin`, `lib` and a [`PORTABLE_STAMP`].
///
/// The path of the loader is written into a program, so that a folder cannot be moved.
pub const PORTABLE_FOLDER: &str = "/usr/local/lib/barque";

/// The file in such a folder that is there when the rest is: name and version, separated by a space.
pub const PORTABLE_STAMP: &str = "PACKAGE";

/// Where the programs in `sbin` of such a folder are called from: a link each. It comes first in the search path of services and people.
pub const PORTABLE_LINKS: &str = "/usr/local/sbin";
