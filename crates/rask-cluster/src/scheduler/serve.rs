//! The scheduler's network thread.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;
use rask_proto::{Frame, FromClient, FromWorker, Received, ToClient, Wire};
use rask_sched::{ClientId, Event, WorkerId};
use rask_wire::{Connection, FrameReader, FrameSender, Incoming, Listener, Role, WireError};

use super::{SchedulerHandle, SchedulerOptions, State, gathering, timer};
use crate::{ClusterError, stock};

/// What was started, or why it was not.
type Report = Result<SchedulerHandle, ClusterError>;

/// How often workers that have fallen silent are looked for.
const SILENCE_CHECK: Duration = Duration::from_secs(1);
/// For a supervisor to say how its worker ended. Mostly it does so within milliseconds; on a busy
/// host it may not get a turn for long.
const DEATH_WAIT: Duration = Duration::from_secs(2);
const DEATH_POLL: Duration = Duration::from_millis(4);
/// A client or worker that leaves more than this unread is given up; it may come back.
const UNREAD_BYTES_MAX: usize = 1 << 30;
/// Time for last messages to leave.
const FAREWELL: Duration = Duration::from_millis(50);

pub(super) fn run(options: SchedulerOptions, report: Sender<Report>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let started = runtime.map_err(|source| ClusterError::Start {
        what: "the scheduler's runtime",
        source,
    });
    match started {
        Ok(runtime) => runtime.block_on(serve(options, report)),
        Err(error) => {
            // Whoever started the thread waits for the report.
            let _ = report.send(Err(error));
        }
    }
}

async fn serve(options: SchedulerOptions, report: Sender<Report>) {
    let bound = Listener::bind(&options.address, Arc::new(options.security.clone())).await;
    let listener = match bound {
        Ok(listener) => listener,
        Err(error) => {
            let _ = report.send(Err(error.into()));
            return;
        }
    };
    let worker_timeout = options.worker_timeout;
    let recovery_timeout = options.recovery_timeout;
    let handle = match SchedulerHandle::try_new(&listener, options) {
        Ok(handle) => handle,
        Err(error) => {
            let _ = report.send(Err(error));
            return;
        }
    };
    tracing::info!(address = %handle.address(), "the scheduler listens");
    let _ = report.send(Ok(handle.clone()));
    handle.shared.state.lock().machine.prepare();
    stock::fill();
    tokio::spawn(end_recovery(handle.clone(), recovery_timeout));
    await_sessions(&handle);
    let timer = tokio::spawn(timer::run(handle.clone()));
    let gathering = tokio::spawn(gathering::run(handle.clone()));
    let silence = tokio::spawn(drop_silent(handle.clone(), worker_timeout));
    loop {
        tokio::select! {
            () = handle.shared.stop.notified() => break,
            incoming = listener.next() => match incoming {
                Ok(incoming) => {
                    tokio::spawn(welcome(handle.clone(), incoming));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection");
                    tokio::time::sleep(FAREWELL).await;
                }
            }
        }
    }
    silence.abort();
    timer.abort();
    gathering.abort();
    handle.write_reports();
    handle.shared.helper.close();
    handle.leave_local_clients();
    tokio::time::sleep(FAREWELL).await;
    *handle.shared.ended.lock() = true;
    handle.shared.ended_changed.notify_all();
}

/// Workers that are not back in time are taken for dead.
async fn end_recovery(handle: SchedulerHandle, timeout: Duration) {
    if handle.shared.state.lock().memory.awaited.is_empty() {
        return;
    }
    tokio::time::sleep(timeout).await;
    let mut state = handle.shared.state.lock();
    let late = std::mem::take(&mut state.memory.awaited);
    if !late.is_empty() {
        tracing::warn!(?late, "workers did not come back after the restart");
        state.on_event(handle.now(), Event::RecoveryEnded);
    }
}

/// Clients of before the restart that do not come back are gone.
fn await_sessions(handle: &SchedulerHandle) {
    let state = handle.shared.state.lock();
    for session in state.memory.sessions.values() {
        let timeout = Duration::from_millis(state.reconnect_millis.into());
        tokio::spawn(end_if_away(handle.clone(), session.client, timeout));
    }
}

async fn end_if_away(handle: SchedulerHandle, client: ClientId, timeout: Duration) {
    tokio::time::sleep(timeout).await;
    let mut state = handle.shared.state.lock();
    state.end_client_if_away(client, handle.now());
    handle.check_stop(&state);
}

