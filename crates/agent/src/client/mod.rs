//! The operator's side of the connection.

mod calls;
mod connection;

pub use connection::{AgentClient, AgentHello, StderrTail};
