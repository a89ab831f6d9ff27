//! Tests of the public interface.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod certificates;
mod clusters;
mod files;
mod issuing;
mod reading;
mod services;
