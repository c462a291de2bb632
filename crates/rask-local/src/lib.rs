//! A shell of threads around the worker's state machine: a graph on this process within a memory budget.
