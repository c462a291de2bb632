//! Names of what happens to the scheduler, for the histories of tasks.

use rask_proto::{FromClient, FromWorker};

use crate::event::Event;

/// By number.
pub(crate) const NAMES: [&str; 23] = [
    "other",
    "client-joined",
    "client-left",
    "update-graph",
    "client-releases-keys",
    "cancel-key",
    "retry",
    "client-fetch-failed",
    "query",
    "forget-layers",
    "recovery-ended",
    "worker-joined",
    "worker-left",
    "task-finished",
    "task-erred",
    "missing-data",
    "worker-holds",
    "worker-dropped",
    "heartbeat",
    "secede",
    "time-passed",
    "rejoin",
    "suggestions",
];

/// The number of the end of tasks.
pub(crate) const FINISHED: u8 = 13;

/// The number of an event's name.
#[inline]
pub(crate) fn kind_of(event: &Event) -> u8 {
    match event {
        Event::ClientJoined { .. } | Event::ClientResumed { .. } => 1,
        Event::ClientLeft { .. } => 2,
        Event::FromClient { message, .. } => match message {
            FromClient::Submit(_) => 3,
            FromClient::Release(_) => 4,
            FromClient::Cancel(_) => 5,
            FromClient::Retry(_) => 6,
            FromClient::FetchFailed(_) => 7,
            FromClient::Query(_) => 8,
            FromClient::ForgetLayers(_) => 9,
            _ => 0,
        },
        Event::RecoveryEnded => 10,
        Event::WorkerJoined { .. } => 11,
        Event::WorkerLeft { .. } => 12,
        Event::FromWorker { message, .. } => match message {
            FromWorker::Finished(_) => FINISHED,
            FromWorker::Erred(_) => 14,
            FromWorker::Missing(_) => 15,
            FromWorker::Fetched(_) | FromWorker::Holdings(_) => 16,
            FromWorker::Dropped(_) => 17,
            FromWorker::Heartbeat(_) => 18,
            FromWorker::Seceded(_) => 19,
            FromWorker::Rejoined(_) => 21,
            FromWorker::Leaving(()) => 12,
            _ => 0,
        },
        Event::TimePassed => 20,
        Event::Suggested { .. } => 22,
    }
}

/// The number in the name of an event.
pub(crate) fn find_number(name: &str) -> Option<u64> {
    let (name, number) = name.rsplit_once('-')?;
    NAMES.contains(&name).then(|| number.parse().ok())?
}

/// Name and number of an event, as users know it.
pub(crate) fn describe(kind: u8, event: u64) -> String {
    let name = NAMES.get(usize::from(kind)).unwrap_or(&NAMES[0]);
    format!("{name}-{event}")
}
