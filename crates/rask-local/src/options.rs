//! How to run.

use std::path::PathBuf;

/// How to run a plan. The default uses every core and no memory limit.
#[derive(Clone)]
pub struct Options<'a> {
    /// Threads that run tasks, the caller's included. 0 runs everything on the caller's thread, one
    /// task at a time in order, which is what a debugger wants.
    pub threads: usize,
    /// Bytes of values held in memory; the rest is spilled.
    pub memory_bytes_max: Option<u64>,
    /// Folder for spilled values; `None` is the system's for temporary files.
    pub spill_dir: Option<PathBuf>,
    /// Whether to fuse chains of layers whose blocks correspond one to one.
    pub optimize: bool,
    /// Asked now and then on the caller's thread, outside of scopes; `true` ends the run.
    pub interrupt: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        let threads = std::thread::available_parallelism();
        Options {
            threads: threads.map_or(1, |n| n.get()),
            memory_bytes_max: None,
            spill_dir: None,
            optimize: true,
            interrupt: None,
        }
    }
}
