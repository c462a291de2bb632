//! Where the fields of a block end.

use super::{CsvOptions, Separator};

/// The fields of the complete records at the start of a block.
#[derive(Default)]
pub(super) struct Fields {
    /// The bytes that the ends refer to when they are not those of the block: fields without
    /// their quotes and escapes, each followed by one byte.
    unquoted: Vec<u8>,
    is_unquoted: bool,
    /// The end of each field, `field_count` of them for each record.
    pub(super) ends: Vec<u32>,
    /// Where the first field of each record starts.
    pub(super) starts: Vec<u32>,
    /// Where each record starts in the block.
    pub(super) records: Vec<u32>,
    /// Bytes of the block that the records take.
    pub(super) consumed: usize,
}

/// A record with more fields than the header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyFields {
    /// Where the record starts in the block.
    pub(super) at: usize,
    pub(super) found: usize,
}

impl Fields {
    /// The bytes that hold the fields.
    pub(super) fn bytes<'a>(&'a self, block: &'a [u8]) -> &'a [u8] {
        if self.is_unquoted {
            &self.unquoted
        } else {
            block
        }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    fn clear(&mut self) {
        self.unquoted.clear();
        self.ends.clear();
        self.starts.clear();
        self.records.clear();
        self.consumed = 0;
    }

    /// Keeps the first records only.
    pub(super) fn truncate(&mut self, rows: usize, field_count: usize) {
        self.starts.truncate(rows);
        self.records.truncate(rows);
        self.ends.truncate(rows * field_count);
    }

    /// Finds the fields of the block's complete records. The last record of the file must end
    /// with a newline (one is appended by the reader).
    pub(super) fn scan(
        &mut self,
        block: &[u8],
        options: &CsvOptions,
        field_count: usize,
    ) -> Result<(), TooManyFields> {
        self.clear();
        match options.separator {
            Separator::Byte(separator)
                if options.is_plain() && memchr::memchr(options.quote, block).is_none() =>
            {
                self.is_unquoted = false;
                self.scan_plain(block, separator, field_count)
            }
            _ => {
                self.is_unquoted = true;
                self.scan_quoted(block, options, field_count)
            }
        }
    }

    fn scan_plain(
        &mut self,
        block: &[u8],
        separator: u8,
        field_count: usize,
    ) -> Result<(), TooManyFields> {
        let mut record = Record {
            start: 0,
            first_end: 0,
        };
        let mut chunks = block.chunks_exact(64);
        let mut base = 0;
        for chunk in &mut chunks {
            let chunk: &[u8; 64] = chunk.try_into().expect("chunks of 64");
            let newlines = byte_mask(chunk, b'\n');
            let all = newlines | byte_mask(chunk, separator);
            self.add_ends(block, base, all, newlines, field_count, &mut record)?;
            base += 64;
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            // Padding with zeros is neither a separator nor a newline.
            let mut chunk = [0u8; 64];
            chunk[..rest.len()].copy_from_slice(rest);
            let live = (1u64 << rest.len()) - 1;
            let newlines = byte_mask(&chunk, b'\n') & live;
            let all = newlines | (byte_mask(&chunk, separator) & live);
            self.add_ends(block, base, all, newlines, field_count, &mut record)?;
        }
        self.ends.truncate(record.first_end);
        self.consumed = record.start;
        Ok(())
    }

    /// Adds the ends in 64 bytes. Between newlines there is nothing to check.
    #[inline]
    fn add_ends(
        &mut self,
        block: &[u8],
        base: usize,
        mut all: u64,
        mut newlines: u64,
        field_count: usize,
        record: &mut Record,
    ) -> Result<(), TooManyFields> {
        while newlines != 0 {
            let newline = newlines.trailing_zeros();
            newlines &= newlines - 1;
            // The bits up to and including the newline.
            let through = u64::MAX >> (63 - newline);
            self.push_bits(base, all & through);
            all &= !through;
            self.end_record(block, base + newline as usize, field_count, record)?;
        }
        self.push_bits(base, all);
        Ok(())
    }

    #[inline]
    fn push_bits(&mut self, base: usize, mut bits: u64) {
        let base = base as u32;
        while bits != 0 {
            self.ends.push(base + bits.trailing_zeros());
            bits &= bits - 1;
        }
    }

    #[inline]
    fn end_record(
        &mut self,
        block: &[u8],
        newline: usize,
        field_count: usize,
        record: &mut Record,
    ) -> Result<(), TooManyFields> {
        let start = record.start;
        record.start = newline + 1;
        let mut end = newline;
        if end > start && block[end - 1] == b'\r' {
            end -= 1;
        }
        if end == start {
            self.ends.truncate(record.first_end);
            return Ok(());
        }
        if let Some(last) = self.ends.last_mut() {
            *last = end as u32;
        }
        let found = self.ends.len() - record.first_end;
        if found != field_count {
            if found > field_count {
                return Err(TooManyFields { at: start, found });
            }
            // The missing fields of a short record are empty.
            self.ends.resize(record.first_end + field_count, end as u32);
        }
        record.first_end = self.ends.len();
        self.starts.push(start as u32);
        self.records.push(start as u32);
        Ok(())
    }

    /// Byte by byte, with quotes, escapes and comments; fields are copied without them.
    fn scan_quoted(
        &mut self,
        block: &[u8],
        options: &CsvOptions,
        field_count: usize,
    ) -> Result<(), TooManyFields> {
        let mut at = 0;
        while at < block.len() {
            let (first_end, first_byte) = (self.ends.len(), self.unquoted.len());
            let Some(next) = self.copy_record(block, at, options) else {
                self.ends.truncate(first_end);
                self.unquoted.truncate(first_byte);
                break;
            };
            let found = self.ends.len() - first_end;
            let is_blank = found == 0
                || (found == 1
                    && self.ends[first_end] as usize == first_byte
                    && !block[at..next].contains(&options.quote));
            if is_blank {
                self.ends.truncate(first_end);
                self.unquoted.truncate(first_byte);
            } else if found > field_count {
                return Err(TooManyFields { at, found });
            } else {
                let end = self.ends[self.ends.len() - 1];
                self.ends.resize(first_end + field_count, end);
                self.starts.push(first_byte as u32);
                self.records.push(at as u32);
            }
            at = next;
            self.consumed = at;
        }
        Ok(())
    }

    /// Copies the fields of one record; `None` if it does not end in the block.
    fn copy_record(&mut self, block: &[u8], start: usize, options: &CsvOptions) -> Option<usize> {
        let mut at = start;
        if options.separator == Separator::Whitespace {
            at = skip_blanks(block, at);
        }
        if options.comment.is_some() && block.get(at).copied() == options.comment {
            return memchr::memchr(b'\n', &block[at..]).map(|n| at + n + 1);
        }
        loop {
            if options.skip_initial_space {
                at += block[at..].iter().take_while(|b| **b == b' ').count();
            }
            at = self.copy_field(block, at, options)?;
            let end = self.unquoted.len() as u32;
            self.ends.push(end);
            self.unquoted.push(b'\n');
            let byte = *block.get(at)?;
            if Some(byte) == options.comment {
                return memchr::memchr(b'\n', &block[at..]).map(|n| at + n + 1);
            }
            match byte {
                b'\n' => return Some(at + 1),
                b'\r' if block.get(at + 1) == Some(&b'\n') => return Some(at + 2),
                _ if options.separator == Separator::Whitespace => {
                    at = skip_blanks(block, at);
                    match block.get(at)? {
                        b'\n' => return Some(at + 1),
                        b'\r' if block.get(at + 1) == Some(&b'\n') => return Some(at + 2),
                        _ => {}
                    }
                }
                _ => at += 1,
            }
        }
    }

    /// Copies one field; returns the place of what ends it.
    fn copy_field(&mut self, block: &[u8], start: usize, options: &CsvOptions) -> Option<usize> {
        let mut at = start;
        if *block.get(at)? == options.quote {
            at = self.copy_quoted(block, at + 1, options)?;
        }
        loop {
            let byte = *block.get(at)?;
            if is_end(block, at, byte, options) {
                return Some(at);
            }
            if Some(byte) == options.escape {
                at += 1;
            }
            self.unquoted.push(*block.get(at)?);
            at += 1;
        }
    }

    /// Copies up to the closing quote; a doubled quote is one. Returns the place after it.
    fn copy_quoted(&mut self, block: &[u8], start: usize, options: &CsvOptions) -> Option<usize> {
        let mut at = start;
        loop {
            let run = match options.escape {
                Some(escape) => memchr::memchr2(options.quote, escape, &block[at..])?,
                None => memchr::memchr(options.quote, &block[at..])?,
            };
            self.unquoted.extend_from_slice(&block[at..at + run]);
            at += run;
            if block[at] != options.quote {
                self.unquoted.push(*block.get(at + 1)?);
                at += 2;
            } else if *block.get(at + 1)? == options.quote {
                self.unquoted.push(options.quote);
                at += 2;
            } else {
                return Some(at + 1);
            }
        }
    }
}

struct Record {
    start: usize,
    first_end: usize,
}

fn skip_blanks(block: &[u8], at: usize) -> usize {
    at + block[at..]
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count()
}

#[inline]
fn is_end(block: &[u8], at: usize, byte: u8, options: &CsvOptions) -> bool {
    if byte == b'\n' || Some(byte) == options.comment {
        return true;
    }
    if byte == b'\r' {
        return block.get(at + 1) == Some(&b'\n');
    }
    match options.separator {
        Separator::Byte(separator) => byte == separator,
        Separator::Whitespace => byte == b' ' || byte == b'\t',
    }
}

/// Bit `i` is set where byte `i` is the wanted one.
#[cfg(target_arch = "x86_64")]
#[inline]
fn byte_mask(chunk: &[u8; 64], wanted: u8) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
    let mut mask = 0;
    for part in 0..4 {
        // SAFETY: SSE2 belongs to x86-64, and the sixteen bytes are inside the chunk.
        let bits = unsafe {
            let bytes = _mm_loadu_si128(chunk.as_ptr().add(part * 16).cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted as i8)))
        };
        mask |= u64::from(bits as u32) << (part * 16);
    }
    mask
}

