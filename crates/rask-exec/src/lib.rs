//! The worker's state machine: fetch, run, keep, spill, report. No clock, socket or thread.
