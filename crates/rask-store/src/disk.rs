//! Segment files: written from front to back, read through memory maps. What is forgotten is cut out
//! of its file at once, so that it takes no space, and is never written if the system has not yet
//! done so.

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use rask_value::{Encoded, Frames};
use rustix::fs::FallocateFlags;

use crate::compress::{WriteCost, decompress, try_compress};
use crate::maps;

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
pub(crate) struct Region {
    segment: Arc<Segment>,
    start: u64,
    length: u64,
}

impl Region {
    pub(crate) fn file(&self) -> &File {
        &self.segment.file
    }
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

/// Where an encoded value lies. Its space is free when the last extent and the last view of its
/// pages are gone.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Its own first; then those that have what was on disk before.
    regions: Vec<Arc<Region>>,
    kind: String,
    header: Piece,
    buffers: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Which of the regions it is in.
    region: u32,
    /// In the region's file.
    start: u64,
    stored: u64,
    /// Length before compression; equal to `stored` where there is none.
    length: u64,
}

/// Where the bytes of a buffer on disk come from.
enum Source {
    Plain,
    Packed(Vec<u8>),
    /// They are there.
    Written {
        region: u32,
        start: u64,
    },
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
        self.write_as(encoded, true)
    }

    /// Writes a value so that memory it is read into is pages of the file, whatever that takes.
    pub fn write_plain(&self, encoded: &Encoded) -> io::Result<Extent> {
        self.write_as(encoded, false)
    }

    fn write_as(&self, encoded: &Encoded, may_pack: bool) -> io::Result<Extent> {
        let (sources, mut regions) = self.find_sources(&encoded.frames.buffers, may_pack);
        let mut chunks: Vec<&[u8]> = vec![&encoded.frames.header];
        for (buffer, source) in encoded.frames.buffers.iter().zip(&sources) {
            match source {
                Source::Written { .. } => {}
                Source::Plain => chunks.push(buffer),
                Source::Packed(packed) => chunks.push(packed),
            }
        }
        let total: u64 = chunks.iter().map(|c| padded(c.len() as u64)).sum();
        let region = self.reserve(total)?;
        let started = Instant::now();
        write_padded(&region.segment.file, &chunks, region.start)?;
        self.cost.learn(total as usize, started.elapsed());
        let mut at = region.start;
        let mut place = |stored: usize, length: usize| {
            let start = at;
            at += padded(stored as u64);
            Piece {
                region: 0,
                start,
                stored: stored as u64,
                length: length as u64,
            }
        };
        let header = place(chunks[0].len(), chunks[0].len());
        let buffers = encoded.frames.buffers.iter().zip(&sources);
        let buffers = buffers.map(|(buffer, source)| match source {
            Source::Plain => place(buffer.len(), buffer.len()),
            Source::Packed(packed) => place(packed.len(), buffer.len()),
            Source::Written { region, start } => Piece {
                region: *region,
                start: *start,
                stored: buffer.len() as u64,
                length: buffer.len() as u64,
            },
        });
        let buffers = buffers.collect();
        regions[0] = Some(Arc::new(region));
        Ok(Extent {
            regions: regions.into_iter().flatten().collect(),
            kind: encoded.kind.clone(),
            header,
            buffers,
        })
    }

    /// What is to become of each buffer, and the regions that have some of them already, behind the place
    /// of the value's own.
    fn find_sources(
        &self,
        buffers: &[Bytes],
        may_pack: bool,
    ) -> (Vec<Source>, Vec<Option<Arc<Region>>>) {
        let mut regions: Vec<Option<Arc<Region>>> = vec![None];
        let mut sources = Vec::with_capacity(buffers.len());
        for buffer in buffers {
            sources.push(match maps::find(buffer) {
                Some((region, start)) => {
                    let is_same = |known: &Option<Arc<Region>>| {
                        known
                            .as_ref()
                            .is_some_and(|known| Arc::ptr_eq(known, &region))
                    };
                    let known = regions.iter().position(is_same);
                    let region = known.unwrap_or_else(|| {
                        regions.push(Some(region));
                        regions.len() - 1
                    });
                    Source::Written {
                        region: region as u32,
                        start,
                    }
                }
                None => match may_pack.then(|| try_compress(buffer, &self.cost)).flatten() {
                    Some(packed) => Source::Packed(packed),
                    None => Source::Plain,
                },
            });
        }
        (sources, regions)
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
        let header = extent.read_piece(extent.header, false)?;
        let buffers = self.read_buffers(extent, 0..extent.buffers.len())?;
        Ok(Encoded {
            kind: extent.kind.clone(),
            frames: Frames { header, buffers },
        })
    }

    /// The header of a value alone.
    pub fn read_header(&self, extent: &Extent) -> io::Result<Bytes> {
        extent.read_piece(extent.header, true)
    }

    /// Some of the buffers of a value, as [`read`](Self::read) reads them all.
    pub fn read_buffers(&self, extent: &Extent, range: Range<usize>) -> io::Result<Vec<Bytes>> {
        let pieces = extent.buffers.get(range);
        let pieces = pieces.ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Some(run) = find_run(pieces) {
            return extent.read_run(run, pieces);
        }
        let pieces = pieces.iter();
        pieces
            .map(|&piece| extent.read_piece(piece, true))
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

    /// Bytes that lie on disk for it, whoever wrote them.
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
    let follow = |pair: &[Piece]| {
        let end = pair[0].start + padded(pair[0].stored);
        (pair[0].region, end) == (pair[1].region, pair[1].start)
    };
    let stored = (last.start + last.stored).checked_sub(first.start)?;
    let is_run = pieces.len() > 1 && pieces.windows(2).all(follow);
    (is_run && stored < MAPPED_BYTES_MIN).then_some(Piece {
        region: first.region,
        start: first.start,
        stored,
        length: stored,
    })
}

