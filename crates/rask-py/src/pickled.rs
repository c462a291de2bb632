//! What a pickle says of its buffers.
//!
//! Arrays that a worker shares with others are read-only there, and pickles made of them say so. As
//! somebody's own they need not be. Where a pickle says it is found by going through its operations.

use bytes::{BufMut, Bytes, BytesMut};

/// Begins a part of so many bytes, for readers of files.
const FRAME: u8 = 0x95;
/// The buffer before it is to be read-only.
const READONLY_BUFFER: u8 = 0x98;

/// What follows an operation.
enum Argument {
    Bytes(usize),
    /// A length of so many bytes, and as many bytes as it says.
    Sized(usize),
}

/// The same pickle with buffers that may be written to, if its readers allow it.
pub fn with_writable_buffers(pickle: &Bytes) -> Bytes {
    if !pickle.contains(&READONLY_BUFFER) {
        return pickle.clone();
    }
    try_rewrite(pickle).map_or_else(|| pickle.clone(), BytesMut::freeze)
}

/// `None` where there is an operation that pickles of this kind do not have.
fn try_rewrite(pickle: &[u8]) -> Option<BytesMut> {
    let mut kept = BytesMut::with_capacity(pickle.len());
    let mut rest = pickle;
    while let Some((&operation, after)) = rest.split_first() {
        let length = match argument_of(operation)? {
            Argument::Bytes(count) => count,
            Argument::Sized(count) => count.checked_add(length_at(after.get(..count)?)?)?,
        };
        after.get(..length)?;
        let (whole, others) = rest.split_at(1 + length);
        // Without frames, whose lengths would be others now, readers of memory do as well.
        if operation != READONLY_BUFFER && operation != FRAME {
            kept.put_slice(whole);
        }
        rest = others;
    }
    Some(kept)
}

fn length_at(bytes: &[u8]) -> Option<usize> {
    let mut whole = [0; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    usize::try_from(u64::from_le_bytes(whole)).ok()
}

/// By Python's `pickletools`, without the operations that end with a line, which protocol 5 has no
/// use for.
fn argument_of(operation: u8) -> Option<Argument> {
    let argument = match operation {
        b'K' | b'q' | b'h' | 0x80 | 0x82 => Argument::Bytes(1),
        b'M' | 0x83 => Argument::Bytes(2),
        b'J' | b'r' | b'j' | 0x84 => Argument::Bytes(4),
        b'G' | FRAME => Argument::Bytes(8),
        b'U' | b'C' | 0x8a | 0x8c => Argument::Sized(1),
        b'T' | b'B' | b'X' | 0x8b => Argument::Sized(4),
        0x8d | 0x8e | 0x96 => Argument::Sized(8),
        b'(' | b'.' | b'0' | b'1' | b'2' | b'N' | b'Q' | b'R' | b'a' | b'b' | b'd' | b'}' => {
            Argument::Bytes(0)
        }
        b'e' | b'l' | b']' | b'o' | b's' | b't' | b')' | b'u' => Argument::Bytes(0),
        0x81 | 0x85..=0x89 | 0x8f..=0x94 | 0x97 | READONLY_BUFFER => Argument::Bytes(0),
        _ => return None,
    };
    Some(argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(pickle: &'static [u8]) -> Bytes {
        with_writable_buffers(&Bytes::from_static(pickle))
    }

    #[test]
    fn only_operations_are_left_out() {
        let pickle = b"\x80\x05\x95\x09\0\0\0\0\0\0\0C\x02\x98\x98\x97\x98\x85.";
        assert_eq!(rewritten(pickle), &b"\x80\x05C\x02\x98\x98\x97\x85."[..]);
        assert_eq!(rewritten(b"\x80\x05\x97."), &b"\x80\x05\x97."[..]);
    }

    #[test]
    fn what_is_not_understood_stays_as_it_is() {
        for pickle in [
            &b"cmodule\nname\n\x98."[..],
            b"\x80\x05X\xff\xff\xff\xff\x98",
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff\x98",
            b"\x98K",
            b"\x98\x8d\x01",
        ] {
            assert_eq!(rewritten(pickle), pickle);
        }
    }
}
