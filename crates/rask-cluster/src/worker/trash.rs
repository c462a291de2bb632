//! Small things to let go of. That may need the interpreter, so it is no work for the network thread;
//! a thread of its own would have to be woken before the one that runs what has come with them. So it
//! is left to compute threads, when they have nothing better to do.

use super::Shared;
use super::core::Core;
use super::job::Effects;

/// What keeps more memory than this is let go of at once, on another thread.
const NBYTES_MAX: u64 = 1 << 20;
/// Threads that run one task after the other let go of so many things in between.
const COUNT_MAX: usize = 256;

/// Left to compute threads.
#[derive(Default)]
pub(super) struct Trash {
    left: Effects,
    nbytes: u64,
    /// Threads that wait for something to do.
    idle_count: u32,
}

impl Trash {
    /// What is to be let go of, if it is much, or the caller has nothing else to do.
    pub fn take(&mut self, is_idle: bool) -> Option<Effects> {
        let count = self.left.garbage.len() + self.left.layers.len();
        let takes = count >= COUNT_MAX || is_idle && count > 0;
        self.nbytes = if takes { 0 } else { self.nbytes };
        takes.then(|| std::mem::take(&mut self.left))
    }

    /// A thread begins to wait, or has waited.
    pub fn note_idle(&mut self, is_idle: bool) {
        match is_idle {
            true => self.idle_count += 1,
            false => self.idle_count -= 1,
        }
    }
}

impl Core {
    /// Leaves what is small and to be let go of to a thread that waits for something to do, if any
    /// does; `true` if there is something for it.
    pub fn leave_to_threads(&mut self, effects: &mut Effects) -> bool {
        if effects.garbage.is_empty() && effects.layers.is_empty() {
            return false;
        }
        let values = effects.garbage.iter();
        let nbytes = values.filter_map(|gone| gone.value.as_ref().map(|value| value.nbytes()));
        let nbytes = nbytes.sum::<u64>() + self.trash.nbytes;
        if self.trash.idle_count == 0 || nbytes > NBYTES_MAX {
            return false;
        }
        self.trash.nbytes = nbytes;
        self.trash.left.garbage.append(&mut effects.garbage);
        self.trash.left.layers.append(&mut effects.layers);
        true
    }
}

impl Shared {
    /// All threads may be busy for long: what was left to them is let go of.
    pub(super) fn empty_trash(&self) {
        let trash = self.core.lock().trash.take(true);
        if let Some(trash) = trash {
            tokio::task::spawn_blocking(move || drop(trash));
        }
    }
}
