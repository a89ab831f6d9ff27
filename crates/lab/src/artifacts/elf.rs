//! Looks into ELF files.

use std::io::{self, Read};
use std::path::Path;

use fs_err as fs;

/// Program header type of the name of the dynamic loader.
const PT_INTERP: u32 = 3;

/// Tells whether the file is a 64-bit little-endian ELF program that needs no dynamic loader.
pub(super) fn is_static_program(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    // The program headers follow the file header in every program that linkers make.
    fs::File::open(path)?.take(64 * 1024).read_to_end(&mut head)?;
    Ok(has_no_loader(&head).unwrap_or(false))
}

/// `None` where `head` is no complete ELF head.
fn has_no_loader(head: &[u8]) -> Option<bool> {
    if head.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let short = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let start = usize::try_from(u64::from_le_bytes(head.get(32..40)?.try_into().ok()?)).ok()?;
    let (size, count) = (usize::from(short(54)?), usize::from(short(56)?));
    for index in 0..count {
        let at = start.checked_add(index * size)?;
        let kind = u32::from_le_bytes(head.get(at..at.checked_add(4)?)?.try_into().ok()?);
        if kind == PT_INTERP {
            return Some(false);
        }
    }
    Some(count > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn program(kinds: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = u8::try_from(kinds.len()).unwrap();
        for kind in kinds {
            let mut header = [0; 56];
            header[..4].copy_from_slice(&kind.to_le_bytes());
            bytes.extend(header);
        }
        bytes
    }

    #[test]
    fn tells_static_from_dynamic() {
        assert_eq!(has_no_loader(&program(&[6, 1, 1])), Some(true));
        assert_eq!(has_no_loader(&program(&[6, 3, 1])), Some(false));
        assert_eq!(has_no_loader(&program(&[6, 1])[..80]), None);
        assert_eq!(has_no_loader(b"#!/bin/sh"), None);
    }

    #[test]
    fn this_machines_shell_is_dynamic() {
        assert!(!is_static_program(Path::new("/bin/sh")).unwrap());
    }
}
