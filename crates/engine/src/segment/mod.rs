//! The network segment of the balancers: who holds the VIP, who speaks VRRP, whose addresses are taken.

mod ask;
mod before;
mod choice;
mod finding;
mod judge;
mod look;
mod machines;

#[cfg(test)]
mod tests;

pub use ask::Unasked;
pub(crate) use before::Segment;
pub use finding::{SegmentFinding, SegmentKind};
pub use look::{SegmentLook, segment_look};
