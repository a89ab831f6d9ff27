//! Matrix, tables and rules of whole clusters.

#![allow(clippy::unwrap_used)]

mod clusters;
mod matrix;
mod rendered;
mod rules;
mod segments;
mod tables;
