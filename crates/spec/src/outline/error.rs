//! What keeps an outline from being a cluster.

use std::net::Ipv4Addr;

/// Why hosts or an outline cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutlineError {
    /// Not an address, a range or a name with an address.
    #[error("`{0}` is not a host: an IPv4 address is wanted")]
    NotAnAddress(String),
    /// IPv6.
    #[error("`{0}` is IPv6, which this version does not support")]
    Ipv6(String),
    /// A range that ends before it begins.
    #[error("the range `{0}` ends before it begins")]
    Backwards(String),
    /// A range of more hosts than a cluster may have.
    #[error("the range `{text}` has {count} addresses; one range has at most {most}", most = super::addresses::MAX_RANGE)]
    TooMany {
        /// As written.
        text: String,
        /// Addresses in it.
        count: u64,
    },
    /// A name for a whole range.
    #[error("`{0}` gives one name to a range of addresses")]
    NamedRange(String),
    /// A name that no host can have.
    #[error("the host's name {0}")]
    Name(#[from] barque_model::InvalidName),
    /// An address in one list twice.
    #[error("address {0} is given twice for the same role")]
    Twice(Ipv4Addr),
    /// Two names for one address.
    #[error("address {address} has two names, `{one}` and `{two}`")]
    TwoNames {
        /// The address.
        address: Ipv4Addr,
        /// A name.
        one: String,
        /// Another.
        two: String,
    },
    /// Two addresses for one name.
    #[error("name `{name}` has two addresses, {one} and {two}")]
    TwoAddresses {
        /// The name.
        name: String,
        /// An address.
        one: Ipv4Addr,
        /// Another.
        two: Ipv4Addr,
    },
    /// Not a host to go through.
    #[error("`{0}` is not a host to go through")]
    Jump(String),
    /// No master.
    #[error("no host is a master")]
    NoMaster,
    /// An even number of etcd members.
    #[error("{count} hosts would run etcd{places}: an even number survives no more failures than {}", count - 1)]
    EvenEtcd {
        /// How many.
        count: usize,
        /// Where the inventory says so; empty for flags.
        places: String,
    },
    /// Balancers without a virtual address.
    #[error("there are load balancers{places}, but no virtual IP address")]
    NoVip {
        /// Where the inventory says so; empty for flags.
        places: String,
    },
    /// A virtual address without balancers.
    #[error("the virtual IP address {0} is given, but no host is a load balancer")]
    VipWithoutBalancer(Ipv4Addr),
}

impl OutlineError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotAnAddress(_) => {
                "write 10.0.0.11, m1=10.0.0.11, or a range: 10.0.0.11..10.0.0.20, 10.0.0.11-20; `getent ahostsv4 NAME` shows a name's address"
            }
            Self::Ipv6(_) => "use an IPv4 address; docs/cluster-file.md lists the limits of this version",
            Self::Backwards(_) => "write the lower address first",
            Self::TooMany { .. } => "check the range; several can be given with commas between them",
            Self::NamedRange(_) => "give each host a name of its own, NAME=ADDRESS, or leave the names out",
            Self::Name(_) => "use 1 to 63 of a-z, 0-9 and `-`, such as `m1=10.0.0.11`",
            Self::Twice(_) => "remove one of the two; a host with two roles is named once for each role",
            Self::TwoNames { .. } | Self::TwoAddresses { .. } => "keep one of the two",
            Self::Jump(_) => "write ADDRESS, USER@ADDRESS or USER@ADDRESS:PORT",
            Self::NoMaster => "name one host, or three for high availability, with `--masters`",
            Self::EvenEtcd { .. } => "use 1, 3 or 5 masters, or name the hosts that run etcd with `--etcd`",
            Self::NoVip { .. } => "name a free address of the balancers' subnet with `--vip ADDRESS`",
            Self::VipWithoutBalancer(_) => "name the hosts that may hold it with `--lb`, two for high availability",
        }
    }
}
