//! A lab: real systemd hosts on one Linux machine, to try, rehearse and test against.
//!
//! Every host is an overlay over one shared root file system, a network namespace on the lab's own bridge and a
//! `systemd-nspawn` machine that boots systemd as PID 1 and runs a real sshd. Nothing is simulated.

pub mod artifacts;
pub mod hosts;
