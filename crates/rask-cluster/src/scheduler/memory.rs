//! What a scheduler remembers over restarts: sessions of clients, and the journal behind them.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use foldhash::{HashMap, HashSet};
use rask_proto::{
    Blocks, Cancel, Counted, FromClient, Hello, Packed, Query, QueryBody, Record, Said, SessionId,
    Wire, WorkerNumber,
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
            JournalEntry::Troubled(troubles) => Record::Troubled(troubles),
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
                Record::Troubled(troubles) => machine.replay_troubles(&troubles),
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
    pub(super) fn useful(&self, records: Vec<Record>, machine: &Scheduler) -> Vec<Record> {
        let mut kept = Vec::new();
        let mut names = HashSet::default();
        let mut left: HashMap<Bytes, Leftover> = HashMap::default();
        let mut ended = Vec::new();
        let mut told: HashSet<Bytes> = HashSet::default();
        for record in records.into_iter().rev() {
            let said = match record {
                Record::Said(said) => said,
                Record::Forgotten(mut blocks) => {
                    blocks = machine.keep_known(&blocks);
                    if !blocks.is_empty() {
                        kept.push(Record::Forgotten(blocks));
                    }
                    continue;
                }
                // Of clients that have left, what others want too, or nobody waits for.
                Record::Began(hello) if told.contains(&hello.session) => {
                    ended.push(hello);
                    continue;
                }
                _ => continue,
            };
            let session = self.sessions.get(&said.session);
            let frame = unpack_frame(said.message.clone().unwrap_or_default());
            let keeps = match FromClient::try_from_frame(frame) {
                Ok(FromClient::Submit(submit)) => {
                    let mut layers = submit.layers.iter();
                    let needed = layers.any(|layer| {
                        machine.knows_layer(&layer.name) || names.contains(&layer.name)
                    });
                    if needed && session.is_none() {
                        told.insert(said.session.clone());
                    }
                    if needed {
                        let remote = submit.layers.iter().filter(|layer| layer.remote);
                        names.extend(remote.map(|layer| layer.name.clone()));
                    }
                    if needed && let Some(session) = session {
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
                Ok(FromClient::Query(_)) => session.is_some(),
                _ => false,
            };
            if keeps {
                kept.push(Record::Said(said));
            }
        }
        kept.reverse();
        for (session, entry) in &self.sessions {
            if !machine.cancelled_by_others(entry.client).is_empty() {
                left.entry(session.clone()).or_default();
            }
        }
        let mut records: Vec<Record> = ended.iter().cloned().map(Record::Began).collect();
        records.extend(self.surround(kept, left, machine));
        records.extend(ended.into_iter().map(|hello| {
            Record::Ended(SessionId {
                session: hello.session,
            })
        }));
        records
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
            let client = self.sessions.get(&session).map(|session| session.client);
            let cancelled = client.map(|client| machine.cancelled_by_others(client));
            let messages = [
                FromClient::Release(leftover.released),
                FromClient::Cancel(Cancel {
                    blocks: cancelled,
                    force: false,
                    by_another: true,
                }),
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
        records.extend(machine.troubles().into_iter().map(Record::Troubled));
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

#[cfg(test)]
mod tests {
    use rask_proto::{FromWorker, LayerSpec, Register, Submit, TaskErred, TaskTroubles};
    use rask_sched::{Command, Settings, WorkerId};

    use super::*;

    const NOW: Time = Time { micros: 0 };

    /// A scheduler with its memory, and no peers.
    struct Shell {
        machine: Scheduler,
        memory: Memory,
        written: Vec<Record>,
        folder: tempfile::TempDir,
    }

    impl Shell {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (journal, _) = Journal::open(folder.path()).unwrap();
            Shell {
                machine: fresh_machine(),
                memory: Memory::new(Some(journal)),
                written: Vec::new(),
                folder,
            }
        }

        fn on_event(&mut self, event: Event) {
            let mut commands = Vec::new();
            self.machine.on_event(NOW, event, &mut commands);
            for command in commands {
                if let Command::Journal { client, entry } = command {
                    self.memory.note(client, entry);
                }
            }
        }

        fn join(&mut self, client: u32) {
            let hello = Hello {
                session: Bytes::from(vec![client as u8; 16]),
                ..Hello::default()
            };
            let client = ClientId(client);
            self.memory.begin(client, hello);
            self.on_event(Event::ClientJoined { client });
        }

        fn leave(&mut self, client: u32) {
            let client = ClientId(client);
            self.on_event(Event::ClientLeft { client });
            self.memory.end(client);
        }

        /// Client 1 makes layer "shared", others refer to it.
        fn submit(&mut self, client: u32, fire_and_forget: bool) {
            self.submit_as(client, fire_and_forget, 0);
        }

        fn submit_with(&mut self, client: u32, retries: u32) {
            self.submit_as(client, false, retries);
        }

        /// A worker runs the task of layer "shared", which raises.
        fn raise(&mut self) {
            let worker = WorkerId(1);
            if self.machine.worker_count() == 0 {
                let register = Register {
                    thread_count: 1,
                    ..Register::default()
                };
                self.on_event(Event::WorkerJoined { worker, register });
            }
            let message = FromWorker::Erred(TaskErred::default());
            self.on_event(Event::FromWorker { worker, message });
        }

        /// The worker that runs it dies.
        fn lose_worker(&mut self) {
            let worker = WorkerId(1);
            let reason = "signal 9".to_owned();
            self.on_event(Event::WorkerLeft { worker, reason });
        }

        fn submit_as(&mut self, client: u32, fire_and_forget: bool, retries: u32) {
            let layer = LayerSpec {
                id: 1,
                name: "shared".to_owned(),
                remote: client != 1,
                op: (client == 1).then(Packed::default),
                ..LayerSpec::default()
            };
            let message = FromClient::Submit(Submit {
                layers: vec![layer],
                wanted: Some([(0, 0)].into_iter().collect()),
                fire_and_forget,
                retries,
                ..Submit::default()
            });
            self.say(client, message);
        }

        fn say(&mut self, client: u32, message: FromClient) {
            self.memory.message = Some(pack_frame(message.clone().into_frame()));
            let client = ClientId(client);
            self.on_event(Event::FromClient { client, message });
        }

        /// A scheduler that reads the journal after it was made smaller.
        fn restarted(mut self) -> (Scheduler, Memory) {
            drop(self.memory.journal.take());
            let (_journal, records) = Journal::open(self.folder.path()).unwrap();
            self.written = self.memory.useful(records, &self.machine);
            let (mut machine, mut memory) = (fresh_machine(), Memory::new(None));
            memory.replay(self.written, &mut machine);
            machine.check_invariants().unwrap();
            (machine, memory)
        }
    }

    fn fresh_machine() -> Scheduler {
        Scheduler::new(Settings {
            journal: true,
            ..Settings::default()
        })
    }

    #[test]
    fn what_a_client_that_left_had_submitted_is_kept_for_others() {
        let mut shell = Shell::new();
        shell.join(1);
        shell.join(2);
        shell.submit(1, false);
        shell.submit(2, false);
        shell.leave(1);
        assert_eq!(shell.machine.task_count(), 1);
        let (machine, memory) = shell.restarted();
        assert_eq!(machine.task_count(), 1);
        assert_eq!(memory.sessions.len(), 1);
        let session = memory.sessions.values().next().unwrap();
        assert_eq!(session.hello.session[0], 2);
        assert!(machine.is_wanted_by(session.client, 1, 0));
    }

    #[test]
    fn what_nobody_waits_for_is_kept_when_its_client_leaves() {
        let mut shell = Shell::new();
        shell.join(1);
        shell.submit(1, true);
        shell.leave(1);
        assert_eq!(shell.machine.task_count(), 1);
        let (machine, memory) = shell.restarted();
        assert_eq!(machine.task_count(), 1);
        assert!(memory.sessions.is_empty());
    }

    #[test]
    fn what_a_task_has_been_through_is_kept() {
        let mut shell = Shell::new();
        shell.join(1);
        shell.submit_with(1, 3);
        shell.raise();
        shell.raise();
        shell.lose_worker();
        let troubles = [TaskTroubles {
            layer: 0,
            block: 0,
            retries: 1,
            raised: 2,
            deaths: 1,
        }];
        assert_eq!(shell.machine.troubles(), troubles);
        let (machine, _) = shell.restarted();
        assert_eq!(machine.troubles(), troubles);
    }

    #[test]
    fn what_others_have_cancelled_is_kept_until_its_client_speaks_of_it() {
        let mut shell = Shell::new();
        shell.join(1);
        shell.join(2);
        shell.submit(1, false);
        shell.submit(2, false);
        shell.say(
            1,
            FromClient::Cancel(Cancel {
                blocks: Some([(1, 0)].into_iter().collect()),
                force: true,
                by_another: false,
            }),
        );
        assert_eq!(shell.machine.task_count(), 0);
        let (machine, memory) = shell.restarted();
        assert_eq!((machine.task_count(), memory.sessions.len()), (0, 2));
        let told = memory.sessions.values().map(|session| {
            let cancelled = machine.cancelled_by_others(session.client);
            (session.hello.session[0], cancelled.len())
        });
        let told: std::collections::BTreeMap<u8, usize> = told.collect();
        assert_eq!(told, [(1, 0), (2, 1)].into());
    }

    #[test]
    fn what_is_of_no_use_is_dropped() {
        let mut shell = Shell::new();
        shell.join(1);
        shell.submit(1, false);
        shell.say(1, FromClient::Release([(1, 0)].into_iter().collect()));
        shell.say(1, FromClient::ForgetLayers([(1, 0)].into_iter().collect()));
        assert_eq!(shell.machine.task_count(), 0);
        let (machine, memory) = shell.restarted();
        assert_eq!(machine.task_count(), 0);
        assert!(!machine.knows_layer("shared"));
        assert_eq!(memory.sessions.len(), 1);
    }
}
