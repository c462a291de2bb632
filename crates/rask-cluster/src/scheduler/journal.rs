//! The scheduler's memory over restarts: an append-only file of [`Record`]s.
//!
//! A record is written before anybody is told what follows from it. It is in the system's cache
//! then, which outlives the process but not a loss of power. Each record stands behind its length
//! and a checksum; what a crash has left half-written at the end is cut off.
//!
//! When the file has grown to several times what is still of use, that is written to a new file,
//! which takes the place of the old one.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rask_proto::{Frame, Packed, Record, Wire};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 8] = b"RASKJRN1";
const ID_BYTES: usize = 16;
/// Length, checksum.
const HEAD_BYTES: usize = 16;
/// A file is not made smaller below this.
const COMPACTED_BYTES_MIN: u64 = 16 << 20;

/// An open journal.
pub(super) struct Journal {
    folder: PathBuf,
    file: File,
    id: [u8; ID_BYTES],
    nbytes: u64,
    /// Just after it was opened or made smaller.
    nbytes_compacted: u64,
}

impl Journal {
    /// The journal in `folder`, made if there is none, and what is written in it.
    pub fn open(folder: &Path) -> io::Result<(Self, Vec<Record>)> {
        std::fs::create_dir_all(folder)?;
        let path = path_in(folder);
        let mut bytes = Vec::new();
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        file.try_lock().map_err(|_| {
            io::Error::other(format!(
                "another scheduler uses the journal {}",
                path.display()
            ))
        })?;
        file.read_to_end(&mut bytes)?;
        if bytes.len() < MAGIC.len() + ID_BYTES {
            let id = rask_wire::random_id();
            file.set_len(0)?;
            let journal = Journal::begin(folder, file, id)?;
            return Ok((journal, Vec::new()));
        }
        let Some((id, rest)) = bytes
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.split_first_chunk::<ID_BYTES>())
        else {
            return Err(io::Error::other(format!(
                "{} is no journal of this version of Rask",
                path.display()
            )));
        };
        let (records, good) = parse(rest);
        let nbytes = (MAGIC.len() + ID_BYTES + good) as u64;
        file.set_len(nbytes)?;
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        let journal = Journal {
            folder: folder.to_owned(),
            file,
            id: *id,
            nbytes,
            nbytes_compacted: nbytes,
        };
        Ok((journal, records))
    }

    fn begin(folder: &Path, mut file: File, id: [u8; ID_BYTES]) -> io::Result<Self> {
        io::Seek::seek(&mut file, io::SeekFrom::Start(0))?;
        file.write_all(MAGIC)?;
        file.write_all(&id)?;
        let nbytes = (MAGIC.len() + ID_BYTES) as u64;
        Ok(Journal {
            folder: folder.to_owned(),
            file,
            id,
            nbytes,
            nbytes_compacted: nbytes,
        })
    }

    /// Names the scheduler whose memory this is.
    pub fn id(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes one record.
    pub fn write(&mut self, record: Record) -> io::Result<()> {
        let bytes = encode(record);
        self.file.write_all(&bytes)?;
        self.nbytes += bytes.len() as u64;
        Ok(())
    }

    /// Whether much of the file may be of no use any more.
    pub fn is_large(&self) -> bool {
        self.nbytes > COMPACTED_BYTES_MIN.max(4 * self.nbytes_compacted)
    }

    /// The records in the file.
    pub fn read(&self) -> io::Result<Vec<Record>> {
        let bytes = std::fs::read(path_in(&self.folder))?;
        Ok(parse(&bytes[(MAGIC.len() + ID_BYTES).min(bytes.len())..]).0)
    }

    /// Puts these records in the place of all.
    pub fn replace(&mut self, records: impl IntoIterator<Item = Record>) -> io::Result<()> {
        let fresh = self.folder.join("journal.new");
        let file = File::create(&fresh)?;
        let mut journal = Journal::begin(&self.folder, file, self.id)?;
        let mut out = BufWriter::new(&mut journal.file);
        for record in records {
            let bytes = encode(record);
            out.write_all(&bytes)?;
            journal.nbytes += bytes.len() as u64;
        }
        out.flush()?;
        drop(out);
        journal
            .file
            .try_lock()
            .map_err(|_| io::Error::other("the new journal is locked"))?;
        std::fs::rename(&fresh, path_in(&self.folder))?;
        journal.nbytes_compacted = journal.nbytes;
        *self = journal;
        Ok(())
    }

    /// Forgets everything: the cluster has ended in good order.
    pub fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        let file = self.file.try_clone()?;
        *self = Journal::begin(&self.folder, file, rask_wire::random_id())?;
        Ok(())
    }
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("journal")
}

