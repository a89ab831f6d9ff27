//! `firewall test`, `apply` and `remove`.

mod apply;
mod desired;
mod error;
mod reach;

pub use apply::{FirewallReport, FirewallRequest, firewall_apply};
pub use error::FirewallError;
pub use reach::{FirewallTest, firewall_test};
