//! The topology as an SVG picture: hosts by role, the VIP, what flows between them, and the ranges.
//!
//! Plain shapes and text, without scripts, style sheets or anything from outside, on a card of its own, so that it reads the same on a
//! light and on a dark page.

mod canvas;
mod draw;
mod groups;
mod link;
mod route;

pub use draw::picture;
pub use link::{End, Link};
