//! Kept inputs: all of a target in one file, each after its length as four bytes.

use std::io;
use std::path::{Path, PathBuf};

/// The file of a target's corpus.
pub fn path_of(target: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpora");
    folder.join(format!("{target}.bin"))
}

/// The inputs in the file at `path`.
pub fn read(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let bytes = std::fs::read(path)?;
    let mut inputs = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((input, after)) = after.split_at_checked(length) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        inputs.push(input.to_vec());
        rest = after;
    }
    Ok(inputs)
}

/// Writes inputs, shortest first.
pub fn write(path: &Path, mut inputs: Vec<Vec<u8>>) -> io::Result<()> {
    inputs.sort_by(|left, right| left.len().cmp(&right.len()).then(left.cmp(right)));
    inputs.dedup();
    let mut bytes = Vec::new();
    for input in inputs {
        bytes.extend_from_slice(&(input.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&input);
    }
    std::fs::write(path, bytes)
}
