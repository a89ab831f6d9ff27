//! What is set where, as data: the values that `explain` shows, and the proof that the catalog knows each of them.

mod collect;
mod dns;
mod json;
mod text;

#[cfg(test)]
mod tests;

pub use collect::{Setting, settings};
pub use dns::dns_settings;
