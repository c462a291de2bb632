//! Segment files: written from front to back, read through memory maps. What is forgotten is cut out
//! of its file at once, so that it takes no space, and is never written if the system has not yet
//! done so.

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use memmap2::{Advice, Mmap, MmapOptions};
use parking_lot::Mutex;
use rask_value::{Encoded, Frames};
use rustix::fs::FallocateFlags;

use crate::compress::{WriteCost, decompress, try_compress};

/// A segment that has reached this size takes no more values.
const SEGMENT_BYTES: u64 = 256 << 20;
/// Buffers start at multiples of this, so that arrays in them are aligned.
const ALIGNMENT: u64 = 64;
/// Smaller ranges are not worth a call to the system when they are free.
const CUT_BYTES_MIN: u64 = 64 * 1024;

/// A folder's worth of segment files. The files have no names: they go when their last value does,
/// and with the process in any case.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    active: Mutex<Option<Arc<Segment>>>,
    cost: WriteCost,
}

#[derive(Debug)]
struct Segment {
    file: File,
    end: Mutex<u64>,
}

/// A range of a segment. Its space is given back with it.
#[derive(Debug)]
struct Region {
    segment: Arc<Segment>,
    start: u64,
    length: u64,
}

impl Drop for Region {
    fn drop(&mut self) {
        let is_last = Arc::strong_count(&self.segment) == 1;
        if is_last || self.length < CUT_BYTES_MIN {
            return;
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // Where the file system cannot do it, the space is free when the segment goes.
        let _ = rustix::fs::fallocate(&self.segment.file, flags, self.start, self.length);
    }
}

/// Bytes of files that this process has mapped to read values back.
static MAPPED_BYTES: AtomicU64 = AtomicU64::new(0);

/// Bytes of values that are in memory as pages of the files they were written to.
pub fn mapped_bytes() -> u64 {
    MAPPED_BYTES.load(Ordering::Relaxed)
}

/// Pages of a file in memory, which stay what they are as long as the map is there.
struct Mapped {
    map: Mmap,
    _region: Arc<Region>,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        MAPPED_BYTES.fetch_sub(self.map.len() as u64, Ordering::Relaxed);
    }
}

