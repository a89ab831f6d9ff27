//! Just enough of ELF to tell a static program from one that needs a loader.

use anyhow::{Result, ensure};

/// Type of the program header that names the dynamic loader (`PT_INTERP` of elf(5)).
const INTERPRETER: u32 = 3;

/// Whether a 64-bit little-endian ELF program runs without a dynamic loader, which is what `ldd` calls statically linked.
pub(crate) fn is_static(program: &[u8]) -> Result<bool> {
    ensure!(program.get(..6) == Some(b"\x7fELF\x02\x01".as_slice()), "not a 64-bit little-endian ELF file");
    // Offsets of Elf64_Ehdr: e_phoff 32, e_phentsize 54, e_phnum 56.
    let table = usize::try_from(u64::from_le_bytes(bytes(program, 32)?))?;
    let size = usize::from(u16::from_le_bytes(bytes(program, 54)?));
    let count = usize::from(u16::from_le_bytes(bytes(program, 56)?));
    for index in 0..count {
        if u32::from_le_bytes(bytes(program, table + index * size)?) == INTERPRETER {
            return Ok(false);
        }
    }
    Ok(true)
}

fn bytes<const N: usize>(program: &[u8], offset: usize) -> Result<[u8; N]> {
    let slice = offset.checked_add(N).and_then(|end| program.get(offset..end));
    slice.and_then(|slice| slice.try_into().ok()).ok_or_else(|| anyhow::anyhow!("ELF header is cut off"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A program with headers of these types.
    fn elf(types: &[u32]) -> Vec<u8> {
        let mut program = vec![0; 64];
        program[..6].copy_from_slice(b"\x7fELF\x02\x01");
        program[32..40].copy_from_slice(&64_u64.to_le_bytes());
        program[54..56].copy_from_slice(&56_u16.to_le_bytes());
        program[56..58].copy_from_slice(&u16::try_from(types.len()).unwrap().to_le_bytes());
        for kind in types {
            let mut header = vec![0; 56];
            header[..4].copy_from_slice(&kind.to_le_bytes());
            program.extend(header);
        }
        program
    }

    #[test]
    fn an_interpreter_means_dynamic() {
        assert!(is_static(&elf(&[1, 1, 2])).unwrap());
        assert!(!is_static(&elf(&[1, 3, 2])).unwrap());
        assert!(is_static(b"#!/bin/sh\n").is_err());
        assert!(is_static(&elf(&[1, 1])[..100]).is_err());
    }
}