/// Ends connections of workers that have said nothing for too long.
async fn drop_silent(handle: SchedulerHandle, timeout: Duration) {
    loop {
        tokio::time::sleep(SILENCE_CHECK).await;
        let mut state = handle.shared.state.lock();
        for peer in state.workers.values_mut() {
            if peer.heard.elapsed() > timeout && !peer.sender.is_closed() {
                let seconds = timeout.as_secs_f64();
                tracing::info!(worker = peer.name, seconds, "no word for too long");
                peer.death = Some(format!("no word from it for {seconds} s"));
                peer.sender.abort();
            }
        }
    }
}

async fn welcome(handle: SchedulerHandle, incoming: Incoming) {
    let connection = match incoming.accept().await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::info!(%error, "a connection was refused");
            return;
        }
    };
    connection.sender.give_up_beyond(UNREAD_BYTES_MAX);
    match connection.role {
        Role::Client => serve_client(handle, connection).await,
        Role::Worker => serve_worker(handle, connection).await,
        Role::Peer => connection.sender.close(),
    }
}

async fn serve_client(handle: SchedulerHandle, connection: Connection) {
    let sender = connection.sender;
    let mut reader = connection.reader;
    let hello = match next::<FromClient>(&mut reader).await {
        Ok(FromClient::Hello(hello)) => hello,
        _ => return sender.close(),
    };
    let (client, connection, reconnect_millis) = {
        let mut state = handle.shared.state.lock();
        let welcomed = state.welcome_client(hello, sender.clone(), handle.now());
        let Some((client, connection)) = welcomed else {
            return sender.close();
        };
        (client, connection, state.reconnect_millis)
    };
    let for_good = take_messages(&handle, client, &mut reader, &sender).await;
    sender.close();
    let mut state = handle.shared.state.lock();
    if state.disconnect_client(client, connection, for_good) {
        state.end_client_if_away(client, handle.now());
        handle.check_stop(&state);
    } else if reconnect_millis > 0 {
        let timeout = Duration::from_millis(reconnect_millis.into());
        tokio::spawn(end_if_away(handle.clone(), client, timeout));
    }
}

/// A client is told what it need not say again after so many messages, or so many bytes of them.
const ACKNOWLEDGED_COUNT: u64 = 32;
const ACKNOWLEDGED_BYTES: u64 = 1 << 20;

/// Takes a client's messages until its connection ends; whether it said good-bye.
async fn take_messages(
    handle: &SchedulerHandle,
    client: ClientId,
    reader: &mut FrameReader,
    sender: &FrameSender,
) -> bool {
    let mut unacknowledged = Unacknowledged::default();
    loop {
        let mut next = reader.read().await.map(Some);
        let mut state = handle.shared.state.lock();
        while let Some(frame) = next.transpose() {
            let ended = match frame {
                Ok(frame) => take_frame(handle, client, frame, &mut state, &mut unacknowledged),
                Err(error) => Some(Err(error)),
            };
            if let Some(ended) = ended {
                state.execute_commands();
                return match ended {
                    Ok(GoodBye) => true,
                    Err(error) => {
                        log_end("client", &error);
                        false
                    }
                };
            }
            next = reader.take_buffered();
        }
        state.execute_commands();
        handle.check_stop(&state);
        if unacknowledged.is_due() {
            let State {
                memory, machine, ..
            } = &mut *state;
            memory.compact_if_large(machine);
            let count = unacknowledged.received;
            unacknowledged = Unacknowledged::default();
            sender.send(ToClient::Received(Received { count }).into_frame());
        }
    }
}

/// What has come since a client was told last that it need not say it again.
#[derive(Default)]
struct Unacknowledged {
    count: u64,
    nbytes: u64,
    /// Messages that are kept, since the session began.
    received: u64,
}

impl Unacknowledged {
    fn is_due(&self) -> bool {
        self.count >= ACKNOWLEDGED_COUNT || self.nbytes >= ACKNOWLEDGED_BYTES
    }
}

/// A client has said that it ends.
struct GoodBye;

/// Takes in a client's message; how the connection has ended, if it has.
fn take_frame(
    handle: &SchedulerHandle,
    client: ClientId,
    frame: Frame,
    state: &mut MutexGuard<'_, State>,
    unacknowledged: &mut Unacknowledged,
) -> Option<Result<GoodBye, WireError>> {
    unacknowledged.nbytes += frame.nbytes();
    let raw = frame.clone();
    let message = match FromClient::try_from_frame(frame) {
        Ok(FromClient::Bye(())) => return Some(Ok(GoodBye)),
        Ok(message) => message,
        Err(error) => return Some(Err(error.into())),
    };
    if matches!(message, FromClient::Query(_))
        && MutexGuard::unlocked(state, || handle.take(client, &message))
    {
        return None;
    }
    let is_kept = message.is_kept();
    if is_kept && state.memory.has_journal() {
        state.memory.message = Some(super::journal::pack_frame(raw));
    }
    state.take_event(handle.now(), Event::FromClient { client, message });
    unacknowledged.received = state.memory.count_message(client, is_kept);
    unacknowledged.count += u64::from(is_kept);
    None
}

