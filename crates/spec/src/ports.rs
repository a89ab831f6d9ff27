//! Ports that components use, and ranges of ports.

pub(crate) use barque_network::{COMPONENT_PORTS as USED, contains_port as contains, parse_ports as range};