/// Control part, then payloads, each after its length.
pub(super) fn encode(record: Record) -> Vec<u8> {
    let frame = record.into_frame();
    let mut body = Vec::with_capacity(frame.nbytes() as usize + 16);
    for part in std::iter::once(&frame.control).chain(&frame.payloads) {
        body.extend_from_slice(&(part.len() as u64).to_le_bytes());
        body.extend_from_slice(part);
    }
    let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&xxh3_64(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// The records up to the first that is not whole, and how many bytes they are.
pub fn parse(bytes: &[u8]) -> (Vec<Record>, usize) {
    let mut records = Vec::new();
    let mut rest = bytes;
    while let Some((record, after)) = parse_one(rest) {
        records.push(record);
        rest = after;
    }
    (records, bytes.len() - rest.len())
}

fn parse_one(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (length, rest) = take_length(bytes)?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let (body, after) = rest.split_at_checked(length)?;
    if xxh3_64(body) != u64::from_le_bytes(*sum) {
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (length, behind) = take_length(rest)?;
        let (part, behind) = behind.split_at_checked(length)?;
        parts.push(Bytes::copy_from_slice(part));
        rest = behind;
    }
    if parts.is_empty() {
        return None;
    }
    let control = parts.remove(0);
    let frame = Frame {
        control,
        payloads: parts,
    };
    Some((Record::try_from_frame(frame).ok()?, after))
}

fn take_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    Some((usize::try_from(u64::from_le_bytes(*length)).ok()?, rest))
}

/// A frame inside of a record.
pub(super) fn pack_frame(frame: Frame) -> Packed {
    Packed::new("", frame.control, frame.payloads)
}

/// The reverse.
pub(super) fn unpack_frame(packed: Packed) -> Frame {
    Frame {
        control: packed.header,
        payloads: packed.buffers,
    }
}

#[cfg(test)]
mod tests {
    use rask_proto::{SessionId, WorkerNumber};

    use super::*;

    fn records() -> Vec<Record> {
        let session = Bytes::from_static(b"0123456789abcdef");
        vec![
            Record::WorkerJoined(WorkerNumber {
                worker: 7,
                name: "seven".to_owned(),
            }),
            Record::Said(rask_proto::Said {
                session: session.clone(),
                message: Some(pack_frame(Frame {
                    control: Bytes::from_static(b"control"),
                    payloads: vec![Bytes::from(vec![5; 5000]), Bytes::new()],
                })),
                numbers: vec![1, 2],
            }),
            Record::Ended(SessionId { session }),
        ]
    }

    #[test]
    fn what_was_written_is_read_again_and_a_torn_end_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, none) = Journal::open(folder.path()).unwrap();
        assert!(none.is_empty());
        let id = journal.id();
        for record in records() {
            journal.write(record).unwrap();
        }
        let length = journal.nbytes;
        drop(journal);
        let (journal, read) = Journal::open(folder.path()).unwrap();
        assert_eq!((read, journal.id()), (records(), id.clone()));
        drop(journal);
        let file = File::options()
            .write(true)
            .open(path_in(folder.path()))
            .unwrap();
        file.set_len(length - 3).unwrap();
        let (mut journal, read) = Journal::open(folder.path()).unwrap();
        assert_eq!(read, records()[..2]);
        journal.write(records().remove(2)).unwrap();
        journal.replace(records()[1..].to_vec()).unwrap();
        assert_eq!(journal.read().unwrap(), records()[1..]);
        assert_eq!(journal.id(), id);
    }

    #[test]
    fn two_schedulers_cannot_share_a_journal() {
        let folder = tempfile::tempdir().unwrap();
        let (_first, _) = Journal::open(folder.path()).unwrap();
        assert!(Journal::open(folder.path()).is_err());
    }
}
