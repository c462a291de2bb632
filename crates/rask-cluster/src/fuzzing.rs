//! What reads files and answers of peers, for fuzzers. No part of the interface.

use std::io;

use bytes::Bytes;
use rask_proto::{Lent, PeerData};

pub use crate::scheduler::fuzzing::{Journalled, journal_bytes, journal_records};
use crate::segments::{Effort, View, lend, take_lent, try_copy};

/// Buffers in a segment of this process, and how they are lent.
pub fn lent_segment(buffers: &[Bytes]) -> io::Result<(Vec<Bytes>, Vec<Lent>)> {
    let copies = try_copy(buffers, Effort::Any)?;
    let value = rask_proto::Packed::new("", Bytes::new(), copies.clone());
    let mut data = PeerData {
        values: vec![value],
        ..PeerData::default()
    };
    lend(&mut data);
    Ok((copies, data.lent))
}

/// What an asker does with an answer that has come.
pub fn take_what_is_lent(data: &mut PeerData) -> io::Result<()> {
    take_lent(data, View::Private)
}