/// Where an encoded value lies. Its space is free when the last extent and the last view of its
/// pages are gone.
#[derive(Clone, Debug)]
pub struct Extent {
    region: Arc<Region>,
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
            cost: WriteCost::default(),
        }
    }

    /// The folder that the files are in.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Writes a value. Nothing of it stays on disk if that fails.
    pub fn write(&self, encoded: &Encoded) -> io::Result<Extent> {
        let packed: Vec<Option<Vec<u8>>> = encoded
            .frames
            .buffers
            .iter()
            .map(|buffer| try_compress(buffer, &self.cost))
            .collect();
        let mut chunks: Vec<&[u8]> = vec![&encoded.frames.header];
        for (buffer, packed) in encoded.frames.buffers.iter().zip(&packed) {
            chunks.push(packed.as_deref().unwrap_or(buffer));
        }
        let total: u64 = chunks.iter().map(|c| padded(c.len() as u64)).sum();
        let region = self.reserve(total)?;
        let started = Instant::now();
        write_padded(&region.segment.file, &chunks, region.start)?;
        self.cost.learn(total as usize, started.elapsed());
        let mut at = region.start;
        let mut pieces = Vec::with_capacity(chunks.len());
        for chunk in &chunks {
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
            region: Arc::new(region),
            kind: encoded.kind.clone(),
            header,
            buffers: pieces,
        })
    }

    /// Whether so many bytes can be written now. Where the file system does not tell, they can.
    pub fn check_room(&self, length: u64) -> io::Result<()> {
        let region = self.reserve(length.max(CUT_BYTES_MIN))?;
        let flags = FallocateFlags::empty();
        let file = &region.segment.file;
        match rustix::fs::fallocate(file, flags, region.start, region.length) {
            Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    /// Reads a value back. Buffers that are not compressed are views of the file's pages.
    pub fn read(&self, extent: &Extent) -> io::Result<Encoded> {
        let header = read_piece(&extent.region, extent.header, false)?;
        let buffers = self.read_buffers(extent, 0..extent.buffers.len())?;
        Ok(Encoded {
            kind: extent.kind.clone(),
            frames: Frames { header, buffers },
        })
    }

    /// The header of a value alone.
    pub fn read_header(&self, extent: &Extent) -> io::Result<Bytes> {
        read_piece(&extent.region, extent.header, true)
    }

    /// Some of the buffers of a value, as [`read`](Self::read) reads them all.
    pub fn read_buffers(&self, extent: &Extent, range: Range<usize>) -> io::Result<Vec<Bytes>> {
        let pieces = extent.buffers.get(range);
        let pieces = pieces.ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Some(run) = find_run(pieces) {
            return read_run(&extent.region, run, pieces);
        }
        let pieces = pieces.iter();
        pieces
            .map(|&piece| read_piece(&extent.region, piece, true))
            .collect()
    }

    /// A place for `total` bytes in a segment with room, or in a new one.
    fn reserve(&self, total: u64) -> io::Result<Region> {
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
        Ok(Region {
            segment,
            start,
            length: total,
        })
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

/// Chunks that go to the system in one call.
const CHUNKS_MAX: usize = 256;

/// Chunks one after the other, each at a multiple of `ALIGNMENT`.
fn write_padded(file: &File, chunks: &[&[u8]], mut at: u64) -> io::Result<()> {
    const PADDING: [u8; ALIGNMENT as usize] = [0; ALIGNMENT as usize];
    for chunks in chunks.chunks(CHUNKS_MAX) {
        let mut slices = Vec::with_capacity(2 * chunks.len());
        for chunk in chunks {
            let length = chunk.len() as u64;
            slices.push(IoSlice::new(chunk));
            slices.push(IoSlice::new(&PADDING[..(padded(length) - length) as usize]));
        }
        let mut written = rustix::io::retry_on_intr(|| rustix::io::pwritev(file, &slices, at))?;
        // Mostly all of it; else the rest goes piece by piece.
        for slice in &slices {
            let done = slice.len().min(written);
            written -= done;
            write_at(file, &slice[done..], at + done as u64)?;
            at += slice.len() as u64;
        }
    }
    Ok(())
}

fn write_at(file: &File, mut chunk: &[u8], mut at: u64) -> io::Result<()> {
    while !chunk.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::pwrite(file, chunk, at))?;
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

/// Where pieces that follow each other lie together, if they are small.
fn find_run(pieces: &[Piece]) -> Option<Piece> {
    let (first, last) = (pieces.first()?, pieces.last()?);
    let follow = |pair: &[Piece]| pair[0].start + padded(pair[0].stored) == pair[1].start;
    let stored = (last.start + last.stored).checked_sub(first.start)?;
    let is_run = pieces.len() > 1 && pieces.windows(2).all(follow);
    (is_run && stored < MAPPED_BYTES_MIN).then_some(Piece {
        start: first.start,
        stored,
        length: stored,
    })
}

/// Pieces by one call to the system, in one piece of memory unless they are compressed.
fn read_run(region: &Arc<Region>, run: Piece, pieces: &[Piece]) -> io::Result<Vec<Bytes>> {
    let whole = read_piece(region, run, false)?;
    let read = pieces.iter().map(|piece| {
        let start = (piece.start - run.start) as usize;
        let stored = whole.slice(start..start + piece.stored as usize);
        match piece.stored == piece.length {
            true => Ok(stored),
            false => Ok(decompress(&stored, piece.length as usize)?.into()),
        }
    });
    read.collect()
}

fn read_piece(region: &Arc<Region>, piece: Piece, may_map: bool) -> io::Result<Bytes> {
    if piece.stored == 0 {
        return Ok(Bytes::new());
    }
    let compressed = piece.stored != piece.length;
    if !compressed && may_map && piece.stored >= MAPPED_BYTES_MIN {
        return Ok(Bytes::from_owner(map(region, piece)?));
    }
    let file = &region.segment.file;
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

fn map(region: &Arc<Region>, piece: Piece) -> io::Result<Mapped> {
    let mut options = MmapOptions::new();
    options.offset(piece.start).len(piece.stored as usize);
    // SAFETY: the file has no name, so no other process has it open, and a region that has been
    // written is never written again, or cut out as long as the map holds it.
    let map = unsafe { options.map(&region.segment.file) }?;
    // The system reads it all while whoever asked for it begins at the front.
    let _ = map.advise(Advice::WillNeed);
    MAPPED_BYTES.fetch_add(map.len() as u64, Ordering::Relaxed);
    Ok(Mapped {
        map,
        _region: region.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn value(fill: u8) -> Encoded {
        // Noise, as compression would spoil the figures.
        let mut state = u64::from(fill) + 1;
        let bytes = (0..1u32 << 20).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        });
        Encoded {
            kind: "test".to_owned(),
            frames: Frames {
                header: Bytes::from_static(b"head"),
                buffers: vec![bytes.collect::<Vec<u8>>().into()],
            },
        }
    }

    #[test]
    fn what_is_forgotten_takes_no_space_and_what_is_read_stays() {
        let disk = Disk::new(None);
        let extents: Vec<Extent> = (0..8).map(|i| disk.write(&value(i)).unwrap()).collect();
        let file = extents[0].region.segment.file.try_clone().unwrap();
        let taken = || file.metadata().unwrap().blocks() * 512;
        assert!(taken() >= 8 << 20);
        let read = disk.read(&extents[3]).unwrap();
        assert!(mapped_bytes() >= 1 << 20);
        drop(extents);
        // The pages that are read, and what small ranges leave.
        assert!(taken() < 2 << 20, "{} bytes are taken", taken());
        assert_eq!(read.frames.buffers, value(3).frames.buffers);
        drop(read);
        assert!(taken() < 1 << 20, "{} bytes are taken", taken());
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error() {
        let folder = tempfile::tempdir().unwrap().path().join("gone");
        let disk = Disk::new(Some(folder.clone()));
        assert!(disk.write(&value(0)).is_err() && disk.check_room(1).is_err());
        std::fs::create_dir_all(&folder).unwrap();
        assert!(disk.check_room(1 << 20).is_ok() && disk.write(&value(0)).is_ok());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
