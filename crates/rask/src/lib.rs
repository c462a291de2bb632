//! Parallel computing for Rust: the facade over Rask's crates.
