//! A bundle's images as a read-only registry, and its files beside them.
//!
//! `route`, `range`, `catalog` and `answer` are pure: a request and an index of what the bundle holds give an answer that says where its bytes
//! lie. `body`, `quiet`, `tls` and `server` do the rest. What is spoken is pull of the OCI distribution specification 1.1.

mod answer;
mod bcrypt;
mod body;
mod catalog;
mod quiet;
mod range;
mod route;
mod server;
mod tls;
mod users;

pub(crate) use body::pieces;
pub use catalog::Catalog;
pub(crate) use catalog::{Manifest, Repository, Source};
pub use server::{Service, Told, serve};
pub use tls::{ServerTls, TlsError};
pub use users::{InvalidUsers, Users};
