//! What a scheduler remembers over restarts: sessions of clients, and the journal behind them.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use foldhash::{HashMap, HashSet};
use rask_proto::{
    Blocks, Counted, FromClient, Hello, Packed, Query, QueryBody, Record, Said, SessionId, Wire,
    WorkerNumber,
};
use rask_sched::{ClientId, Event, JournalEntry, Scheduler, Time};

use super::journal::{Journal, pack_frame, unpack_frame};

/// One client, over all its connections.
pub(super) struct Session {
    pub client: ClientId,
    pub hello: Hello,
    /// Messages that are kept, taken in so far.
    pub received: u64,
    /// Tells its connections apart; 0 while there is none.
    pub connection: u64,
}

/// Sessions, and what is written down of them.
#[derive(Default)]
pub(super) struct Memory {
    pub sessions: HashMap<Bytes, Session>,
    sessions_by_client: HashMap<ClientId, Bytes>,
    journal: Option<Journal>,
    /// The message that is being taken in, as it came.
    pub message: Option<Packed>,
    /// Names of workers that were there before the restart and are not back.
    pub awaited: BTreeSet<String>,
    workers: HashMap<u32, String>,
}

impl Memory {
    /// Without a journal everything is forgotten when the process ends.
    pub fn new(journal: Option<Journal>) -> Self {
        Memory {
            journal,
            ..Memory::default()
        }
    }

    /// Whether anything is written down.
    pub fn has_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// Takes note of a new session.
    pub fn begin(&mut self, client: ClientId, hello: Hello) {
        self.write(Record::Began(hello.clone()));
        self.add(client, hello);
    }

    fn add(&mut self, client: ClientId, hello: Hello) {
        let session = hello.session.clone();
        self.sessions_by_client.insert(client, session.clone());
        let entry = Session {
            client,
            hello,
            received: 0,
            connection: 0,
        };
        self.sessions.insert(session, entry);
    }

    /// Counts a message of a client, if it is one that is kept; how many there were.
    pub fn count_message(&mut self, client: ClientId, is_kept: bool) -> u64 {
        let session = self.sessions_by_client.get(&client);
        let session = session.and_then(|session| self.sessions.get_mut(session));
        session.map_or(0, |session| {
            session.received += u64::from(is_kept);
            session.received
        })
    }

    /// The client has left for good.
    pub fn end(&mut self, client: ClientId) {
        if let Some(session) = self.sessions_by_client.remove(&client) {
            self.sessions.remove(&session);
            self.write(Record::Ended(SessionId { session }));
        }
    }

    /// A worker joined under this number.
    pub fn add_worker(&mut self, worker: u32, name: &str) {
        self.workers.insert(worker, name.to_owned());
        self.write(Record::WorkerJoined(WorkerNumber {
            worker,
            name: name.to_owned(),
        }));
    }

    /// A worker left.
    pub fn remove_worker(&mut self, worker: u32) {
        if let Some(name) = self.workers.remove(&worker) {
            self.write(Record::WorkerLeft(WorkerNumber { worker, name }));
        }
    }

    /// Writes down what the machine says has to outlive a restart.
    pub fn note(&mut self, client: Option<ClientId>, entry: JournalEntry) {
        let record = match entry {
            JournalEntry::Failed(failed) => Record::Failed(*failed),
            JournalEntry::Forgotten(blocks) => Record::Forgotten(blocks),
            JournalEntry::Said { numbers } => {
                let session = client.and_then(|client| self.sessions_by_client.get(&client));
                let Some(session) = session else { return };
                Record::Said(Said {
                    session: session.clone(),
                    message: self.message.take(),
                    numbers,
                })
            }
        };
        self.write(record);
    }

    fn write(&mut self, record: Record) {
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.write(record)
        {
            tracing::error!(%error, "the journal cannot be written: a restart would lose work");
        }
    }

    /// Has the machine take in again what is written; the highest numbers of clients and workers.
    pub fn replay(&mut self, records: Vec<Record>, machine: &mut Scheduler) -> (u32, u32) {
        let now = Time::default();
        let (mut last_client, mut last_worker) = (0, 0);
        for record in records {
            match record {
                Record::Began(hello) => {
                    last_client += 1;
                    let client = ClientId(last_client);
                    machine.on_event(now, Event::ClientJoined { client }, &mut Vec::new());
                    machine.replay(now, client, FromClient::Hello(hello.clone()), &[]);
                    self.add(client, hello);
                }
                Record::Ended(SessionId { session }) => {
                    if let Some(ended) = self.sessions.remove(&session) {
                        let client = ended.client;
                        self.sessions_by_client.remove(&client);
                        machine.on_event(now, Event::ClientLeft { client }, &mut Vec::new());
                    }
                }
                Record::Said(said) => self.replay_message(said, machine),
                Record::Counted(Counted { session, count }) => {
                    if let Some(session) = self.sessions.get_mut(&session) {
                        session.received = count;
                    }
                }
                Record::WorkerJoined(worker) => {
                    last_worker = last_worker.max(worker.worker);
                    self.awaited.insert(worker.name);
                }
                Record::WorkerLeft(worker) => {
                    self.awaited.remove(&worker.name);
                }
                Record::Failed(failed) => machine.replay_failure(failed),
                Record::Forgotten(blocks) => machine.replay_forgotten(&blocks),
                Record::Plugin(plugin) => machine.put_plugin(plugin),
            }
        }
        (last_client, last_worker)
    }

