//! A bound on the memory of a process, kept by whoever watches it.

/// Ends a process that takes more than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryGuard {
    pub bytes_max: u64,
}

impl MemoryGuard {
    /// What the process holds, if that is too much. Pages of files do not count: they are given
    /// back when somebody needs them.
    pub(crate) fn find_excess(self, process: u32) -> Option<u64> {
        let own = ProcessMemory::of(process)?.own_bytes;
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
}

impl ProcessMemory {
    /// Of a process; `None` if it has ended.
    pub fn of(process: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let own = find_bytes(&status, "RssAnon:")?;
        Some(ProcessMemory {
            resident_bytes: find_bytes(&status, "VmRSS:").unwrap_or(0),
            own_bytes: own + find_bytes(&status, "RssShmem:").unwrap_or(0),
        })
    }
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
    fn a_process_that_has_ended_holds_nothing() {
        assert_eq!(MemoryGuard { bytes_max: 0 }.find_excess(u32::MAX), None);
    }
}
