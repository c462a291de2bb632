//! Between scheduler and worker. Layers are numbered by the scheduler.

use crate::error::check_columns;
use crate::frame::{Parts, impl_wire};
use crate::{Blocks, Failure, Inline, OriginSpec, Packed, PeerAddress, ProtoError};

/// What a worker tells the scheduler.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum FromWorker {
    /// First of all.
    #[prost(message, tag = "1")]
    Register(Register),
    #[prost(message, tag = "2")]
    Finished(TasksFinished),
    #[prost(message, tag = "3")]
    Erred(TaskErred),
    /// Tasks given back, because inputs could not be fetched.
    #[prost(message, tag = "4")]
    Missing(Missing),
    /// Values fetched from peers, now held here too.
    #[prost(message, tag = "5")]
    Fetched(Blocks),
    /// Values no longer held here, without having been told to drop them.
    #[prost(message, tag = "6")]
    Dropped(Blocks),
    #[prost(message, tag = "7")]
    Heartbeat(Heartbeat),
    /// The worker leaves in an orderly way.
    #[prost(message, tag = "8")]
    Leaving(()),
    /// A supervisor says how its worker ended.
    #[prost(message, tag = "9")]
    Death(Death),
    /// These tasks wait for others and take no thread while they do.
    #[prost(message, tag = "10")]
    Seceded(Blocks),
    /// These tasks had seceded, and take a thread again.
    #[prost(message, tag = "220")]
    Rejoined(Blocks),
    /// What a worker has that comes back; after it has registered again.
    #[prost(message, tag = "240")]
    Holdings(crate::Holdings),
    /// Something for those who follow its topics.
    #[prost(message, tag = "341")]
    Event(crate::LogEvent),
}

/// Who a worker is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Register {
    #[prost(string, tag = "1")]
    pub name: String,
    /// Where peers and clients reach it.
    #[prost(string, tag = "2")]
    pub address: String,
    #[prost(uint32, tag = "3")]
    pub thread_count: u32,
    #[prost(uint64, tag = "4")]
    pub memory_bytes_max: u64,
    #[prost(uint32, tag = "5")]
    pub process: u32,
    #[prost(message, repeated, tag = "6")]
    pub resources: Vec<Resource>,
    #[prost(string, tag = "7")]
    pub version: String,
    #[prost(string, tag = "8")]
    pub local_directory: String,
    /// Has a supervisor that starts another when it ends.
    #[prost(bool, tag = "9")]
    pub supervised: bool,
    /// Where its nanny takes calls; empty if nowhere.
    #[prost(string, tag = "320")]
    pub nanny: String,
    /// Of what it runs on, by package.
    #[prost(message, repeated, tag = "340")]
    pub versions: Vec<crate::Version>,
}

/// An amount of something that a worker has and tasks take.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Resource {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(double, tag = "2")]
    pub amount: f64,
}

/// Finished tasks, as columns.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TasksFinished {
    #[prost(message, optional, tag = "1")]
    pub blocks: Option<Blocks>,
    #[prost(uint64, repeated, tag = "2")]
    pub nbytes: Vec<u64>,
    #[prost(uint32, repeated, tag = "3")]
    pub duration_micros: Vec<u32>,
    #[prost(message, optional, tag = "4")]
    pub inline: Option<Inline>,
    /// For each, by how many bytes the process grew at most while it ran, its value included; 0
    /// where that is not known. Or nothing.
    #[prost(uint64, repeated, tag = "320")]
    pub working_bytes: Vec<u64>,
}

/// A task that failed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskErred {
    #[prost(uint32, tag = "1")]
    pub layer: u32,
    #[prost(uint32, tag = "2")]
    pub block: u32,
    #[prost(message, optional, tag = "3")]
    pub failure: Option<Failure>,
    /// The task asks to be run again, elsewhere if possible; it did not fail.
    #[prost(bool, tag = "4")]
    pub reschedule: bool,
}

