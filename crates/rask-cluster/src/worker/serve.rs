//! The worker's network thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rask_proto::{Frame, FromWorker, Register, Resource, ToWorker, Wire};
use rask_store::Disk;
use rask_wire::{Connection, FrameReader, Listener, Role, WireError};

use super::budget::Budget;
use super::core::Core;
use super::job::Effects;
use super::scheduler_link::SchedulerLink;
use super::timing;
use super::{
    Shared, WorkerEnd, WorkerHandle, WorkerOptions, answers, compute, fetch, lanes, memory,
    spilling,
};
use crate::peer::PeerPool;
use crate::segments::View;
use crate::{ClusterError, stock};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);
pub(super) const CONNECT_RETRY: Duration = Duration::from_millis(100);

type Report = Result<WorkerHandle, ClusterError>;

pub(super) fn run(options: WorkerOptions, report: Sender<Report>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let started = runtime.map_err(|source| ClusterError::Start {
        what: "the worker's runtime",
        source,
    });
    let runtime = match started {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever started the thread waits for the report.
            let _ = report.send(Err(error));
            return;
        }
    };
    match runtime.block_on(start(&options)) {
        Ok((shared, listener, connection, link)) => {
            let _ = report.send(Ok(WorkerHandle {
                shared: shared.clone(),
            }));
            stock::fill();
            let served = serve(shared.clone(), listener, connection, link);
            let end = runtime.block_on(served);
            finish(&shared, end);
            runtime.shutdown_timeout(Duration::from_millis(50));
        }
        Err(error) => {
            let _ = report.send(Err(error));
        }
    }
}

fn finish(shared: &Shared, end: WorkerEnd) {
    shared.core.lock().stopping = true;
    shared.work.notify_all();
    shared.bench_called.notify_all();
    shared.spills_wanted.notify_all();
    shared.calls.close();
    *shared.end.lock() = Some(end);
    shared.ended.notify_all();
}

/// Connects, registers, and starts the compute threads.
async fn start(
    options: &WorkerOptions,
) -> Result<(Arc<Shared>, Listener, Connection, SchedulerLink), ClusterError> {
    let security = Arc::new(options.security.clone());
    let listener = Listener::bind(&options.listen, security.clone()).await?;
    let mut connection = connect(options).await?;
    let register = register(options, &listener);
    let first = FromWorker::Register(register.clone()).into_frame();
    connection.sender.send(first);
    let welcome = ToWorker::try_from_frame(connection.reader.read().await?);
    let Ok(ToWorker::Welcome(welcome)) = welcome else {
        return Err(ClusterError::Unexpected("something else than a welcome"));
    };
    let budget = Budget::new(options.memory_bytes_max, options.memory_shares);
    if let Some(budget) = budget.filter(|_| options.owns_process) {
        rask_value::array::limit_recycled_memory(budget.recycled());
    }
    let mut core = Core::new(budget.and_then(Budget::target));
    core.own_number = welcome.worker;
    let link = SchedulerLink::new(options, &welcome);
    let shared = Arc::new(Shared {
        core: Mutex::new(core),
        work: Condvar::new(),
        bench_called: Condvar::new(),
        spills_wanted: Condvar::new(),
        capabilities: AtomicU64::new(connection.agreement.capabilities.0),
        sender: Mutex::new(connection.sender.clone()),
        peers: PeerPool::new(security, View::Shared),
        disk: Disk::new(options.local_directory.clone()),
        budget,
        growth: Default::default(),
        owns_process: options.owns_process,
        transferred: Default::default(),
        measured: Default::default(),
        filling: Mutex::default(),
        asked: Mutex::default(),
        borrowed: Default::default(),
        fetch_wanted: tokio::sync::Notify::new(),
        stop: tokio::sync::Notify::new(),
        end: Mutex::new(None),
        asked_end: Mutex::new(None),
        ended: Condvar::new(),
        register,
        calls: Arc::default(),
        deferred: Mutex::default(),
        limited: Mutex::default(),
        limit_wanted: tokio::sync::Notify::new(),
        plugins: welcome.plugins.unwrap_or_default().plugins,
        threads: Default::default(),
        active: Default::default(),
        lanes: Default::default(),
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        opened: AtomicBool::new(false),
        transitions_wanted: AtomicBool::new(false),
    });
    tracing::info!(
        name = shared.register.name,
        address = shared.register.address,
        scheduler = %options.scheduler,
        threads = shared.register.thread_count,
        memory_bytes = options.memory_bytes_max,
        "the worker has joined"
    );
    if !options.held {
        compute::start_all(&shared)?;
    }
    Ok((shared, listener, connection, link))
}

/// Connects to the scheduler, which may not be there yet.
async fn connect(options: &WorkerOptions) -> Result<Connection, WireError> {
    let started = Instant::now();
    loop {
        match rask_wire::connect(&options.scheduler, &options.security, Role::Worker).await {
            Err(WireError::Connect { .. }) if started.elapsed() < options.connect_timeout => {
                tokio::time::sleep(CONNECT_RETRY).await;
            }
            outcome => return outcome,
        }
    }
}

fn register(options: &WorkerOptions, listener: &Listener) -> Register {
    let address = listener.address().to_string();
    let resources = options.resources.iter();
    let name = match options.name.as_str() {
        "" => address.clone(),
        name => name.to_owned(),
    };
    Register {
        name,
        address,
        thread_count: options.thread_count.max(1),
        memory_bytes_max: options.memory_bytes_max,
        process: std::process::id(),
        resources: resources
            .map(|(name, amount)| Resource {
                name: name.clone(),
                amount: *amount,
            })
            .collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        versions: options.versions.clone(),
        local_directory: options
            .local_directory
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        supervised: options.supervised,
        nanny: options.nanny.clone(),
    }
}

