//! Parallel tables over Arrow memory: logical plan, optimizer, partition engine, shuffle, IO.

pub mod engine;
