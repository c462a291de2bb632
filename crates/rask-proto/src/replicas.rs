//! Copies of values on several workers.

use crate::Blocks;

/// Hold these blocks on several workers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Replicate {
    #[prost(message, optional, tag = "1")]
    pub blocks: Option<Blocks>,
    /// On so many workers; on all if 0.
    #[prost(uint32, tag = "2")]
    pub count: u32,
    /// Names or addresses of those that come into question; all if empty.
    #[prost(string, repeated, tag = "3")]
    pub workers: Vec<String>,
}

/// Spread values evenly.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Rebalance {
    /// Only these blocks; all if there are none.
    #[prost(message, optional, tag = "1")]
    pub blocks: Option<Blocks>,
    /// Names or addresses of those that come into question; all if empty.
    #[prost(string, repeated, tag = "2")]
    pub workers: Vec<String>,
}
