//! The changes of a task's state, one file each; see `TaskState` for the table.

mod erred;
mod memory;
mod need;
mod ready;
mod release;