/// Tasks given back, and the inputs that could not be had.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Missing {
    #[prost(message, optional, tag = "1")]
    pub tasks: Option<Blocks>,
    #[prost(message, optional, tag = "2")]
    pub inputs: Option<Blocks>,
    /// The worker that did not hand over `inputs[i]`.
    #[prost(uint32, repeated, tag = "3")]
    pub holders: Vec<u32>,
}

/// How a worker is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Heartbeat {
    #[prost(uint64, tag = "1")]
    pub process_bytes: u64,
    #[prost(uint64, tag = "2")]
    pub managed_bytes: u64,
    #[prost(uint64, tag = "3")]
    pub spilled_bytes: u64,
    #[prost(uint32, tag = "4")]
    pub executing: u32,
    #[prost(float, tag = "5")]
    pub cpu_percent: f32,
    /// Tasks running now.
    #[prost(message, optional, tag = "6")]
    pub running: Option<Blocks>,
    /// Memory of the process that is its own: anonymous and shared, without pages of files.
    #[prost(uint64, tag = "320")]
    pub own_bytes: u64,
    /// What of that is no value.
    #[prost(uint64, tag = "321")]
    pub unmanaged_bytes: u64,
    /// It begins no task before it has more memory.
    #[prost(bool, tag = "322")]
    pub paused: bool,
    /// Why values cannot be written to disk; empty if they can.
    #[prost(string, tag = "323")]
    pub spill_error: String,
    /// For each of `running`, by how many bytes the process has grown since it began, at most so
    /// far; or nothing.
    #[prost(uint64, repeated, tag = "324")]
    pub running_growth: Vec<u64>,
    /// What was fetched since the last one.
    #[prost(message, optional, tag = "240")]
    pub transfers: Option<crate::Transfers>,
    /// What tasks have done with their time since the last one.
    #[prost(message, repeated, tag = "361")]
    pub activities: Vec<crate::LayerActivity>,
}

/// How a worker process ended.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Death {
    /// Its registered name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// "exit code 3", "signal 9 (SIGKILL)", …
    #[prost(string, tag = "2")]
    pub reason: String,
    #[prost(uint32, tag = "3")]
    pub process: u32,
}

/// What the scheduler tells a worker.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ToWorker {
    #[prost(message, tag = "1")]
    Welcome(Welcome),
    #[prost(message, tag = "2")]
    Peers(Peers),
    /// What a layer runs; before the first task of the layer.
    #[prost(message, tag = "3")]
    Layer(crate::SharedLayer),
    #[prost(message, tag = "4")]
    Pages(Pages),
    #[prost(message, tag = "5")]
    Assign(Assign),
    /// Forget tasks that have not started.
    #[prost(message, tag = "6")]
    Unassign(Blocks),
    /// Drop values.
    #[prost(message, tag = "7")]
    Free(Blocks),
    /// Drop ops and pages; the numbers are not used again.
    #[prost(message, tag = "8")]
    ForgetLayers(Blocks),
    /// Also hold these values, which `holders` have.
    #[prost(message, tag = "9")]
    Replicate(Missing),
    #[prost(message, tag = "10")]
    Shutdown(Shutdown),
    /// Another worker has nothing to do: give back tasks that have not begun. Always answered,
    /// with a [`Missing`] without inputs.
    #[prost(message, tag = "11")]
    GiveBack(GiveBack),
    /// Stop these tasks, which may be running, by whatever means there are. They are no longer the
    /// worker's: nothing is reported.
    #[prost(message, tag = "320")]
    Kill(Blocks),
}

/// How many tasks to give back at most.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GiveBack {
    #[prost(uint32, tag = "1")]
    pub count: u32,
}

/// The scheduler's answer to [`Register`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Welcome {
    #[prost(uint32, tag = "1")]
    pub worker: u32,
    #[prost(string, tag = "2")]
    pub scheduler: String,
    /// To be set up before the first task runs.
    #[prost(message, optional, tag = "320")]
    pub plugins: Option<crate::Plugins>,
    /// Try for this long to come back when the connection ends.
    #[prost(uint32, tag = "240")]
    pub reconnect_millis: u32,
}

/// Changes among the workers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Peers {
    #[prost(message, repeated, tag = "1")]
    pub joined: Vec<PeerAddress>,
    #[prost(uint32, repeated, tag = "2")]
    pub left: Vec<u32>,
}

