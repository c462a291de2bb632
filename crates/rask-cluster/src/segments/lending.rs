//! Answers whose large buffers stay where they are.

use std::collections::HashSet;
use std::io;

use bytes::Bytes;
use rask_proto::{Lent, PeerData};

use super::mapping::View;
use super::{BUFFER_BYTES_MIN, mapping};

/// Takes the buffers that lie in segments out of an answer to a process of this host. They are
/// returned, to be kept until the asker has mapped them.
pub(crate) fn lend(data: &mut PeerData) -> Vec<Bytes> {
    let mut kept = Vec::new();
    for (at, value) in data.values.iter_mut().enumerate() {
        let first = data.lent.len();
        for (number, buffer) in value.buffers.iter_mut().enumerate() {
            if buffer.len() < BUFFER_BYTES_MIN {
                continue;
            }
            let is_whole = |found| data.wholes.contains(found);
            let is_for_long = !data.found.get(at).is_some_and(is_whole);
            let Ok(Some(place)) = mapping::find_to_lend(buffer, is_for_long) else {
                continue;
            };
            let same = |lent: &Lent| (lent.device, lent.inode) == (place.device, place.inode);
            let lent = match data.lent[first..].iter().position(same) {
                Some(known) => &mut data.lent[first + known],
                None => {
                    data.lent.push(Lent {
                        value: at as u32,
                        process: std::process::id(),
                        descriptor: place.descriptor,
                        device: place.device,
                        inode: place.inode,
                        segment_bytes: place.segment_bytes,
                        ..Lent::default()
                    });
                    let last = data.lent.len() - 1;
                    &mut data.lent[last]
                }
            };
            lent.buffers.push(number as u32);
            lent.starts.push(place.start);
            lent.lengths.push(buffer.len() as u64);
            kept.push(std::mem::take(buffer));
        }
    }
    kept
}

/// Puts the buffers that were lent where they belong.
pub(crate) fn take_lent(data: &mut PeerData, view: View) -> io::Result<()> {
    for lent in std::mem::take(&mut data.lent) {
        let segment = mapping::open(&lent, view)?;
        let value = data.values.get_mut(lent.value as usize);
        let value = value.ok_or(io::ErrorKind::InvalidData)?;
        let again = match view {
            View::Shared => HashSet::new(),
            View::Private => find_overlapping(&lent),
        };
        for (number, start, length) in lent.iter() {
            let buffer = value.buffers.get_mut(number as usize);
            let buffer = buffer.ok_or(io::ErrorKind::InvalidData)?;
            let end = start.saturating_add(length);
            if end > segment.len() as u64 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let place = start as usize..end as usize;
            *buffer = match again.contains(&number) {
                true => mapping::open(&lent, view)?.slice(place),
                false => segment.slice(place),
            };
        }
    }
    Ok(())
}

/// Numbers of buffers that begin where another has not ended. As parts of two arrays that are not
/// the same array, they would change together.
fn find_overlapping(lent: &Lent) -> HashSet<u32> {
    let mut places: Vec<_> = lent.iter().collect();
    places.sort_unstable_by_key(|&(_, start, _)| start);
    let mut used = 0;
    let mut found = HashSet::new();
    for (number, start, length) in places {
        if start < used {
            found.insert(number);
        } else {
            used = start.saturating_add(length);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rask_proto::Packed;

    use super::*;

    #[test]
    fn large_buffers_in_segments_are_lent_and_the_rest_travels() {
        let large: Vec<Bytes> = (0..3u8).map(|i| vec![i; BUFFER_BYTES_MIN].into()).collect();
        let copies = mapping::try_copy(&large[..2], mapping::Effort::Any).unwrap();
        let small = Bytes::from_static(b"small");
        let buffers = vec![
            copies[0].clone(),
            small,
            large[2].clone(),
            copies[1].clone(),
        ];
        let value = Packed::new("test", Bytes::new(), buffers);
        let mut data = PeerData {
            found: vec![0],
            values: vec![value.clone()],
            ..PeerData::default()
        };
        let kept = lend(&mut data);
        assert_eq!(kept.len(), 2);
        assert_eq!(data.lent.len(), 1);
        assert_eq!(data.values[0].nbytes(), (BUFFER_BYTES_MIN + 5) as u64);
        let mut wrong = data.clone();
        wrong.lent[0].buffers[0] = 7;
        assert!(take_lent(&mut wrong, View::Shared).is_err());
        let mut outside = data.clone();
        outside.lent[0].starts[0] = u64::MAX;
        assert!(take_lent(&mut outside, View::Private).is_err());
        take_lent(&mut data, View::Shared).unwrap();
        assert_eq!(data.values[0], value);
        assert!(mapping::is_lendable(&data.values[0].buffers[0]));
    }

    #[test]
    fn buffers_that_overlap_do_not_change_together() {
        let large = [Bytes::from(vec![1u8; 2 * BUFFER_BYTES_MIN])];
        let whole = mapping::try_copy(&large, mapping::Effort::Any)
            .unwrap()
            .remove(0);
        let part = whole.slice(4096..4096 + BUFFER_BYTES_MIN);
        let mut data = PeerData {
            values: vec![Packed::new("test", Bytes::new(), vec![part, whole])],
            ..PeerData::default()
        };
        let _kept = lend(&mut data);
        take_lent(&mut data, View::Private).unwrap();
        let [part, whole] = &data.values[0].buffers[..] else {
            panic!("there are two buffers");
        };
        // SAFETY: mapped for writing, and the test has it alone.
        unsafe { part.as_ptr().cast_mut().write_volatile(9) };
        assert_eq!((part[0], whole[4096]), (9, 1));
    }
}
