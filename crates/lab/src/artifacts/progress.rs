//! What [`super::ensure`] tells while it works.

/// One piece of news; the binary prints it.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Another process is filling the same cache; this one waits for it.
    Waiting,
    /// A download host did not answer its one probe; its components are built instead.
    OutOfReach {
        /// `kubernetes` or `github`.
        origin: &'static str,
    },
    /// An item is missing and work on it begins.
    Started {
        /// Such as `kubelet 1.37.2`.
        item: String,
    },
    /// An item is in the bundle now.
    Finished {
        /// As in [`Progress::Started`].
        item: String,
        /// How long it took, in seconds.
        seconds: f64,
        /// Where it came from, as the manifest tells it.
        source: String,
    },
    /// An item was there already.
    Present {
        /// As in [`Progress::Started`].
        item: String,
    },
}
