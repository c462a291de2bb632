//! Values by task within a budget of bytes: accounting, spilling, reading back.
//!
//! * [`Disk`]: encoded values in segment files, written one after the other and read back as memory
//!   maps without a copy. Space is given back when the last value of a segment is forgotten.
//! * [`Slots`]: the values of tasks numbered from 0, in memory or on disk; no locks, no policy. The
//!   engine's state machine decides what is spilled.
//! * [`Store`]: values by key within a budget, deciding by itself: least recently used first.

mod compress;
mod disk;
#[doc(hidden)]
pub mod fuzzing;
mod maps;
mod slots;
mod store;

pub use disk::{Disk, Extent};
pub use maps::mapped_bytes;
pub use slots::{Slots, Spilled};
pub use store::{Store, StoreError};