async fn serve_worker(handle: SchedulerHandle, connection: Connection) {
    let sender = connection.sender;
    let mut reader = connection.reader;
    let first = next::<FromWorker>(&mut reader).await;
    let Ok(FromWorker::Register(register)) = first else {
        if let Ok(FromWorker::Death(death)) = first {
            on_death(&handle, death);
        }
        return sender.close();
    };
    let supervised = register.supervised;
    let worker = {
        let mut state = handle.shared.state.lock();
        state.end_connections_before(&register.address, handle.now());
        let worker = state.add_worker(sender.clone(), &register);
        state.on_event(handle.now(), Event::WorkerJoined { worker, register });
        worker
    };
    let reason = loop {
        let first = reader.read().await;
        if let Err(error) = take_worker_frames(&handle, worker, first, &mut reader) {
            log_end("worker", &error);
            break error.to_string();
        }
    };
    sender.close();
    let death = match supervised {
        true => await_death(&handle, worker).await,
        false => find_death(&handle, worker),
    };
    let reason = death.unwrap_or(reason);
    let mut state = handle.shared.state.lock();
    state.end_worker(worker, reason, handle.now());
    handle.check_stop(&state);
}

/// A supervisor says how its worker ended.
fn on_death(handle: &SchedulerHandle, death: rask_proto::Death) {
    let mut state = handle.shared.state.lock();
    let mut peers = state.workers.values_mut();
    let peer = peers.find(|peer| {
        peer.process == death.process && (death.name.is_empty() || peer.name == death.name)
    });
    if let Some(peer) = peer {
        // What that means is logged when the worker is given up.
        tracing::info!(
            worker = peer.name,
            reason = death.reason,
            "a worker's process ended"
        );
        peer.death = Some(death.reason);
    }
}

/// Why the worker was given up, or how it ended, if that is known.
fn find_death(handle: &SchedulerHandle, worker: WorkerId) -> Option<String> {
    let mut state = handle.shared.state.lock();
    state.workers.get_mut(&worker)?.death.take()
}

/// How the worker's process ended: a supervisor knows soon after its connection has ended.
async fn await_death(handle: &SchedulerHandle, worker: WorkerId) -> Option<String> {
    let started = Instant::now();
    while started.elapsed() < DEATH_WAIT {
        {
            let mut state = handle.shared.state.lock();
            // One that left in good order is not waited for.
            state.machine.find_worker_address(worker)?;
            let peer = state.workers.get_mut(&worker)?;
            if let Some(death) = peer.death.take() {
                return Some(death);
            }
        }
        tokio::time::sleep(DEATH_POLL).await;
    }
    None
}

/// Takes in a worker's message, and those that have come with it.
fn take_worker_frames(
    handle: &SchedulerHandle,
    worker: WorkerId,
    first: Result<Frame, WireError>,
    reader: &mut FrameReader,
) -> Result<(), WireError> {
    let mut next = Some(first?);
    let mut state = handle.shared.state.lock();
    if let Some(peer) = state.workers.get_mut(&worker) {
        peer.heard = Instant::now();
    }
    let mut outcome = Ok(());
    while let Some(frame) = next.take() {
        outcome = take_worker_frame(handle, worker, frame, &mut state);
        if outcome.is_ok() {
            outcome = reader.take_buffered().map(|frame| next = frame);
        }
    }
    state.take_or_gather(handle);
    outcome
}

fn take_worker_frame(
    handle: &SchedulerHandle,
    worker: WorkerId,
    frame: Frame,
    state: &mut State,
) -> Result<(), WireError> {
    let message = FromWorker::try_from_frame(frame)?;
    let is_back = matches!(message, FromWorker::Holdings(_));
    state.events.push(Event::FromWorker { worker, message });
    if is_back {
        state.take_events(handle.now());
    }
    if is_back && let Some(peer) = state.workers.get(&worker) {
        let name = peer.name.clone();
        state.end_recovery_if_complete(&name, handle.now());
    }
    Ok(())
}

async fn next<M: Wire>(reader: &mut FrameReader) -> Result<M, WireError> {
    let frame = reader.read().await?;
    Ok(M::try_from_frame(frame)?)
}

fn log_end(who: &str, error: &WireError) {
    match error {
        WireError::Closed => tracing::debug!(who, "a connection ended"),
        // Whoever it was is gone: what that means is noted where it is known.
        WireError::Io(error) => tracing::info!(who, %error, "a connection broke"),
        error => tracing::warn!(who, %error, "a connection broke"),
    }
}