/// A layer as workers know it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WorkerLayer {
    #[prost(uint32, tag = "1")]
    pub id: u32,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(uint32, repeated, tag = "3")]
    pub grid: Vec<u32>,
    #[prost(message, optional, tag = "4")]
    pub op: Option<Packed>,
    #[prost(message, optional, tag = "5")]
    pub origin: Option<OriginSpec>,
    /// See `LayerSpec::page_blocks`; 0 if the layer has no pages.
    #[prost(uint32, tag = "6")]
    pub page_blocks: u32,
    /// A task that runs for longer fails; 0 is without limit.
    #[prost(uint32, tag = "320")]
    pub timeout_millis: u32,
    /// See `LayerSpec::part_modulo`.
    #[prost(uint32, tag = "280")]
    pub part_modulo: u32,
    #[prost(uint32, tag = "281")]
    pub part_count: u32,
    /// The span that its tasks belong to, unless that is the default one.
    #[prost(message, optional, tag = "300")]
    pub span: Option<crate::SpanPath>,
    /// Bytes of the blocks' values, where they are certain.
    #[prost(message, optional, tag = "200")]
    pub sizes: Option<crate::SizeSpec>,
}

/// Pages of layers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Pages {
    #[prost(message, repeated, tag = "1")]
    pub pages: Vec<WorkerPage>,
}

/// One page of a layer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WorkerPage {
    #[prost(uint32, tag = "1")]
    pub layer: u32,
    #[prost(uint32, tag = "2")]
    pub page: u32,
    #[prost(message, optional, tag = "3")]
    pub content: Option<Packed>,
}

/// Tasks to run, as columns. Task `i` has `input_counts[i]` inputs, which follow each other in
/// `inputs`, `holders` and `input_nbytes`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Assign {
    #[prost(message, optional, tag = "1")]
    pub tasks: Option<Blocks>,
    /// Smaller runs earlier.
    #[prost(uint64, repeated, tag = "2")]
    pub priorities: Vec<u64>,
    /// Send the value with the report if it is small: a client waits for it.
    #[prost(bool, repeated, tag = "3")]
    pub wanted: Vec<bool>,
    #[prost(uint32, repeated, tag = "4")]
    pub input_counts: Vec<u32>,
    #[prost(message, optional, tag = "5")]
    pub inputs: Option<Blocks>,
    /// A worker that holds the input; the receiver itself if it has it.
    #[prost(uint32, repeated, tag = "6")]
    pub holders: Vec<u32>,
    #[prost(uint64, repeated, tag = "7")]
    pub input_nbytes: Vec<u64>,
}

/// The end of a worker.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Shutdown {
    #[prost(string, tag = "1")]
    pub reason: String,
    /// The supervisor shall start another.
    #[prost(bool, tag = "2")]
    pub restart: bool,
}

/// A worker in an answer to a client.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WorkerSummary {
    #[prost(uint32, tag = "1")]
    pub worker: u32,
    #[prost(message, optional, tag = "2")]
    pub register: Option<Register>,
    #[prost(message, optional, tag = "3")]
    pub heartbeat: Option<Heartbeat>,
    /// Tasks handed out to it.
    #[prost(uint32, tag = "4")]
    pub assigned: u32,
    /// Values that it holds.
    #[prost(uint64, tag = "5")]
    pub held: u64,
    #[prost(uint64, tag = "6")]
    pub held_bytes: u64,
    /// When it was last heard of, in microseconds since the epoch by the scheduler's clock.
    #[prost(uint64, tag = "340")]
    pub heard_micros: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FromWorkerEnvelope {
    #[prost(
        oneof = "FromWorker",
        tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 220, 240, 341"
    )]
    body: Option<FromWorker>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ToWorkerEnvelope {
    #[prost(oneof = "ToWorker", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 320")]
    body: Option<ToWorker>,
}

impl_wire!(FromWorker, FromWorkerEnvelope);
impl_wire!(ToWorker, ToWorkerEnvelope);

