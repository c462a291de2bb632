//! The rask program: scheduler and worker processes.
