//! What reads bytes of strangers, as functions of any bytes.
//!
//! Each target must return for every input: no panic, no memory beyond a small multiple of the
//! input. The fuzzers in `fuzz/` call them with inputs of their own making; the inputs worth
//! keeping lie in `fuzz/corpora`, and this crate's tests run all of them.
//!
//! * `messages`: frames as messages of every conversation.
//! * `connection`: bytes of a socket as frames, and as a handshake.
//! * `values`: encoded values and ops.
//! * `cluster`: a scheduler among peers that follow no rules.
//! * `journal`: a scheduler's journal, and what it makes of it when it is started again.
//! * `lent`: answers of peers of the same host, whose buffers lie in shared memory.
//! * `spill`: values written to segment files, and read back whole and in parts.
//! * `corpus`: the kept inputs.

mod cluster;
mod connection;
pub mod corpus;
mod journal;
mod lent;
mod messages;
mod source;
mod spill;
mod values;

/// A name and what is done with the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("cluster", cluster::run),
    ("frames", connection::run_frames),
    ("handshake", connection::run_handshake),
    ("journal", journal::run),
    ("lent", lent::run),
    ("messages", messages::run),
    ("ops", values::run_ops),
    ("spill", spill::run),
    ("values", values::run_values),
];

/// The target of this name.
pub fn find_target(name: &str) -> Option<fn(&[u8])> {
    let mut targets = TARGETS.iter();
    targets
        .find(|(known, _)| *known == name)
        .map(|(_, run)| *run)
}
