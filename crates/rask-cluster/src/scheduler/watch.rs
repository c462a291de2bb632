//! What the plugins of the helper process are told: seen in the events that go into the machine and
//! the commands that come out.

use rask_proto::{
    Blocks, EventOp, EventRequest, FromClient, FromWorker, HelperEvent, LogEvent, Query, QueryBody,
    ToWorker,
};
use rask_sched::{Command, Event, Scheduler};

/// What is to be told once the machine has taken the event in.
#[derive(Default)]
pub(super) struct Watched {
    events: Vec<HelperEvent>,
    /// Tasks that ended on a worker: layer, block, address, bytes, duration.
    ended: Vec<((u32, u32), String, u64, u32)>,
}

fn of_kind(kind: &str, name: impl Into<String>) -> HelperEvent {
    HelperEvent {
        kind: kind.to_owned(),
        name: name.into(),
        ..HelperEvent::default()
    }
}

impl Watched {
    /// Looks at an event before the machine does.
    pub fn before(machine: &Scheduler, event: &Event) -> Self {
        let mut watched = Watched::default();
        match event {
            Event::WorkerJoined { register, .. } => {
                watched
                    .events
                    .push(of_kind("add_worker", &register.address));
            }
            Event::WorkerLeft { worker, .. } => watched.on_left(machine, *worker),
            Event::ClientJoined { client } => {
                watched
                    .events
                    .push(of_kind("add_client", client.0.to_string()));
            }
            Event::ClientLeft { client } => {
                watched
                    .events
                    .push(of_kind("remove_client", client.0.to_string()));
            }
            Event::FromClient { client, message } => watched.on_client(client.0, message),
            Event::FromWorker { worker, message } => watched.on_worker(machine, *worker, message),
            #[allow(unreachable_patterns, reason = "other events concern no plugin")]
            _ => {}
        }
        watched
    }

    fn on_left(&mut self, machine: &Scheduler, worker: rask_sched::WorkerId) {
        if let Some(address) = machine.find_worker_address(worker) {
            self.events.push(of_kind("remove_worker", address));
        }
    }

    fn on_client(&mut self, client: u32, message: &FromClient) {
        match message {
            FromClient::Submit(submit) => self.events.push(HelperEvent {
                names: submit
                    .layers
                    .iter()
                    .map(|layer| layer.name.clone())
                    .collect(),
                wanted: submit.wanted.clone(),
                ..of_kind("update_graph", client.to_string())
            }),
            FromClient::Query(Query {
                body: Some(QueryBody::Restart(())),
                ..
            }) => self.events.push(of_kind("restart", "")),
            FromClient::Query(Query {
                body:
                    Some(QueryBody::Events(EventRequest {
                        op: Some(EventOp::Log(event)),
                    })),
                ..
            }) => self.on_log_event(event),
            _ => {}
        }
    }

    fn on_worker(
        &mut self,
        machine: &Scheduler,
        worker: rask_sched::WorkerId,
        message: &FromWorker,
    ) {
        let address = machine.find_worker_address(worker).unwrap_or_default();
        match message {
            FromWorker::Finished(finished) => {
                let blocks = finished.blocks.iter().flat_map(Blocks::iter);
                let figures = finished.nbytes.iter().zip(&finished.duration_micros);
                let ended = blocks
                    .zip(figures)
                    .map(|(block, (&nbytes, &micros))| (block, address.to_owned(), nbytes, micros));
                self.ended.extend(ended);
            }
            FromWorker::Erred(erred) => {
                let block = (erred.layer, erred.block);
                self.ended.push((block, address.to_owned(), 0, 0));
            }
            FromWorker::Leaving(()) => self.on_left(machine, worker),
            FromWorker::Event(event) => self.on_log_event(event),
            _ => {}
        }
    }

    fn on_log_event(&mut self, event: &LogEvent) {
        self.events.push(HelperEvent {
            names: event.topics.clone(),
            value: event.value.clone(),
            ..of_kind("log_event", "")
        });
    }

    /// Looks at what the machine has made of it.
    pub fn after(mut self, machine: &Scheduler, commands: &[Command]) -> Vec<HelperEvent> {
        for ((layer, block), worker, nbytes, duration_micros) in std::mem::take(&mut self.ended) {
            let finish = machine.find_state_name(layer, block).unwrap_or("forgotten");
            let event = transition(machine, (layer, block), "processing", finish);
            self.events.extend(event.map(|event| HelperEvent {
                worker,
                nbytes,
                duration_micros,
                ..event
            }));
        }
        for command in commands {
            let Command::ToWorker { worker, message } = command else {
                continue;
            };
            let (blocks, start, finish) = match message {
                ToWorker::Assign(assign) => (assign.tasks.as_ref(), "waiting", "processing"),
                ToWorker::Free(blocks) => (Some(blocks), "memory", "released"),
                _ => continue,
            };
            let address = machine.find_worker_address(*worker).unwrap_or_default();
            for block in blocks.into_iter().flat_map(Blocks::iter) {
                let event = transition(machine, block, start, finish);
                self.events.extend(event.map(|event| HelperEvent {
                    worker: address.to_owned(),
                    ..event
                }));
            }
        }
        self.events
    }
}

fn transition(
    machine: &Scheduler,
    (layer, block): (u32, u32),
    start: &str,
    finish: &str,
) -> Option<HelperEvent> {
    let (name, numbered) = machine.find_layer_name(layer)?;
    Some(HelperEvent {
        block,
        numbered,
        start: start.to_owned(),
        finish: finish.to_owned(),
        ..of_kind("transition", name)
    })
}
