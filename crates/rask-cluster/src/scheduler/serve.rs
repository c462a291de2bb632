//! The scheduler's network thread.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use rask_proto::{FromClient, FromWorker, Wire};
use rask_sched::{Event, WorkerId};
use rask_wire::{Connection, FrameReader, Incoming, Listener, Role, WireError};

use super::{SchedulerHandle, SchedulerOptions, Sink};
use crate::ClusterError;

/// What was started, or why it was not.
type Report = Result<SchedulerHandle, ClusterError>;

/// How often workers that have fallen silent are looked for.
const SILENCE_CHECK: Duration = Duration::from_secs(1);
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
    let bound = Listener::bind(&options.address, Arc::new(options.security)).await;
    let listener = match bound {
        Ok(listener) => listener,
        Err(error) => {
            let _ = report.send(Err(error.into()));
            return;
        }
    };
    let handle = SchedulerHandle::new(&listener, options.settings, options.helper);
    let _ = report.send(Ok(handle.clone()));
    let silence = tokio::spawn(drop_silent(handle.clone(), options.worker_timeout));
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
    handle.shared.helper.close();
    tokio::time::sleep(FAREWELL).await;
    *handle.shared.ended.lock() = true;
    handle.shared.ended_changed.notify_all();
}

/// Ends connections of workers that have said nothing for too long.
async fn drop_silent(handle: SchedulerHandle, timeout: Duration) {
    loop {
        tokio::time::sleep(SILENCE_CHECK).await;
        let state = handle.shared.state.lock();
        for peer in state.workers.values() {
            if peer.heard.elapsed() > timeout && !peer.sender.is_closed() {
                tracing::warn!(worker = peer.name, "no word for too long");
                peer.sender.close();
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
    match connection.role {
        Role::Client => serve_client(handle, connection).await,
        Role::Worker => serve_worker(handle, connection).await,
        Role::Peer => connection.sender.close(),
    }
}

async fn serve_client(handle: SchedulerHandle, connection: Connection) {
    let sender = connection.sender;
    let mut reader = connection.reader;
    let client = {
        let mut state = handle.shared.state.lock();
        let client = state.add_client(Sink::Remote(sender.clone()));
        state.on_event(handle.now(), Event::ClientJoined { client });
        client
    };
    loop {
        match next::<FromClient>(&mut reader).await {
            Ok(message) => handle.on_event(Event::FromClient { client, message }),
            Err(error) => {
                log_end("client", &error);
                break;
            }
        }
    }
    sender.close();
    handle.detach_client(client);
}

async fn serve_worker(handle: SchedulerHandle, connection: Connection) {
    let sender = connection.sender;
    let mut reader = connection.reader;
    let first = next::<FromWorker>(&mut reader).await;
    let Ok(FromWorker::Register(register)) = first else {
        if let Ok(FromWorker::Death(death)) = first {
            tracing::warn!(worker = death.name, reason = death.reason, "a worker died");
        }
        return sender.close();
    };
    let worker = {
        let mut state = handle.shared.state.lock();
        let worker = state.add_worker(sender.clone(), register.name.clone());
        state.on_event(handle.now(), Event::WorkerJoined { worker, register });
        worker
    };
    let reason = loop {
        match next::<FromWorker>(&mut reader).await {
            Ok(message) => on_worker_message(&handle, worker, message),
            Err(error) => {
                log_end("worker", &error);
                break error.to_string();
            }
        }
    };
    sender.close();
    let mut state = handle.shared.state.lock();
    state.workers.remove(&worker);
    state.on_event(handle.now(), Event::WorkerLeft { worker, reason });
    handle.check_stop(&state);
}

fn on_worker_message(handle: &SchedulerHandle, worker: WorkerId, message: FromWorker) {
    let mut state = handle.shared.state.lock();
    if let Some(peer) = state.workers.get_mut(&worker) {
        peer.heard = Instant::now();
    }
    state.on_event(handle.now(), Event::FromWorker { worker, message });
    handle.check_stop(&state);
}

async fn next<M: Wire>(reader: &mut FrameReader) -> Result<M, WireError> {
    let frame = reader.read().await?;
    Ok(M::try_from_frame(frame)?)
}

fn log_end(who: &str, error: &WireError) {
    match error {
        WireError::Closed => tracing::debug!(who, "a connection ended"),
        error => tracing::warn!(who, %error, "a connection broke"),
    }
}
