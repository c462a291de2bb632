//! Corpora as the fuzzers want them, a file an input, and back.
//!
//! Usage: `corpus unpack TARGET FOLDER` or `corpus pack TARGET FOLDER`

use std::io;
use std::path::Path;

use rask_fuzz::corpus;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["unpack", target, folder] => unpack(target, Path::new(folder)),
        ["pack", target, folder] => pack(target, Path::new(folder)),
        _ => Err(io::Error::other("usage: corpus unpack|pack TARGET FOLDER")),
    }
}

fn unpack(target: &str, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (number, input) in corpus::read(&corpus::path_of(target))?.iter().enumerate() {
        std::fs::write(folder.join(format!("kept-{number:05}")), input)?;
    }
    Ok(())
}

fn pack(target: &str, folder: &Path) -> io::Result<()> {
    let entries = std::fs::read_dir(folder)?;
    let inputs = entries.map(|entry| std::fs::read(entry?.path()));
    corpus::write(&corpus::path_of(target), inputs.collect::<io::Result<_>>()?)
}
