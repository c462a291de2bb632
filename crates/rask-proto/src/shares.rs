//! Whom work is counted for.

/// All shares, in the order of their names.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Shares {
    #[prost(message, repeated, tag = "1")]
    pub shares: Vec<ShareFigures>,
}

/// How one share stands.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ShareFigures {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(double, tag = "2")]
    pub weight: f64,
    /// Clients that are counted for it.
    #[prost(uint32, tag = "3")]
    pub clients: u32,
    /// Tasks that it is known to have, in any state.
    #[prost(uint32, tag = "4")]
    pub tasks: u32,
    /// Tasks that could run.
    #[prost(uint32, tag = "5")]
    pub ready: u32,
    /// Tasks in flight.
    #[prost(uint32, tag = "6")]
    pub running: u32,
    /// Bytes of values that workers hold for it, every copy counted.
    #[prost(uint64, tag = "7")]
    pub held_bytes: u64,
    /// Most tasks in flight; 0 is without limit.
    #[prost(uint32, tag = "8")]
    pub tasks_max: u32,
    /// Most bytes; 0 is without limit.
    #[prost(uint64, tag = "9")]
    pub bytes_max: u64,
    /// Tasks that have ended, and the time that they ran.
    #[prost(uint64, tag = "10")]
    pub ended: u64,
    #[prost(uint64, tag = "11")]
    pub run_micros: u64,
    /// The quota that holds tasks back, if one does: `tasks` or `memory`.
    #[prost(string, tag = "12")]
    pub held_back_by: String,
    /// The client that asks counts for it.
    #[prost(bool, tag = "13")]
    pub is_own: bool,
}