/// Bit `i` is set where byte `i` is the wanted one.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn byte_mask(chunk: &[u8; 64], wanted: u8) -> u64 {
    let mut mask = 0;
    for (i, byte) in chunk.iter().enumerate() {
        mask |= u64::from(*byte == wanted) << i;
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(block: &str, options: &CsvOptions, field_count: usize) -> Vec<Vec<String>> {
        let mut fields = Fields::default();
        fields
            .scan(block.as_bytes(), options, field_count)
            .expect("not ragged");
        let bytes = fields.bytes(block.as_bytes()).to_vec();
        (0..fields.len())
            .map(|row| {
                (0..field_count)
                    .map(|column| {
                        let place = row * field_count + column;
                        let end = fields.ends[place] as usize;
                        let start = match column {
                            0 => fields.starts[row] as usize,
                            _ => (fields.ends[place - 1] as usize + 1).min(end),
                        };
                        String::from_utf8_lossy(&bytes[start..end]).into_owned()
                    })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn plain_and_quoted_scans_agree() {
        let block = "a,bb,ccc\r\n\n1,,3\n4,5\nlonger text here,that goes over,sixty-four bytes\n";
        let wanted = [
            vec!["a", "bb", "ccc"],
            vec!["1", "", "3"],
            vec!["4", "5", ""],
            vec!["longer text here", "that goes over", "sixty-four bytes"],
        ];
        let plain = texts(block, &CsvOptions::default(), 3);
        assert_eq!(plain, wanted);
        let commented = CsvOptions {
            comment: Some(b'#'),
            ..CsvOptions::default()
        };
        assert_eq!(texts(block, &commented, 3), wanted);
    }

    #[test]
    fn quotes_hold_separators_newlines_and_quotes() {
        let block = "\"a,b\",\"say \"\"hi\"\"\"\n\"two\nlines\",x\"y\n\"\",z\n";
        let wanted = [
            vec!["a,b", "say \"hi\""],
            vec!["two\nlines", "x\"y"],
            vec!["", "z"],
        ];
        assert_eq!(texts(block, &CsvOptions::default(), 2), wanted);
    }

    #[test]
    fn an_unfinished_record_is_left() {
        let mut fields = Fields::default();
        fields
            .scan(b"1,2\n3,\"4\n", &CsvOptions::default(), 2)
            .expect("fine");
        assert_eq!((fields.len(), fields.consumed), (1, 4));
    }

    #[test]
    fn too_many_fields_are_refused() {
        let mut fields = Fields::default();
        let error = fields.scan(b"1,2\n3,4,5\n", &CsvOptions::default(), 2);
        assert_eq!(error, Err(TooManyFields { at: 4, found: 3 }));
    }

    #[test]
    fn white_space_separates() {
        let options = CsvOptions {
            separator: Separator::Whitespace,
            ..CsvOptions::default()
        };
        assert_eq!(
            texts("  a  b\nc \t d \n", &options, 2),
            [vec!["a", "b"], vec!["c", "d"]]
        );
    }
}
