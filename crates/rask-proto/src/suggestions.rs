//! What policies of users, which run in the helper process, want done about copies of values.

/// A value and a worker.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Suggestion {
    /// Name of the layer.
    #[prost(string, tag = "1")]
    pub layer: String,
    #[prost(uint32, tag = "2")]
    pub block: u32,
    /// The scheduler's number of the worker.
    #[prost(uint32, tag = "3")]
    pub worker: u32,
}

/// Wishes: the scheduler does what does no harm.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Suggestions {
    /// Workers that are to hold a value as well.
    #[prost(message, repeated, tag = "1")]
    pub copies: Vec<Suggestion>,
    /// Workers that are to let go of one.
    #[prost(message, repeated, tag = "2")]
    pub drops: Vec<Suggestion>,
}
