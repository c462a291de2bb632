//! Values that go to disk and come back. A thread of its own writes: what was needed least, and some
//! before memory is short, so that it can go at once when it is. Where nothing can be written,
//! values stay in memory, the scheduler is told, and it is tried again.

use std::sync::Arc;
use std::time::Duration;

use rask_exec::Event;
use rask_proto::FromWorker;
use rask_store::Extent;
use rask_value::{CodecError, Encoded, Value, ValueRef, codec};

use super::core::{Core, Slot, key_of};
use super::history::{Step as Noted, Stimulus};
use super::job::{Effects, Job};
use super::{Shared, memory};

/// Between attempts to write to a disk that refused.
const RETRY: Duration = Duration::from_secs(2);

/// What came of writing a value.
pub(super) enum Written {
    There(Extent),
    /// It cannot be encoded.
    Never,
    /// So many bytes cannot be written now.
    Refused(std::io::Error, u64),
}

impl Core {
    /// A value was written to disk, or could not be.
    pub fn on_spilled(&mut self, slot: Slot, written: Written, effects: &mut Effects) {
        let event = match written {
            Written::Never => Event::SpillFailed { task: slot },
            Written::Refused(error, nbytes) => {
                self.spill_error = Some((error.to_string(), nbytes));
                Event::DiskFull { task: slot }
            }
            Written::There(extent) => {
                self.spill_error = None;
                self.spilled_bytes += extent.stored_bytes();
                let key = key_of(self.tasks.key_of(slot));
                self.history.begin(Stimulus::Spill);
                self.history.note(key, Noted::Spilled);
                self.slots.put_extent(slot, extent);
                Event::Spilled { task: slot }
            }
        };
        self.tasks.handle(event, &mut self.commands);
        self.obey(effects, &mut Vec::new());
    }

    /// Why nothing can be written to disk.
    pub fn spill_error(&self) -> Option<&str> {
        let (error, _) = self.spill_error.as_ref()?;
        Some(error)
    }

    /// How many bytes could not be written to disk.
    pub fn refused_bytes(&self) -> Option<u64> {
        let (_, nbytes) = self.spill_error.as_ref()?;
        Some(*nbytes)
    }

    /// Whether nothing is begun since the disk is full and there is no room.
    pub fn is_starved(&self) -> bool {
        self.tasks.is_starved()
    }

    /// Values may be written to disk again.
    pub fn on_disk_has_room(&mut self, effects: &mut Effects) {
        self.spill_error = None;
        self.tasks.handle(Event::DiskHasRoom, &mut self.commands);
        self.obey(effects, &mut Vec::new());
    }

    /// The next value to be written by the thread that does so.
    pub fn take_spill(&mut self) -> Option<Job> {
        loop {
            let step = self.tasks.pull_spill()?;
            if let Some(job) = self.prepare(step) {
                return Some(job);
            }
        }
    }

    /// Whether there may be values to be written.
    pub fn has_spills(&self) -> bool {
        self.tasks.machine().has_spills()
    }

    /// A value was read back from disk.
    pub fn on_unspilled(&mut self, slot: Slot, value: ValueRef, effects: &mut Effects) {
        self.slots.put(slot, value);
        let event = Event::Unspilled { task: slot };
        self.tasks.handle(event, &mut self.commands);
        self.obey(effects, &mut Vec::new());
    }
}

/// Starts the thread that writes.
pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let shared = shared.clone();
    std::thread::Builder::new()
        .name("rask-spill".to_owned())
        .spawn(move || {
            while let Some(Job::Spill { slot, value }) = next_spill(&shared) {
                spill(&shared, slot, &value);
                drop(value);
            }
        })?;
    Ok(())
}

/// Waits for something to write; nothing when the worker ends.
fn next_spill(shared: &Shared) -> Option<Job> {
    let mut core = shared.core.lock();
    loop {
        if core.stopping {
            return None;
        }
        if let Some(job) = core.take_spill() {
            return Some(job);
        }
        shared.spills_wanted.wait(&mut core);
    }
}

/// Writes a value to disk.
pub(super) fn spill(shared: &Shared, slot: Slot, value: &ValueRef) {
    let written = match value.encode() {
        Err(_) => Written::Never,
        Ok(encoded) => {
            let written = match value.has_windows() {
                true => shared.disk.write_plain(&encoded),
                false => shared.disk.write(&encoded),
            };
            match written {
                Ok(extent) => Written::There(extent),
                Err(error) => Written::Refused(error, encoded.frames.nbytes()),
            }
        }
    };
    let mut effects = Effects::default();
    let has_changed = {
        let mut core = shared.core.lock();
        let before = core.spill_error().is_some();
        core.on_spilled(slot, written, &mut effects);
        before != core.spill_error().is_some()
    };
    if has_changed {
        tell(shared);
    }
    shared.follow(effects);
}

/// Says that nothing can be written any more, or that it can again.
fn tell(shared: &Shared) {
    let folder = shared.disk.folder().display().to_string();
    let error = shared.core.lock().spill_error().map(str::to_owned);
    match error {
        Some(error) => tracing::error!(
            folder,
            error,
            "values cannot be written to disk and stay in memory; make room, or give workers \
             another local_directory"
        ),
        None => tracing::warn!(folder, "values are written to disk again"),
    }
    shared.tell(FromWorker::Heartbeat(memory::heartbeat(shared)));
}

/// Tries again, from time to time, to write to a disk that refused.
pub(super) async fn retry(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(RETRY).await;
        let refused = shared.core.lock().refused_bytes();
        if let Some(refused) = refused {
            let shared = shared.clone();
            let tried = tokio::task::spawn_blocking(move || try_again(&shared, refused));
            // A panic in there is told by the runtime.
            let _ = tried.await;
        }
    }
}

fn try_again(shared: &Shared, refused: u64) {
    if shared.disk.check_room(refused).is_err() {
        return;
    }
    let mut effects = Effects::default();
    shared.core.lock().on_disk_has_room(&mut effects);
    tell(shared);
    shared.follow(effects);
}

/// Reads a value back from disk. One that cannot be read makes the tasks fail that need it.
pub(super) fn unspill(shared: &Shared, slot: Slot, extent: &Extent) {
    let read = shared.disk.read(extent).map_err(|e| e.to_string());
    let value = read.and_then(|encoded| codec::decode_value(&encoded).map_err(|e| e.to_string()));
    let value = value.unwrap_or_else(|reason| Arc::new(Unreadable(reason)));
    let mut effects = Effects::default();
    shared.core.lock().on_unspilled(slot, value, &mut effects);
    shared.follow(effects);
}

/// Stands for a value that was spilled and cannot be read back.
#[derive(Debug)]
pub(super) struct Unreadable(String);

impl Unreadable {
    pub fn error(&self) -> CodecError {
        CodecError::NotSerialisable {
            what: "a spilled value".to_owned(),
            reason: self.0.clone(),
        }
    }
}

impl Value for Unreadable {
    fn nbytes(&self) -> u64 {
        0
    }

    fn type_name(&self) -> String {
        "unreadable".to_owned()
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Err(self.error())
    }
}
