//! Filters for packet sockets, run by the kernel: a busy balancer's traffic does not reach this program.
//!
//! Classic BPF; the numbers are those of linux/filter.h and linux/bpf_common.h.

use socket2::SockFilter;

/// `BPF_LD | BPF_W | BPF_ABS`: loads four bytes.
const LOAD_WORD: u16 = 0x20;
/// `BPF_LD | BPF_B | BPF_ABS`: loads a byte.
const LOAD_BYTE: u16 = 0x30;
/// `BPF_JMP | BPF_JEQ | BPF_K`: jumps when what was loaded is the number.
const JUMP_IF_EQUAL: u16 = 0x15;
/// `BPF_RET | BPF_K`: takes that many bytes of the frame.
const RETURN: u16 = 0x06;
/// `SKF_AD_OFF + SKF_AD_IFINDEX`: the index of the frame's interface.
const INTERFACE_INDEX: u32 = 0xffff_f000 + 8;
/// More than any frame has.
const WHOLE: u32 = 0x0004_0000;

/// Frames of the interface `index` alone. A socket of an interface also gets what arrives for the VLAN interfaces on top of it.
pub(crate) fn of_interface(index: u32) -> Vec<SockFilter> {
    program(index, None)
}

/// Those of them whose byte at `offset` is one of `values`.
pub(crate) fn with_byte(index: u32, offset: u32, values: &[u8]) -> Vec<SockFilter> {
    program(index, Some((offset, values)))
}

fn program(index: u32, byte: Option<(u32, &[u8])>) -> Vec<SockFilter> {
    let mut program = vec![
        SockFilter::new(LOAD_WORD, 0, 0, INTERFACE_INDEX),
        SockFilter::new(JUMP_IF_EQUAL, 1, 0, index),
        SockFilter::new(RETURN, 0, 0, 0),
    ];
    if let Some((offset, values)) = byte {
        program.push(SockFilter::new(LOAD_BYTE, 0, 0, offset));
        for value in values {
            // Equal: the next instruction takes the frame; else it is jumped over.
            program.push(SockFilter::new(JUMP_IF_EQUAL, 0, 1, u32::from(*value)));
            program.push(SockFilter::new(RETURN, 0, 0, WHOLE));
        }
        program.push(SockFilter::new(RETURN, 0, 0, 0));
    } else {
        program.push(SockFilter::new(RETURN, 0, 0, WHOLE));
    }
    program
}
