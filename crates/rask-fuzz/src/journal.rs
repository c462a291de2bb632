//! A journal that a crash, or somebody's editor, has left: what is whole is read, and what a
//! scheduler makes of it holds together.

use bytes::Bytes;
use rask_cluster::fuzzing::{Journalled, journal_bytes, journal_records};
use rask_graph::ExpansionLimits;
use rask_proto::{
    Counted, Failure, Hello, Packed, Plugin, Record, Said, SessionId, TaskFailed, TaskTroubles,
    Wire, WorkerNumber,
};
use rask_sched::{Scheduler, Settings};

use crate::cluster::{blocks, from_client, raw};
use crate::source::Source;

const RECORDS_MAX: usize = 100;

/// The first byte says whether bytes follow, as a file has them, or what records are made of.
pub(crate) fn run(data: &[u8]) {
    let mut source = Source::new(data);
    if source.flag() {
        replay(journal_records(source.rest()));
        return;
    }
    let mut records = Vec::new();
    while !source.is_empty() && records.len() < RECORDS_MAX {
        records.extend(record(&mut source));
    }
    let bytes = journal_bytes(&records);
    assert!(
        journal_records(&bytes) == records,
        "what is written is read"
    );
    // A torn end costs the record that is torn and no other.
    let torn = &bytes[..bytes.len() - bytes.len().min(1 + records.len())];
    let left = journal_records(torn);
    assert!(records.starts_with(&left), "what is whole is read");
    replay(records);
}

fn replay(records: Vec<Record>) {
    let mut machine = new_machine();
    let journalled = Journalled::replay(records.clone(), &mut machine);
    check(&machine);
    let useful = journalled.useful(records, &machine);
    let mut again = new_machine();
    let journalled = Journalled::replay(useful.clone(), &mut again);
    check(&again);
    journalled.useful(useful, &again);
}

fn new_machine() -> Scheduler {
    Scheduler::new(Settings {
        graph_limits: ExpansionLimits {
            tasks_max: 10_000,
            edges_max: 100_000,
        },
        journal: true,
        ..Settings::default()
    })
}

fn check(machine: &Scheduler) {
    if let Err(broken) = machine.check_invariants() {
        panic!("the scheduler's books: {broken}");
    }
}

fn session(source: &mut Source<'_>) -> Bytes {
    Bytes::from(vec![source.below(4) as u8; 16])
}

fn worker(source: &mut Source<'_>) -> WorkerNumber {
    WorkerNumber {
        worker: source.number(),
        name: format!("worker-{}", source.below(4)),
    }
}

fn record(source: &mut Source<'_>) -> Option<Record> {
    Some(match source.below(17) {
        0 | 1 => Record::Began(Hello {
            session: session(source),
            ..Hello::default()
        }),
        2 => Record::Ended(SessionId {
            session: session(source),
        }),
        3..=9 => said(source)?,
        10 => Record::WorkerJoined(worker(source)),
        11 => Record::WorkerLeft(worker(source)),
        12 => Record::Failed(TaskFailed {
            layer: source.number(),
            block: source.number(),
            failure: source.flag().then(Failure::default),
        }),
        13 => Record::Forgotten(blocks(source)),
        15 => Record::Troubled(TaskTroubles {
            layer: source.number(),
            block: source.number(),
            retries: source.number(),
            raised: source.number(),
            deaths: source.number(),
        }),
        14 => Record::Counted(Counted {
            session: session(source),
            count: u64::from(source.number()),
        }),
        _ if source.flag() => Record::Plugin(Plugin {
            name: format!("plugin-{}", source.below(3)),
            ..Plugin::default()
        }),
        _ => raw(source)?,
    })
}

fn said(source: &mut Source<'_>) -> Option<Record> {
    let frame = from_client(source)?.into_frame();
    let message = Packed::new("", frame.control, frame.payloads);
    Some(Record::Said(Said {
        session: session(source),
        message: source.flag().then_some(message),
        numbers: source.some(4, Source::number),
    }))
}