    fn replay_message(&mut self, said: Said, machine: &mut Scheduler) {
        let Some(session) = self.sessions.get_mut(&said.session) else {
            return;
        };
        session.received += 1;
        let frame = unpack_frame(said.message.unwrap_or_default());
        match FromClient::try_from_frame(frame) {
            Ok(message) => machine.replay(Time::default(), session.client, message, &said.numbers),
            Err(error) => tracing::error!(%error, "a message in the journal cannot be read"),
        }
    }

    /// Writes the journal anew without what is of no use any more, if it has grown large.
    pub fn compact_if_large(&mut self, machine: &Scheduler) {
        let Some(journal) = &self.journal else { return };
        if !journal.is_large() {
            return;
        }
        let outcome = journal.read().map(|records| self.useful(records, machine));
        let outcome = match (outcome, &mut self.journal) {
            (Ok(records), Some(journal)) => journal.replace(records),
            (Err(error), _) => Err(error),
            (_, None) => Ok(()),
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "the journal cannot be made smaller");
        }
    }

    /// What of the journal would lead to the same state.
    fn useful(&self, records: Vec<Record>, machine: &Scheduler) -> Vec<Record> {
        let mut kept = Vec::new();
        let mut names = HashSet::default();
        let mut left: HashMap<Bytes, Leftover> = HashMap::default();
        for record in records.into_iter().rev() {
            let Record::Said(said) = record else { continue };
            let Some(session) = self.sessions.get(&said.session) else {
                continue;
            };
            let frame = unpack_frame(said.message.clone().unwrap_or_default());
            let keeps = match FromClient::try_from_frame(frame) {
                Ok(FromClient::Submit(submit)) => {
                    let mut layers = submit.layers.iter();
                    let needed = layers.any(|layer| {
                        !layer.remote
                            && (machine.knows_layer(&layer.name) || names.contains(&layer.name))
                    });
                    if needed {
                        let remote = submit.layers.iter().filter(|layer| layer.remote);
                        names.extend(remote.map(|layer| layer.name.clone()));
                        let leftover = left.entry(said.session.clone()).or_default();
                        leftover.add(&submit, session.client, machine);
                    }
                    needed
                }
                // Written as what has come of them.
                Ok(FromClient::Query(Query {
                    body: Some(QueryBody::PutPlugin(_) | QueryBody::RemovePlugin(_)),
                    ..
                })) => false,
                Ok(FromClient::Query(_)) => true,
                _ => false,
            };
            if keeps {
                kept.push(Record::Said(said));
            }
        }
        kept.reverse();
        self.surround(kept, left, machine)
    }

    /// Sessions before what they said, and after it what they had taken back.
    fn surround(
        &self,
        said: Vec<Record>,
        left: HashMap<Bytes, Leftover>,
        machine: &Scheduler,
    ) -> Vec<Record> {
        let began = self.sessions.values();
        let mut records: Vec<Record> = began
            .map(|session| Record::Began(session.hello.clone()))
            .collect();
        records.extend(said);
        for (session, leftover) in left {
            let messages = [
                FromClient::Release(leftover.released),
                FromClient::ForgetLayers(leftover.forgotten),
            ];
            records.extend(messages.map(|message| {
                Record::Said(Said {
                    session: session.clone(),
                    message: Some(pack_frame(message.into_frame())),
                    numbers: Vec::new(),
                })
            }));
        }
        records.extend(machine.plugins().map(Record::Plugin));
        records.extend(machine.failures().into_iter().map(Record::Failed));
        let counted = self.sessions.iter().map(|(session, entry)| {
            Record::Counted(Counted {
                session: session.clone(),
                count: entry.received,
            })
        });
        records.extend(counted);
        let workers = self.workers.iter().map(|(&worker, name)| {
            Record::WorkerJoined(WorkerNumber {
                worker,
                name: name.clone(),
            })
        });
        records.extend(workers);
        records
    }

    /// The cluster has ended in good order: the next one starts with nothing.
    pub fn clear(&mut self) -> io::Result<()> {
        self.journal.as_mut().map_or(Ok(()), Journal::clear)
    }
}

/// Names a scheduler that remembers nothing.
pub(super) fn fresh_id() -> String {
    let id = rask_wire::random_id();
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a client had submitted and does not want any more.
#[derive(Default)]
struct Leftover {
    released: Blocks,
    forgotten: Blocks,
}

impl Leftover {
    fn add(&mut self, submit: &rask_proto::Submit, client: ClientId, machine: &Scheduler) {
        for (position, block) in submit.wanted.iter().flat_map(Blocks::iter) {
            let Some(layer) = submit.layers.get(position as usize) else {
                continue;
            };
            if !machine.is_wanted_by(client, layer.id, block) {
                self.released.push(layer.id, block);
            }
        }
        for layer in submit.layers.iter().filter(|layer| layer.id != 0) {
            if !machine.knows_number(client, layer.id) {
                self.forgotten.push(layer.id, 0);
            }
        }
    }
}
