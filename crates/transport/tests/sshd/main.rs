//! Both transports against real `sshd` processes on loopback. Run as root: they mount small file systems and become root by
//! logging in as themselves.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod connect;
mod launch;
mod support;
