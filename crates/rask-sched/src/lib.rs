//! The scheduler's state machine: events in, commands out. No clock, socket or user code.
