//! How many bytes a second may be sent.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A rate of whole megabytes (1,000,000 bytes) a second, at least one: with less, what else a run says to hosts would wait too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteRate(NonZeroU32);

/// Not a number of megabytes a second.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate: write whole megabytes a second, such as 10, from 1 to 1000000")]
pub struct InvalidByteRate(String);

impl ByteRate {
    const MOST: u32 = 1_000_000;

    /// Bytes a second.
    pub const fn bytes(self) -> u64 {
        self.0.get() as u64 * 1_000_000
    }
}

impl FromStr for ByteRate {
    type Err = InvalidByteRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse::<NonZeroU32>().ok().filter(|number| number.get() <= Self::MOST);
        number.map(Self).ok_or_else(|| InvalidByteRate(text.to_owned()))
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} MB/s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_megabytes_a_second() {
        assert_eq!("10".parse::<ByteRate>().map(ByteRate::bytes), Ok(10_000_000));
        for bad in ["0", "-1", "1.5", "10MB", "", "1000001"] {
            assert!(bad.parse::<ByteRate>().is_err(), "{bad}");
        }
    }
}
