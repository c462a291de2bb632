//! How tasks are to be run.

/// A task in the scheduler's numbering.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct TaskNumber {
    #[prost(uint32, tag = "1")]
    pub layer: u32,
    #[prost(uint32, tag = "2")]
    pub block: u32,
}

/// How the tasks of a layer are to be run, where that is not said by the submission.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LayerOptions {
    #[prost(int32, optional, tag = "1")]
    pub priority: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    pub retries: Option<u32>,
    /// Names, addresses or hosts of workers; those of the submission if there are none.
    #[prost(string, repeated, tag = "3")]
    pub workers: Vec<String>,
    /// Goes with `workers`.
    #[prost(bool, tag = "4")]
    pub allow_other_workers: bool,
    /// What a task takes; as the submission says if there are none.
    #[prost(message, repeated, tag = "5")]
    pub resources: Vec<crate::Resource>,
    #[prost(uint32, optional, tag = "6")]
    pub timeout_millis: Option<u32>,
    /// Time until a task that raised is run again the first time, and the longest of these times.
    #[prost(uint32, optional, tag = "7")]
    pub retry_millis: Option<u32>,
    #[prost(uint32, optional, tag = "8")]
    pub retry_millis_max: Option<u32>,
}
