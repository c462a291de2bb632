//! What the scheduler saw.

/// Which tasks that ended are asked for.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct TaskStreamQuery {
    /// Those that ended at this time of the scheduler or later.
    #[prost(uint64, tag = "1")]
    pub since_micros: u64,
    /// The last so many at most; all if 0.
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

/// Lines of a log, the oldest first, as columns.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LogLines {
    /// When, in microseconds since the epoch.
    #[prost(uint64, repeated, tag = "1")]
    pub micros: Vec<u64>,
    /// "ERROR", "WARNING", "INFO", "DEBUG".
    #[prost(string, repeated, tag = "2")]
    pub levels: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    pub lines: Vec<String>,
}

/// Tasks that ended, as columns, in the order in which they were reported.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskStream {
    /// The scheduler's time now.
    #[prost(uint64, tag = "1")]
    pub now_micros: u64,
    /// Names of layers and of operations, and addresses of workers.
    #[prost(string, repeated, tag = "2")]
    pub names: Vec<String>,
    /// Positions in `names`.
    #[prost(uint32, repeated, tag = "3")]
    pub layers: Vec<u32>,
    #[prost(uint32, repeated, tag = "4")]
    pub operations: Vec<u32>,
    #[prost(uint32, repeated, tag = "5")]
    pub workers: Vec<u32>,
    #[prost(uint32, repeated, tag = "6")]
    pub blocks: Vec<u32>,
    #[prost(uint64, repeated, tag = "7")]
    pub start_micros: Vec<u64>,
    #[prost(uint32, repeated, tag = "8")]
    pub duration_micros: Vec<u32>,
    #[prost(uint64, repeated, tag = "9")]
    pub nbytes: Vec<u64>,
    /// Tasks that ended since the time asked for and are not remembered any more.
    #[prost(uint64, tag = "10")]
    pub forgotten: u64,
    /// By how much the process grew at most while the task ran, its value included; 0 if unknown.
    #[prost(uint64, repeated, tag = "320")]
    pub working_bytes: Vec<u64>,
}
