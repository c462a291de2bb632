//! Segment files: written from front to back, read through memory maps.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};
use parking_lot::Mutex;
use rask_value::{Encoded, Frames};

use crate::compress::{decompress, try_compress};

/// A segment that has reached this size takes no more values.
const SEGMENT_BYTES: u64 = 256 << 20;
/// Buffers start at multiples of this, so that arrays in them are aligned.
const ALIGNMENT: u64 = 64;

/// A folder's worth of segment files. The files have no names: they go when their last value does,
/// and with the process in any case.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    active: Mutex<Option<Arc<Segment>>>,
}

#[derive(Debug)]
struct Segment {
    file: File,
    end: Mutex<u64>,
}

/// Where an encoded value lies. Dropping the last extent of a full segment gives its space back.
#[derive(Clone, Debug)]
pub struct Extent {
    segment: Arc<Segment>,
    kind: String,
    header: Piece,
    buffers: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u64,
    stored: u64,
    /// Length before compression; equal to `stored` where there is none.
    length: u64,
}

impl Disk {
    /// Segment files in `folder`, or in the system's folder for temporary files.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Disk {
            folder: folder.unwrap_or_else(std::env::temp_dir),
            active: Mutex::new(None),
        }
    }

    /// Writes a value.
    pub fn write(&self, encoded: &Encoded) -> io::Result<Extent> {
        let packed: Vec<Option<Vec<u8>>> = encoded
            .frames
            .buffers
            .iter()
            .map(|buffer| try_compress(buffer))
            .collect();
        let mut chunks: Vec<&[u8]> = vec![&encoded.frames.header];
        for (buffer, packed) in encoded.frames.buffers.iter().zip(&packed) {
            chunks.push(packed.as_deref().unwrap_or(buffer));
        }
        let total: u64 = chunks.iter().map(|c| padded(c.len() as u64)).sum();
        let (segment, mut at) = self.reserve(total)?;
        let mut pieces = Vec::with_capacity(chunks.len());
        for chunk in &chunks {
            write_at(&segment.file, chunk, at)?;
            let stored = chunk.len() as u64;
            pieces.push(Piece {
                start: at,
                stored,
                length: stored,
            });
            at += padded(stored);
        }
        let header = pieces.remove(0);
        for (piece, buffer) in pieces.iter_mut().zip(&encoded.frames.buffers) {
            piece.length = buffer.len() as u64;
        }
        Ok(Extent {
            segment,
            kind: encoded.kind.clone(),
            header,
            buffers: pieces,
        })
    }

    /// Reads a value back. Buffers that are not compressed are views of the file's pages.
    pub fn read(&self, extent: &Extent) -> io::Result<Encoded> {
        let header = read_piece(&extent.segment.file, extent.header, false)?;
        let buffers = self.read_buffers(extent, 0..extent.buffers.len())?;
        Ok(Encoded {
            kind: extent.kind.clone(),
            frames: Frames { header, buffers },
        })
    }

    /// The header of a value alone.
    pub fn read_header(&self, extent: &Extent) -> io::Result<Bytes> {
        read_piece(&extent.segment.file, extent.header, true)
    }

    /// Some of the buffers of a value, as [`read`](Self::read) reads them all.
    pub fn read_buffers(&self, extent: &Extent, range: Range<usize>) -> io::Result<Vec<Bytes>> {
        let pieces = extent.buffers.get(range);
        let pieces = pieces.ok_or(io::ErrorKind::UnexpectedEof)?.iter();
        pieces
            .map(|&piece| read_piece(&extent.segment.file, piece, true))
            .collect()
    }

    /// A place for `total` bytes in a segment with room, or in a new one.
    fn reserve(&self, total: u64) -> io::Result<(Arc<Segment>, u64)> {
        let mut active = self.active.lock();
        let segment = match &*active {
            Some(segment) => segment.clone(),
            None => {
                let segment = Arc::new(Segment {
                    file: tempfile::tempfile_in(&self.folder)?,
                    end: Mutex::new(0),
                });
                *active = Some(segment.clone());
                segment
            }
        };
        let mut end = segment.end.lock();
        let start = *end;
        *end += total;
        if *end >= SEGMENT_BYTES {
            *active = None;
        }
        drop(end);
        Ok((segment, start))
    }
}

impl Extent {
    /// The kind of the encoded value.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Bytes taken on disk.
    pub fn stored_bytes(&self) -> u64 {
        let buffers = self.buffers.iter().map(|piece| padded(piece.stored));
        padded(self.header.stored) + buffers.sum::<u64>()
    }
}

fn padded(length: u64) -> u64 {
    length.next_multiple_of(ALIGNMENT)
}

fn write_at(file: &File, mut chunk: &[u8], mut at: u64) -> io::Result<()> {
    while !chunk.is_empty() {
        let written = rustix::io::pwrite(file, chunk, at)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        chunk = &chunk[written..];
        at += written as u64;
    }
    Ok(())
}

/// Below this, copying is cheaper than a map.
const MAPPED_BYTES_MIN: u64 = 64 * 1024;

fn read_piece(file: &File, piece: Piece, may_map: bool) -> io::Result<Bytes> {
    if piece.stored == 0 {
        return Ok(Bytes::new());
    }
    let compressed = piece.stored != piece.length;
    if !compressed && may_map && piece.stored >= MAPPED_BYTES_MIN {
        return Ok(Bytes::from_owner(map(file, piece)?));
    }
    let mut buffer = vec![0; piece.stored as usize];
    let mut filled = 0;
    while filled < buffer.len() {
        let at = piece.start + filled as u64;
        match rustix::io::pread(file, &mut buffer[filled..], at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    if compressed {
        buffer = decompress(&buffer, piece.length as usize)?;
    }
    Ok(Bytes::from(buffer))
}

fn map(file: &File, piece: Piece) -> io::Result<Mmap> {
    let mut options = MmapOptions::new();
    options.offset(piece.start).len(piece.stored as usize);
    // SAFETY: the file has no name, so no other process has it open, and a region that has been
    // written is never written again or cut off.
    unsafe { options.map(file) }
}
