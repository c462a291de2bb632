//! Figures of all workers' memory, sampled by the scheduler.

/// Begins or ends the taking of samples.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SampleRequest {
    /// Ends the sampling of this name, and gives its samples; if empty, another begins.
    #[prost(string, tag = "1")]
    pub key: String,
    /// "process", "managed", …
    #[prost(string, tag = "2")]
    pub measure: String,
    #[prost(uint64, tag = "3")]
    pub interval_micros: u64,
}

/// What was sampled.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Samples {
    /// Names the sampling that began; empty if what was asked for is not there.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Since the epoch, by the scheduler's clock.
    #[prost(uint64, repeated, tag = "2")]
    pub micros: Vec<u64>,
    #[prost(uint64, repeated, tag = "3")]
    pub nbytes: Vec<u64>,
    /// Why nothing was sampled.
    #[prost(string, tag = "4")]
    pub refusal: String,
}