impl Extent {
    /// Pieces by one call to the system, in one piece of memory unless they are compressed.
    fn read_run(&self, run: Piece, pieces: &[Piece]) -> io::Result<Vec<Bytes>> {
        let whole = self.read_piece(run, false)?;
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

    fn read_piece(&self, piece: Piece, may_map: bool) -> io::Result<Bytes> {
        if piece.stored == 0 {
            return Ok(Bytes::new());
        }
        let compressed = piece.stored != piece.length;
        let region = &self.regions[piece.region as usize];
        if !compressed && may_map && piece.stored >= MAPPED_BYTES_MIN {
            return maps::map(region, piece.start, piece.stored as usize);
        }
        let mut buffer = vec![0; piece.stored as usize];
        let mut filled = 0;
        while filled < buffer.len() {
            let at = piece.start + filled as u64;
            match rustix::io::pread(region.file(), &mut buffer[filled..], at)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        if compressed {
            buffer = decompress(&buffer, piece.length as usize)?;
        }
        Ok(Bytes::from(buffer))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::mapped_bytes;

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
        let file = extents[0].regions[0].segment.file.try_clone().unwrap();
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
    fn what_is_on_disk_is_not_written_again() {
        let disk = Disk::new(None);
        let first = disk.write(&value(0)).unwrap();
        let region = Arc::downgrade(&first.regions[0]);
        let read = disk.read(&first).unwrap().frames.buffers.remove(0);
        drop(first);
        // Half of it in two pieces that do not follow each other, and something new.
        let other = value(1).frames.buffers.remove(0);
        let pieces = [
            read.slice(1000..300_000),
            other,
            read.slice(500_001..700_002),
        ];
        let encoded = Encoded {
            kind: "test".to_owned(),
            frames: Frames {
                header: Bytes::from_static(b"head"),
                buffers: pieces.to_vec(),
            },
        };
        let second = disk.write(&encoded).unwrap();
        let own = second.regions[0].length;
        assert!(own < (1 << 20) + 1000, "{own} bytes were written");
        assert!(second.stored_bytes() > 1_500_000);
        drop((read, encoded));
        let read = disk.read(&second).unwrap();
        assert_eq!(read.frames.buffers, pieces.as_slice());
        let ends = disk.read_buffers(&second, 2..3).unwrap();
        assert_eq!(ends, &pieces[2..]);
        drop((read, ends, pieces));
        assert!(region.upgrade().is_some());
        drop(second);
        assert!(region.upgrade().is_none(), "nobody needs it");
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
