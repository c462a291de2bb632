//! The scheduler's state machine.
//!
//! [`Scheduler::on_event`] takes what happened and when, and appends what is to be done. There is
//! no clock, socket, thread or random source inside, and nothing that users wrote is ever decoded:
//! ops, values and errors pass through as bytes. The network code (`rask-cluster`) and the
//! simulator (`rask-sim`) are shells around it.
//!
//! * `event`: [`Event`]s and [`Command`]s.
//! * `state`: tables of tasks, layers, workers and clients.
//! * `submit`: from layers to tasks.
//! * `transition`: one function for each change of a task's state.
//! * `policy`: pure decisions: where a task goes, how much a worker is handed, what is stolen.
//! * `anticipation`: what an event will touch, asked for before.
//! * `outgoing`: messages under construction; one event makes at most one assignment a worker.
//! * `spans`: what became of the work that users named.
//! * `invariants`: what must hold after every event, checked in tests and in the simulator.

mod answer;
mod anticipation;
mod cancel;
mod contents;
mod coordination;
mod deadlines;
mod event;
mod from_client;
mod from_worker;
mod invariants;
mod membership;
mod memory_figures;
mod outgoing;
mod plugins;
mod policy;
mod prefetch;
mod recipe;
mod recovery;
mod scheduler;
mod settings;
mod share_settings;
mod spans;
mod spare;
mod standing;
mod state;
mod stimulus;
mod story;
mod submit;
mod task_stream;
mod topics;
mod transition;
mod versions;
mod view;

/// Tables whose order follows from what was put in, so that the same events give the same commands.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;
pub(crate) type HashSet<K> = std::collections::HashSet<K, foldhash::fast::FixedState>;

pub use event::{ClientId, Command, Event, JournalEntry, Time, WorkerId};
pub use memory_figures::MemoryFigures;
pub use scheduler::Scheduler;
pub use settings::{Settings, Speculation};
pub use share_settings::{ShareError, ShareSettings};
pub use topics::TopicLimits;