impl Parts for FromWorker {
    fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError> {
        match self {
            FromWorker::Erred(erred) => erred
                .failure
                .iter_mut()
                .filter_map(|failure| failure.exception.as_mut())
                .try_for_each(visit),
            FromWorker::Event(event) => event.for_each_packed(visit),
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), ProtoError> {
        match self {
            FromWorker::Finished(finished) => finished.check(),
            FromWorker::Missing(missing) => missing.check(),
            FromWorker::Holdings(holdings) => holdings.check(),
            FromWorker::Fetched(blocks)
            | FromWorker::Dropped(blocks)
            | FromWorker::Seceded(blocks)
            | FromWorker::Rejoined(blocks) => blocks.check(),
            FromWorker::Heartbeat(heartbeat) => heartbeat.check(),
            _ => Ok(()),
        }
    }
}

impl Parts for ToWorker {
    fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError> {
        match self {
            ToWorker::Layer(layer) => layer.op_with_buffers().into_iter().try_for_each(visit),
            ToWorker::Welcome(welcome) => welcome
                .plugins
                .iter_mut()
                .try_for_each(|plugins| plugins.for_each_packed(visit)),
            ToWorker::Pages(pages) => pages
                .pages
                .iter_mut()
                .filter_map(|page| page.content.as_mut())
                .try_for_each(visit),
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), ProtoError> {
        match self {
            ToWorker::Assign(assign) => assign.check(),
            ToWorker::Unassign(blocks)
            | ToWorker::Free(blocks)
            | ToWorker::ForgetLayers(blocks)
            | ToWorker::Kill(blocks) => blocks.check(),
            ToWorker::Replicate(missing) => missing.check(),
            _ => Ok(()),
        }
    }
}

impl TasksFinished {
    fn check(&self) -> Result<(), ProtoError> {
        let blocks = self.blocks.as_ref();
        blocks.map_or(Ok(()), Blocks::check)?;
        let count = blocks.map_or(0, Blocks::len);
        check_columns("finished tasks", count, self.nbytes.len())?;
        check_columns("finished tasks", count, self.duration_micros.len())?;
        if !self.working_bytes.is_empty() {
            check_columns("finished tasks", count, self.working_bytes.len())?;
        }
        match &self.inline {
            Some(inline) => check_columns("finished tasks", count, inline.lengths.len()),
            None => Ok(()),
        }
    }
}

impl Heartbeat {
    fn check(&self) -> Result<(), ProtoError> {
        let running = self.running.as_ref();
        running.map_or(Ok(()), Blocks::check)?;
        let transfers = self.transfers.as_ref();
        transfers.map_or(Ok(()), crate::Transfers::check)?;
        if self.running_growth.is_empty() {
            return Ok(());
        }
        let count = running.map_or(0, Blocks::len);
        check_columns("running tasks", count, self.running_growth.len())
    }
}

impl Missing {
    fn check(&self) -> Result<(), ProtoError> {
        self.tasks.as_ref().map_or(Ok(()), Blocks::check)?;
        let inputs = self.inputs.as_ref();
        inputs.map_or(Ok(()), Blocks::check)?;
        check_columns(
            "missing inputs",
            inputs.map_or(0, Blocks::len),
            self.holders.len(),
        )
    }
}

impl Assign {
    fn check(&self) -> Result<(), ProtoError> {
        let tasks = self.tasks.as_ref();
        tasks.map_or(Ok(()), Blocks::check)?;
        let count = tasks.map_or(0, Blocks::len);
        check_columns("assignment", count, self.priorities.len())?;
        check_columns("assignment", count, self.wanted.len())?;
        check_columns("assignment", count, self.input_counts.len())?;
        let inputs = self.inputs.as_ref();
        inputs.map_or(Ok(()), Blocks::check)?;
        let input_count = inputs.map_or(0, Blocks::len);
        let total: u64 = self.input_counts.iter().map(|&n| u64::from(n)).sum();
        check_columns("inputs of an assignment", total as usize, input_count)?;
        check_columns("inputs of an assignment", input_count, self.holders.len())?;
        check_columns(
            "inputs of an assignment",
            input_count,
            self.input_nbytes.len(),
        )
    }
}
