//! How parts are encoded together: an index, so that one part is found without looking at the others.
//!
//! A header begins with the number of parts, and for each part and the end, as `u32` in
//! little-endian order, the part's number (increasing), where its own header begins behind the
//! index, and which its first buffer is. The headers of the parts follow, one after the other.

use std::cmp::Ordering;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{CodecError, Encoded, Frames, PartPlace};

/// Bytes of an entry of the index.
const ENTRY_BYTES: usize = 12;

/// Encodes parts together.
#[derive(Debug)]
pub struct PartsEncoder {
    index: BytesMut,
    headers: BytesMut,
    buffers: Vec<Bytes>,
    last: u32,
}

impl PartsEncoder {
    /// For this many parts.
    pub fn new(count: usize) -> Self {
        let mut index = BytesMut::with_capacity(4 + (count + 1) * ENTRY_BYTES);
        index.put_u32_le(count as u32);
        PartsEncoder {
            index,
            headers: BytesMut::new(),
            buffers: Vec::new(),
            last: 0,
        }
    }

    /// The next part, whose number is greater than those before; its header in pieces.
    pub fn add(&mut self, number: u32, header: &[&[u8]], buffers: Vec<Bytes>) {
        self.put_entry(number);
        for piece in header {
            self.headers.put(*piece);
        }
        self.buffers.extend(buffers);
        self.last = number;
    }

    fn put_entry(&mut self, number: u32) {
        self.index.put_u32_le(number);
        self.index.put_u32_le(self.headers.len() as u32);
        self.index.put_u32_le(self.buffers.len() as u32);
    }

    /// All parts as a value of this kind.
    pub fn finish(mut self, kind: &str) -> Encoded {
        self.put_entry(self.last);
        self.index.put(self.headers);
        Encoded {
            kind: kind.into(),
            frames: Frames {
                header: self.index.freeze(),
                buffers: self.buffers,
            },
        }
    }
}

/// The index of encoded parts; the header may hold anything.
#[derive(Debug)]
pub struct PartIndex<'a> {
    header: &'a Bytes,
    kinds: PartKinds,
    count: usize,
}

/// What parts are called.
#[derive(Clone, Copy, Debug)]
pub struct PartKinds {
    /// All together.
    pub whole: &'static str,
    /// One alone.
    pub part: &'static str,
}

