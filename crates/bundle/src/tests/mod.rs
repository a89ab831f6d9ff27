//! Tests that need a whole bundle.

mod comparing;
mod damage;
mod images;
mod packing;
mod pruning;
mod selecting;
mod signing;
