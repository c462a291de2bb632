//! A bound on the memory of a process, kept by whoever watches it.

use crate::segments::SegmentBytes;

/// Ends a process that takes more than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryGuard {
    pub bytes_max: u64,
}

impl MemoryGuard {
    /// What the process holds, if that is too much. Pages of files do not count: they are given
    /// back when somebody needs them.
    pub(crate) fn find_excess(self, process: u32) -> Option<u64> {
        let memory = ProcessMemory::of(process)?;
        if memory.own_bytes <= self.bytes_max {
            return None;
        }
        // What is shared with others counts in part; finding out takes time.
        let shared = find_shared_part(process).unwrap_or(memory.shared_bytes);
        let own = memory.own_bytes - memory.shared_bytes + shared;
        (own > self.bytes_max).then_some(own)
    }

    /// Why a process was ended that held so much.
    pub(crate) fn describe(self, held: u64) -> String {
        format!(
            "by its nanny: the process held {}, and {} are allowed \
             (distributed.worker.memory.terminate of its memory limit)",
            mebibytes(held),
            mebibytes(self.bytes_max)
        )
    }
}

/// Bytes in words.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}

/// What a process has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessMemory {
    /// All pages that are in memory.
    pub resident_bytes: u64,
    /// The process's own: anonymous and shared.
    pub own_bytes: u64,
    /// Of these, what other processes may have as well.
    pub shared_bytes: u64,
    /// Pages of files: libraries, and what is mapped.
    pub file_bytes: u64,
}

impl ProcessMemory {
    /// Of a process; `None` if it has ended.
    pub fn of(process: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let own = find_bytes(&status, "RssAnon:")?;
        let shared = find_bytes(&status, "RssShmem:").unwrap_or(0);
        Some(ProcessMemory {
            resident_bytes: find_bytes(&status, "VmRSS:").unwrap_or(0),
            own_bytes: own + shared,
            shared_bytes: shared,
            file_bytes: find_bytes(&status, "RssFile:").unwrap_or(0),
        })
    }

    /// Of this process, without what is mapped from others that count it.
    pub fn of_this_process(segments: SegmentBytes) -> Option<Self> {
        let mut memory = Self::of(std::process::id())?;
        let shared = memory.shared_bytes.saturating_sub(segments.borrowed);
        let shared = shared.max(segments.own);
        memory.own_bytes = memory.own_bytes - memory.shared_bytes + shared;
        memory.shared_bytes = shared;
        Some(memory)
    }
}

/// Of the memory that a process shares with others, its part: half of what two have.
fn find_shared_part(process: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    find_bytes(&rollup, "Pss_Shmem:")
}

/// A field of a `/proc/…/status`, which has kibibytes.
fn find_bytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_takes_is_seen() {
        let own = std::process::id();
        let before = ProcessMemory::of(own).unwrap().own_bytes;
        let taken = vec![1u8; 64 << 20];
        let guard = MemoryGuard {
            bytes_max: before + (32 << 20),
        };
        let held = guard.find_excess(own).expect("64 MiB are more than 32");
        assert!(guard.describe(held).contains("MiB are allowed"));
        assert_eq!(
            taken.iter().map(|&byte| u64::from(byte)).sum::<u64>(),
            64 << 20
        );
    }

    #[test]
    fn what_is_mapped_from_others_is_theirs() {
        let all = ProcessMemory::of(std::process::id()).unwrap();
        let borrowed = SegmentBytes {
            borrowed: u64::MAX,
            own: 7 << 30,
        };
        let own = ProcessMemory::of_this_process(borrowed).unwrap();
        assert_eq!(own.shared_bytes, 7 << 30);
        assert!(own.own_bytes > all.own_bytes);
    }

    #[test]
    fn a_process_that_has_ended_holds_nothing() {
        assert_eq!(MemoryGuard { bytes_max: 0 }.find_excess(u32::MAX), None);
    }
}
