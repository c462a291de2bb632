//! Values on disk: what is read back, whole or in part, is what was written, whether it was
//! compressed or not; and bytes that are no compressed value are refused.

use bytes::Bytes;
use rask_store::{Disk, Extent, fuzzing};
use rask_value::{Encoded, Frames};

use crate::source::Source;

const STEPS_MAX: usize = 32;
/// Values on disk at a time.
const WRITTEN_MAX: usize = 8;
/// Buffers above this are compressed, if that pays, and mapped.
const BUFFER_BYTES_MAX: usize = 96 << 10;

pub(crate) fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let disk = Disk::new(None);
    let mut written: Vec<(Extent, Encoded)> = Vec::new();
    for _ in 0..STEPS_MAX {
        if source.is_empty() {
            break;
        }
        match source.below(8) {
            0..=2 if written.len() < WRITTEN_MAX => {
                let value = encoded(&mut source);
                // A full disk is no fault of the input.
                let Ok(extent) = disk.write(&value) else {
                    return;
                };
                written.push((extent, value));
            }
            3 if !written.is_empty() => {
                let at = source.below(written.len() as u32) as usize;
                written.swap_remove(at);
            }
            4 => unpack(&mut source),
            _ => read(&disk, &written, &mut source),
        }
    }
    for (extent, value) in &written {
        let again = disk.read(extent).expect("what was written can be read");
        assert!(again == *value, "a whole value");
    }
}

fn read(disk: &Disk, written: &[(Extent, Encoded)], source: &mut Source<'_>) {
    let at = source.below(written.len().max(1) as u32) as usize;
    let Some((extent, value)) = written.get(at) else {
        return;
    };
    assert_eq!(extent.kind(), value.kind);
    let header = disk.read_header(extent).expect("a header can be read");
    assert!(header == value.frames.header, "a header");
    let (start, end) = (source.below(6) as usize, source.below(6) as usize);
    let range = start..end.max(start);
    match (
        disk.read_buffers(extent, range.clone()),
        value.frames.buffers.get(range),
    ) {
        (Ok(buffers), Some(expected)) => assert!(buffers == expected, "some buffers"),
        (Err(_), None) => {}
        (outcome, expected) => panic!("{:?} of {}", outcome.is_ok(), expected.is_some()),
    }
}

/// Bytes that may be no compressed buffer, of a length that may not be theirs.
fn unpack(source: &mut Source<'_>) {
    let length = source.number() as usize % BUFFER_BYTES_MAX;
    // What matters is that it returns.
    let _ = fuzzing::decompress(source.piece(), length);
}

fn encoded(source: &mut Source<'_>) -> Encoded {
    let kind = ["ndarray", "table", ""][source.below(3) as usize].to_owned();
    let buffers = source.some(4, buffer);
    let header = Bytes::copy_from_slice(source.piece());
    Encoded {
        kind,
        frames: Frames { header, buffers },
    }
}

/// A piece as it is, or repeated, with noise in it or without.
fn buffer(source: &mut Source<'_>) -> Bytes {
    let repeats = source.number() as usize % 1024;
    let noise = source.flag();
    let piece = source.piece();
    let count = (piece.len() * repeats).min(BUFFER_BYTES_MAX);
    if count == 0 {
        return Bytes::copy_from_slice(piece);
    }
    let mut state = 1u64;
    let bytes = piece.iter().cycle().take(count).map(|&byte| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        byte ^ (u8::from(noise) * (state >> 56) as u8)
    });
    bytes.collect()
}
