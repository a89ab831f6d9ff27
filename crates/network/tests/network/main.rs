//! Whole plans and pictures.
#![allow(clippy::unwrap_used)]

mod picture;
mod plan;
mod support;
