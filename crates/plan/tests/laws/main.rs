//! Laws of the planner: changes, rollbacks, limits and saved plans, over the article's layout of seven hosts.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod addons;
mod changes;
mod distributions;
mod firewall;
mod guards;
mod limit;
mod registries;
mod rollback;
mod rollback_laws;
mod rollback_parts;
mod saved;
mod world;
