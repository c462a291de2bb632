//! What an administrator may choose.

/// How the scheduler decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A task that was running on this many workers when they died, and on one more, is failed.
    pub allowed_failures: u8,
    /// Work handed out to one thread of a worker ahead of its running, as predicted.
    pub ahead_micros_max: u64,
    /// Most tasks handed out to one worker.
    pub ahead_count_max: u32,
    /// What a task is thought to take before one like it has ended.
    pub unknown_duration_micros: u32,
    /// Bytes a second over the network, before any transfer was measured.
    pub bandwidth_bytes_per_second: u64,
    /// Smaller values are not kept account of when it is decided what workers have memory for.
    pub counted_bytes_min: u64,
    /// Tasks that make, or need, values of so many bytes are handed out with regard to memory.
    pub large_bytes_min: u64,
    /// What has to outlive a restart is put into [`Command::Journal`](crate::Command::Journal).
    pub journal: bool,
    /// Names the scheduler, over restarts.
    pub scheduler_id: String,
    /// Peers whose connection ends try for this long to come back.
    pub reconnect_millis: u32,
    /// The largest submission that is taken on.
    pub graph_limits: rask_graph::ExpansionLimits,
    /// When the scheduler's time began, in microseconds since the epoch.
    pub epoch_micros: u64,
    pub topic_limits: crate::TopicLimits,
    /// Changes of tasks' states that are remembered, at least.
    pub history_length: usize,
    /// Shares of clients that are served otherwise than with a weight of 1 and no quota.
    pub shares: Vec<crate::ShareSettings>,
    /// How long a share that holds its quota of bytes, and runs nothing that would make room, is
    /// given to release values before what waits is failed.
    pub quota_patience_micros: u64,
    /// Tasks that take much longer than others like them are begun a second time elsewhere.
    pub speculation: Option<Speculation>,
    /// Superfluous copies of values are dropped from the start, not only when a client wants it.
    pub drops_replicas: bool,
    /// Between looks for superfluous copies of values.
    pub reduction_interval_micros: u64,
    /// What the scheduler runs on, by package.
    pub versions: Vec<rask_proto::Version>,
}

/// When a task is begun a second time, on a worker that has nothing to do.
#[derive(Clone, Copy, Debug)]
pub struct Speculation {
    /// It runs for so many times as long as is usual in its layer,
    pub slower_times: f32,
    /// and for longer than this.
    pub micros_min: u64,
}

impl Default for Speculation {
    fn default() -> Self {
        Speculation {
            slower_times: 3.0,
            micros_min: 500_000,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            allowed_failures: 3,
            ahead_micros_max: 10_000,
            ahead_count_max: 8192,
            unknown_duration_micros: 100_000,
            bandwidth_bytes_per_second: 500_000_000,
            counted_bytes_min: 4096,
            large_bytes_min: 1 << 16,
            journal: false,
            scheduler_id: String::new(),
            reconnect_millis: 0,
            graph_limits: rask_graph::ExpansionLimits {
                tasks_max: 500_000_000,
                edges_max: 2_000_000_000,
            },
            epoch_micros: 0,
            topic_limits: crate::TopicLimits::default(),
            history_length: 65_536,
            shares: Vec::new(),
            quota_patience_micros: 60_000_000,
            speculation: None,
            drops_replicas: false,
            reduction_interval_micros: 2_000_000,
            versions: Vec::new(),
        }
    }
}
