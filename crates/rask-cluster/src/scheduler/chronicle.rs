//! What the scheduler logs of what happens to it, and who may read that.

use rask_proto::{
    Answer, AnswerBody, FromClient, FromWorker, LogLines, Query, QueryBody, TaskErred, ToClient,
};
use rask_sched::{ClientId, Event, Scheduler};

use super::SchedulerHandle;
use crate::logs;

/// The modules whose lines are the scheduler's.
const TARGETS: [&str; 3] = ["rask_cluster::scheduler", "rask_sched", "rask_wire"];

/// Logs what is rare and worth knowing, before the machine takes the event in.
pub(super) fn note(machine: &Scheduler, event: &Event) {
    match event {
        Event::WorkerJoined { register, .. } => tracing::info!(
            name = register.name,
            address = register.address,
            threads = register.thread_count,
            memory_bytes = register.memory_bytes_max,
            "a worker joined"
        ),
        Event::WorkerLeft { worker, reason } => {
            // One that left in good order has been noted already.
            if let Some(address) = machine.find_worker_address(*worker) {
                tracing::warn!(address, reason, "a worker is lost");
            }
        }
        Event::ClientJoined { client } => tracing::info!(client = client.0, "a client joined"),
        Event::ClientLeft { client } => tracing::info!(client = client.0, "a client left"),
        Event::ClientResumed { client } => tracing::info!(client = client.0, "a client is back"),
        Event::RecoveryEnded => tracing::info!("the recovery after a restart ended"),
        Event::FromWorker { worker, message } => match message {
            FromWorker::Erred(erred) if !erred.reschedule => note_failure(machine, erred),
            FromWorker::Leaving(()) => {
                let address = machine.find_worker_address(*worker).unwrap_or_default();
                tracing::info!(address, "a worker leaves");
            }
            _ => {}
        },
        Event::FromClient {
            client,
            message: FromClient::Query(Query {
                body: Some(body), ..
            }),
        } => note_order(client.0, body),
        #[allow(unreachable_patterns, reason = "other events are not worth a line")]
        _ => {}
    }
}

fn note_failure(machine: &Scheduler, erred: &TaskErred) {
    let (layer, _) = machine.find_layer_name(erred.layer).unwrap_or_default();
    let failure = erred.failure.as_ref();
    let message = failure.map_or("", |failure| failure.message.as_str());
    tracing::info!(layer, block = erred.block, message, "a task raised");
}

fn note_order(client: u32, body: &QueryBody) {
    match body {
        QueryBody::Restart(()) => tracing::info!(client, "the cluster is restarted"),
        QueryBody::Shutdown(()) => tracing::info!(client, "the cluster is shut down"),
        QueryBody::Retire(names) => {
            tracing::info!(client, workers = ?names.names, "workers are retired");
        }
        QueryBody::RestartWorkers(names) => {
            tracing::info!(client, workers = ?names.names, "workers are restarted");
        }
        _ => {}
    }
}

/// Answers questions for the log.
pub(super) fn take(handle: &SchedulerHandle, client: ClientId, message: &FromClient) -> bool {
    let FromClient::Query(Query {
        id,
        body: Some(QueryBody::Logs(count)),
    }) = message
    else {
        return false;
    };
    let mut answer = LogLines::default();
    for line in logs::last(&TARGETS, usize::try_from(*count).unwrap_or(usize::MAX)) {
        answer.micros.push(line.micros);
        answer.levels.push(line.level.to_owned());
        answer.lines.push(format!(
            "{} - {}",
            line.target.replace("::", "."),
            line.text
        ));
    }
    let message = ToClient::Answer(Answer {
        id: *id,
        body: Some(AnswerBody::Logs(answer)),
    });
    handle.shared.state.lock().tell(client, message);
    true
}
