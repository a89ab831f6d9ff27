//! What is wrong with a frame.

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// It ends too soon.
    #[error("the frame is cut short")]
    Short,
    /// It is of another protocol, or of a version or kind that is not known.
    #[error("the frame is of another kind")]
    Kind,
    /// A field has a value that it cannot have.
    #[error("a field of the frame has a value that it cannot have")]
    Value,
    /// The checksum is wrong.
    #[error("the checksum is wrong")]
    Checksum,
}

/// `N` bytes at `offset`.
pub(super) fn bytes<const N: usize>(data: &[u8], offset: usize) -> Result<[u8; N], FrameFault> {
    data.get(offset..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or(FrameFault::Short)
}

/// A number of two bytes at `offset`, in network order.
pub(super) fn number(data: &[u8], offset: usize) -> Result<u16, FrameFault> {
    bytes(data, offset).map(u16::from_be_bytes)
}

/// One byte at `offset`.
pub(super) fn byte(data: &[u8], offset: usize) -> Result<u8, FrameFault> {
    data.get(offset).copied().ok_or(FrameFault::Short)
}
