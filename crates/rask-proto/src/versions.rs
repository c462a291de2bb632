//! What the processes of a cluster run on.

use crate::Version;

/// Workers that run on the same.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct VersionGroup {
    #[prost(message, repeated, tag = "1")]
    pub versions: Vec<Version>,
    #[prost(uint64, tag = "2")]
    pub count: u64,
    /// The addresses of some of them.
    #[prost(string, repeated, tag = "3")]
    pub addresses: Vec<String>,
}

/// The scheduler's versions, and those of its workers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ClusterVersions {
    #[prost(message, repeated, tag = "1")]
    pub scheduler: Vec<Version>,
    #[prost(message, repeated, tag = "2")]
    pub workers: Vec<VersionGroup>,
}
