//! Answers of peers of the same host: what they say lies in a segment has to lie there.

use std::sync::OnceLock;

use bytes::Bytes;
use rask_cluster::fuzzing::{lent_segment, take_what_is_lent};
use rask_proto::{Lent, Packed, PeerData, ToPeer, Wire};

use crate::source::Source;

/// Buffers in a segment, and how they are lent.
struct Segment {
    buffers: Vec<Bytes>,
    lent: Lent,
}

fn segment() -> Option<&'static Segment> {
    static SEGMENT: OnceLock<Option<Segment>> = OnceLock::new();
    let found = SEGMENT.get_or_init(|| {
        let whole: Vec<u8> = (0..1 << 20).map(|at: u32| (at / 7) as u8).collect();
        let (buffers, lent) = lent_segment(&[whole.clone().into(), whole.into()]).ok()?;
        let lent = lent.into_iter().next()?;
        Some(Segment { buffers, lent })
    });
    found.as_ref()
}

pub(crate) fn run(data: &[u8]) {
    // Without memory to share there is nothing to be lent.
    let Some(segment) = segment() else { return };
    let mut source = Source::new(data);
    let answer = PeerData {
        found: source.some(4, Source::number),
        values: source.some(3, value),
        lent: source.some(3, |source| lent(source, &segment.lent)),
        ..PeerData::default()
    };
    let offered = answer.lent.clone();
    let Ok(ToPeer::Data(mut data)) = ToPeer::try_from_frame(ToPeer::Data(answer).into_frame())
    else {
        return;
    };
    if take_what_is_lent(&mut data).is_ok() {
        check(&data, &offered, segment);
    }
}

/// The last that was said of a buffer holds, and it is that part of the segment.
fn check(data: &PeerData, offered: &[Lent], segment: &Segment) {
    let mut told = std::collections::BTreeMap::new();
    for lent in offered {
        assert!(lent.inode == segment.lent.inode, "another file was taken");
        for (number, start, length) in lent.iter() {
            told.insert((lent.value, number), (start, length));
        }
    }
    let bytes = whole(segment);
    for ((value, number), (start, length)) in told {
        let buffer = &data.values[value as usize].buffers[number as usize];
        let expected = &bytes[start as usize..(start + length) as usize];
        assert!(buffer == expected, "another part was taken");
    }
}

/// All bytes of the segment.
fn whole(segment: &Segment) -> Vec<u8> {
    let mut bytes = vec![0; segment.lent.segment_bytes as usize];
    for (buffer, (_, start, length)) in segment.buffers.iter().zip(segment.lent.iter()) {
        bytes[start as usize..(start + length) as usize].copy_from_slice(buffer);
    }
    bytes
}

fn value(source: &mut Source<'_>) -> Packed {
    let buffers = source.some(3, |source| Bytes::copy_from_slice(source.piece()));
    Packed::new("none", Bytes::new(), buffers)
}

/// As it should be, or something else in one place or another.
fn lent(source: &mut Source<'_>, right: &Lent) -> Lent {
    let kind = source.below(12);
    let mut lent = Lent {
        value: source.below(3),
        buffers: source.some(3, |source| source.below(3)),
        ..right.clone()
    };
    let count = lent.buffers.len();
    let place = |source: &mut Source<'_>| u64::from(source.number()) << source.below(33);
    lent.starts = (0..count).map(|_| place(source)).collect();
    lent.lengths = (0..count).map(|_| place(source)).collect();
    match kind {
        0 => lent.value = source.number(),
        1 => lent.process = source.number(),
        2 => lent.descriptor = source.number(),
        3 => lent.device = place(source),
        4 => lent.inode = place(source),
        5 => lent.segment_bytes = place(source),
        6 => lent.buffers = source.some(4, Source::number),
        7 => lent.starts = source.some(4, place),
        8 => lent.lengths = vec![u64::MAX; count],
        _ => {}
    }
    lent
}