impl PartKinds {
    /// An error for frames that are not such parts.
    pub fn malformed(self, reason: &str) -> CodecError {
        CodecError::Malformed {
            kind: self.whole,
            reason: reason.into(),
        }
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

impl<'a> PartIndex<'a> {
    /// Reads the index of a header.
    pub fn read(kinds: PartKinds, header: &'a Bytes) -> Result<Self, CodecError> {
        let count = read_u32(header, 0).ok_or_else(|| kinds.malformed("no index"))? as usize;
        if end_of_index(count).is_none_or(|end| end > header.len()) {
            return Err(kinds.malformed("an index that is cut off"));
        }
        Ok(PartIndex {
            header,
            kinds,
            count,
        })
    }

    /// Number, header and first buffer of the part in this place; `at` is at most the count.
    fn entry(&self, at: usize) -> (u32, usize, usize) {
        let word = |word: usize| read_u32(self.header, 4 + at * ENTRY_BYTES + word * 4);
        let word = |number| word(number).unwrap_or(u32::MAX);
        (word(0), word(1) as usize, word(2) as usize)
    }

    fn place(&self, at: usize) -> Result<PartPlace, CodecError> {
        let (_, start, first) = self.entry(at);
        let (_, end, last) = self.entry(at + 1);
        let headers = end_of_index(self.count);
        let place = headers.and_then(|headers| {
            let (start, end) = (headers.checked_add(start)?, headers.checked_add(end)?);
            let fits = start <= end && end <= self.header.len() && first <= last;
            fits.then(|| PartPlace {
                kind: self.kinds.part,
                header: self.header.slice(start..end),
                buffers: first..last,
            })
        });
        place.ok_or_else(|| self.kinds.malformed("an index that does not fit"))
    }

    /// Where the part of this number lies.
    pub fn find(&self, number: u32) -> Result<PartPlace, CodecError> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle).0.cmp(&number) {
                Ordering::Equal => return self.place(middle),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Err(self.kinds.malformed("there is no such part"))
    }

    /// All parts, by increasing number, with what is found by `decode` in each.
    pub fn decode_all<T>(
        &self,
        buffers: &[Bytes],
        decode: impl Fn(&Frames) -> Result<T, CodecError>,
    ) -> Result<Vec<(u32, T)>, CodecError> {
        // Not reserved ahead: the count is anybody's until the parts are there.
        let mut parts: Vec<(u32, T)> = Vec::new();
        for at in 0..self.count {
            let number = self.entry(at).0;
            if parts.last().is_some_and(|&(before, _)| before >= number) {
                return Err(self.kinds.malformed("parts out of order"));
            }
            let part = self.place(at)?.take(buffers)?;
            parts.push((number, decode(&part.frames)?));
        }
        Ok(parts)
    }
}

fn end_of_index(count: usize) -> Option<usize> {
    let entries = count.checked_add(1)?;
    entries.checked_mul(ENTRY_BYTES)?.checked_add(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: PartKinds = PartKinds {
        whole: "parts",
        part: "part",
    };

    fn encoded() -> Encoded {
        let mut parts = PartsEncoder::new(3);
        parts.add(2, &[b"a", b"bc"], vec![Bytes::from_static(b"one")]);
        parts.add(5, &[], vec![]);
        let two = vec![Bytes::from_static(b"two"), Bytes::from_static(b"three")];
        parts.add(9, &[b"d"], two);
        parts.finish(KINDS.whole)
    }

    fn take(encoded: &Encoded, number: u32) -> Result<Frames, CodecError> {
        let place = PartIndex::read(KINDS, &encoded.frames.header)?.find(number)?;
        Ok(place.take(&encoded.frames.buffers)?.frames)
    }

    #[test]
    fn parts_are_found_by_their_numbers() {
        let encoded = encoded();
        assert_eq!(encoded.kind, "parts");
        type Part<'a> = (u32, &'a [u8], &'a [&'a [u8]]);
        let expected: [Part<'_>; 3] = [
            (2, b"abc", &[b"one"]),
            (5, b"", &[]),
            (9, b"d", &[b"two", b"three"]),
        ];
        for (number, header, buffers) in expected {
            let part = take(&encoded, number).unwrap();
            assert_eq!(
                (&part.header[..], part.buffers.len()),
                (header, buffers.len())
            );
            assert!(part.buffers.iter().zip(buffers).all(|(a, b)| a == b));
        }
        for missing in [0, 1, 3, 8, 10, u32::MAX] {
            assert!(take(&encoded, missing).is_err());
        }
        let index = PartIndex::read(KINDS, &encoded.frames.header).unwrap();
        let all = index.decode_all(&encoded.frames.buffers, |frames| Ok(frames.buffers.len()));
        assert_eq!(all.unwrap(), [(2, 1), (5, 0), (9, 2)]);
    }

    #[test]
    fn no_header_makes_it_panic() {
        let encoded = encoded();
        let whole = encoded.frames.header;
        let try_all = |header: Bytes| {
            let index = PartIndex::read(KINDS, &header)?;
            for number in 0..10 {
                let _ = index
                    .find(number)
                    .and_then(|p| p.take(&encoded.frames.buffers));
            }
            index.decode_all(&encoded.frames.buffers, |_| Ok(()))
        };
        assert!(try_all(whole.clone()).is_ok());
        for cut in 0..whole.len() {
            assert!(try_all(whole.slice(..cut)).is_err());
        }
        for (at, flip) in (0..whole.len()).flat_map(|at| [(at, 0xFF), (at, 1), (at, 0x80)]) {
            let mut broken = whole.to_vec();
            broken[at] ^= flip;
            let _ = try_all(broken.into());
        }
        let mut backwards = whole.to_vec();
        backwards[4] = 7;
        assert!(try_all(backwards.into()).is_err());
    }
}