async fn serve(
    shared: Arc<Shared>,
    listener: Listener,
    mut connection: Connection,
    mut link: SchedulerLink,
) -> WorkerEnd {
    tokio::spawn(answers::take_peers(shared.clone(), listener));
    tokio::spawn(fetch::run(shared.clone()));
    tokio::spawn(timing::run(shared.clone()));
    tokio::spawn(lanes::watch(shared.clone()));
    tokio::spawn(memory::beat(shared.clone()));
    if shared.owns_process {
        tokio::spawn(memory::give_back_free());
    }
    tokio::spawn(memory::watch(shared.clone()));
    tokio::spawn(spilling::retry(shared.clone()));
    loop {
        let ended = take_messages(&shared, &mut connection).await;
        let WorkerEnd::Disconnected(reason) = &ended else {
            return ended;
        };
        connection.sender.close();
        tracing::warn!(reason, "the connection to the scheduler ended");
        match link.come_back(&shared).await {
            Ok(next) => connection = next,
            Err(None) => return ended,
            Err(Some(end)) => return end,
        }
    }
}

async fn take_messages(shared: &Arc<Shared>, connection: &mut Connection) -> WorkerEnd {
    loop {
        tokio::select! {
            () = shared.stop.notified() => {
                shared.tell(FromWorker::Leaving(()));
                shared.sender.lock().close();
                let asked = shared.asked_end.lock().take();
                return asked.unwrap_or(WorkerEnd::Stopped);
            }
            frame = connection.reader.read() => {
                if let Some(end) = take_frames(shared, frame, &mut connection.reader) {
                    return end;
                }
            }
        }
    }
}

/// Takes in a message, and those that have come with it; how the worker ends, if it does.
fn take_frames(
    shared: &Arc<Shared>,
    first: Result<Frame, WireError>,
    reader: &mut FrameReader,
) -> Option<WorkerEnd> {
    let mut effects = Effects::default();
    let mut next = first.map(Some);
    let mut end = None;
    while let Some(frame) = next.transpose() {
        let message = frame.and_then(|frame| Ok(ToWorker::try_from_frame(frame)?));
        match message {
            Ok(ToWorker::Shutdown(shutdown)) => {
                shared.tell(FromWorker::Leaving(()));
                shared.sender.lock().close();
                end = Some(WorkerEnd::Shutdown {
                    reason: shutdown.reason,
                    restart: shutdown.restart,
                });
                break;
            }
            Ok(message) => {
                on_message(shared, message, &mut effects);
                effects.arrived.clear();
                shared.tell_given_back(&mut effects);
            }
            Err(error) => {
                end = Some(WorkerEnd::Disconnected(error.to_string()));
                break;
            }
        }
        next = reader.take_buffered();
    }
    shared.follow(effects);
    end
}

fn on_message(shared: &Arc<Shared>, message: ToWorker, effects: &mut Effects) {
    let mut core = shared.core.lock();
    match message {
        ToWorker::Layer(layer) => core.on_layer(layer.into_layer()),
        ToWorker::Pages(pages) => core.on_pages(pages),
        ToWorker::Assign(assign) => {
            let missing = core.on_assign(assign, effects);
            drop(core);
            report_held(shared, std::mem::take(&mut effects.arrived));
            if let Some(missing) = missing {
                shared.tell(FromWorker::Missing(missing));
            }
            memory::give_back_unbegun(shared, effects);
        }
        ToWorker::Unassign(blocks) => {
            core.on_unassign(&blocks, effects);
            drop(core);
            let on_threads = shared.stop_deferred(&blocks, false);
            shared.abandon(&on_threads);
        }
        ToWorker::Kill(blocks) => {
            core.on_unassign(&blocks, effects);
            let others = core.running_count();
            drop(core);
            if shared.kill(&blocks, others) {
                shared.abandon(&blocks.iter().collect::<Vec<_>>());
            }
        }
        ToWorker::GiveBack(wish) => {
            let given_back = core.on_give_back(wish.count, effects);
            drop(core);
            shared.tell(FromWorker::Missing(given_back));
        }
        ToWorker::Free(blocks) => {
            core.on_free(&blocks, effects);
        }
        ToWorker::Replicate(wish) => {
            core.on_replicate(&wish, effects);
            drop(core);
            let arrived = std::mem::take(&mut effects.arrived);
            if !arrived.is_empty() {
                let blocks = arrived.into_iter().map(|(key, _)| key).collect();
                shared.tell(FromWorker::Fetched(blocks));
            }
        }
        ToWorker::ForgetLayers(blocks) => {
            let forgotten = core.on_forget_layers(&blocks);
            effects.layers.extend(forgotten);
        }
        ToWorker::Peers(peers) => {
            let left = core.on_peers(peers);
            drop(core);
            for address in left {
                shared.peers.forget(&address);
            }
        }
        ToWorker::Welcome(_) | ToWorker::Shutdown(_) => {}
    }
}

/// Tasks whose values are here already have finished, so to say.
fn report_held(shared: &Shared, held: Vec<((u32, u32), u64)>) {
    if held.is_empty() {
        return;
    }
    let finished = rask_proto::TasksFinished {
        blocks: Some(held.iter().map(|(key, _)| *key).collect()),
        nbytes: held.iter().map(|(_, nbytes)| *nbytes).collect(),
        duration_micros: vec![0; held.len()],
        inline: None,
        working_bytes: Vec::new(),
    };
    shared.tell(FromWorker::Finished(finished));
}
