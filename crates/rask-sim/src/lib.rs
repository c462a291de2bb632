//! Deterministic simulator of a cluster: real state machines, virtual time and network, faults by seed.
