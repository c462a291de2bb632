//! A recording double of everything around the scheduler: it plays clients and workers, checks the
//! invariants after every event, and fails the test when a command was not asserted.

use bytes::Bytes;
use rask_proto::{
    Assign, Blocks, Failure, FromClient, FromWorker, InlineBuilder, LayerSpec, LengthSpec, Missing,
    Packed, RefColumns, Register, SizeSpec, Submit, TaskErred, TasksFinished, ToClient, ToWorker,
};
use rask_sched::{ClientId, Command, Event, Scheduler, Settings, Time, WorkerId};

pub struct Double {
    pub scheduler: Scheduler,
    pub now: u64,
    unasserted: Vec<Command>,
}

pub const CLIENT: ClientId = ClientId(1);

pub fn worker(number: u32) -> WorkerId {
    WorkerId(number)
}

impl Double {
    /// A scheduler with one client and `workers` workers of one thread, numbered from 1.
    pub fn new(workers: u32) -> Self {
        Double::with(Settings::default(), workers)
    }

    /// As `new`, for a scheduler with these settings.
    pub fn with(settings: Settings, workers: u32) -> Self {
        let mut double = Double {
            scheduler: Scheduler::new(settings),
            now: 0,
            unasserted: Vec::new(),
        };
        double.event(Event::ClientJoined { client: CLIENT });
        for number in 1..=workers {
            double.join(number, 1);
        }
        double.unasserted.clear();
        double
    }

    pub fn event(&mut self, event: Event) {
        self.now += 1;
        let now = Time { micros: self.now };
        let shown = format!("{event:?}");
        self.scheduler.on_event(now, event, &mut self.unasserted);
        if let Err(broken) = self.scheduler.check_invariants() {
            panic!("after {shown}: {broken}");
        }
    }

    pub fn join(&mut self, number: u32, thread_count: u32) {
        self.join_limited(number, thread_count, 0);
    }

    /// A worker with so much memory; 0 is without limit.
    pub fn join_limited(&mut self, number: u32, thread_count: u32, memory_bytes_max: u64) {
        let register = Register {
            name: format!("w{number}"),
            address: format!("tcp://host-{number}:1"),
            thread_count,
            memory_bytes_max,
            ..Register::default()
        };
        self.event(Event::WorkerJoined {
            worker: worker(number),
            register,
        });
    }

    pub fn lose(&mut self, number: u32) {
        self.event(Event::WorkerLeft {
            worker: worker(number),
            reason: "signal 9".to_owned(),
        });
        self.unasserted
            .retain(|command| !matches!(peers_of(command), Some(())));
    }

    pub fn submit(&mut self, submit: Submit) {
        self.client(FromClient::Submit(submit));
    }

    pub fn client(&mut self, message: FromClient) {
        self.event(Event::FromClient {
            client: CLIENT,
            message,
        });
    }

    pub fn hear_worker(&mut self, number: u32, message: FromWorker) {
        self.event(Event::FromWorker {
            worker: worker(number),
            message,
        });
    }

    /// The worker finishes tasks, each a value of 100 bytes.
    pub fn finish(&mut self, number: u32, tasks: &[(u32, u32)]) {
        self.finish_with(number, tasks, 100);
    }

    /// The worker finishes tasks, each a value of so many bytes.
    pub fn finish_with(&mut self, number: u32, tasks: &[(u32, u32)], nbytes: u64) {
        let mut inline = InlineBuilder::default();
        tasks.iter().for_each(|_| inline.push_none());
        self.hear_worker(
            number,
            FromWorker::Finished(TasksFinished {
                blocks: Some(tasks.iter().copied().collect()),
                nbytes: vec![nbytes; tasks.len()],
                duration_micros: vec![1_000_000; tasks.len()],
                inline: Some(inline.finish()),
                working_bytes: Vec::new(),
            }),
        );
    }

    pub fn fail(&mut self, number: u32, task: (u32, u32)) {
        let failure = rask_proto::Failure {
            message: "ValueError: no".to_owned(),
            ..Default::default()
        };
        self.hear_worker(
            number,
            FromWorker::Erred(TaskErred {
                layer: task.0,
                block: task.1,
                failure: Some(failure),
                reschedule: false,
            }),
        );
    }

    pub fn missing(&mut self, number: u32, task: (u32, u32), input: (u32, u32), holder: u32) {
        self.hear_worker(
            number,
            FromWorker::Missing(Missing {
                tasks: Some(Blocks::from_iter([task])),
                inputs: Some(Blocks::from_iter([input])),
                holders: vec![holder],
            }),
        );
    }

    /// Takes the assignments to a worker, with the layers sent before them.
    pub fn take_assigned(&mut self, number: u32) -> Vec<(u32, u32)> {
        let mut tasks = Vec::new();
        self.unasserted.retain(|command| {
            let Command::ToWorker {
                worker: to,
                message,
            } = command
            else {
                return true;
            };
            if *to != worker(number) {
                return true;
            }
            match message {
                ToWorker::Assign(Assign { tasks: columns, .. }) => {
                    tasks.extend(columns.iter().flat_map(Blocks::iter));
                    false
                }
                ToWorker::Layer(_) | ToWorker::Pages(_) | ToWorker::Peers(_) => false,
                _ => true,
            }
        });
        tasks
    }

    /// Takes the messages to a worker of which `is_meant` holds; how many there were.
    pub fn take_from(&mut self, number: u32, mut is_meant: impl FnMut(&ToWorker) -> bool) -> usize {
        let before = self.unasserted.len();
        self.unasserted.retain(|command| {
            !matches!(command, Command::ToWorker { worker: to, message }
                if *to == worker(number) && is_meant(message))
        });
        before - self.unasserted.len()
    }

    /// Takes messages to the client.
    pub fn take_client(&mut self) -> Vec<ToClient> {
        let mut messages = Vec::new();
        self.unasserted.retain(|command| match command {
            Command::ToClient { message, .. } => {
                messages.push(message.clone());
                false
            }
            _ => true,
        });
        messages
    }

    /// As `take_client`, the failures alone.
    pub fn take_failures(&mut self) -> Vec<Failure> {
        let messages = self.take_client().into_iter();
        let erred = messages.filter_map(|message| match message {
            ToClient::Erred(erred) => erred.failure,
            _ => None,
        });
        erred.collect()
    }

    /// Takes the blocks that a worker is told to drop.
    pub fn take_freed(&mut self, number: u32) -> Vec<(u32, u32)> {
        let mut freed = Vec::new();
        self.unasserted.retain(|command| match command {
            Command::ToWorker {
                worker: to,
                message: ToWorker::Free(blocks),
            } if *to == worker(number) => {
                freed.extend(blocks.iter());
                false
            }
            _ => true,
        });
        freed
    }

    /// Takes the blocks that a worker is told not to run.
    pub fn take_unassigned(&mut self, number: u32) -> Vec<(u32, u32)> {
        let mut called_back = Vec::new();
        self.unasserted.retain(|command| match command {
            Command::ToWorker {
                worker: to,
                message: ToWorker::Unassign(blocks),
            } if *to == worker(number) => {
                called_back.extend(blocks.iter());
                false
            }
            _ => true,
        });
        called_back
    }

    /// Takes all that is left.
    pub fn forget_all(&mut self) {
        self.unasserted.clear();
    }

    /// Takes news of peers.
    pub fn forget_peers(&mut self) {
        self.unasserted
            .retain(|command| peers_of(command).is_none());
    }

    /// Takes that workers are told to forget layers, as often as it may be.
    pub fn forget_layers(&mut self) {
        self.take_forgotten();
    }

    /// Takes whatever layers workers are told to forget.
    pub fn take_forgotten(&mut self) -> usize {
        let before = self.unasserted.len();
        self.unasserted.retain(|command| {
            !matches!(
                command,
                Command::ToWorker {
                    message: ToWorker::ForgetLayers(_),
                    ..
                }
            )
        });
        before - self.unasserted.len()
    }
}

fn peers_of(command: &Command) -> Option<()> {
    match command {
        Command::ToClient {
            message: ToClient::Peers(_),
            ..
        }
        | Command::ToWorker {
            message: ToWorker::Peers(_) | ToWorker::Welcome(_),
            ..
        } => Some(()),
        _ => None,
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(
                self.unasserted.is_empty(),
                "commands that the test did not assert: {:#?}",
                self.unasserted
            );
        }
    }
}

/// A layer of `count` blocks that need nothing.
pub fn source(name: &str, count: u32) -> LayerSpec {
    LayerSpec {
        name: name.to_owned(),
        grid: vec![count],
        op: Some(Packed::new("test", Bytes::new(), Vec::new())),
        operation: name.to_owned(),
        ..LayerSpec::default()
    }
}

/// The blocks of `layer` are declared to have so many bytes each, and to be dense.
pub fn sized(layer: LayerSpec, bytes: u64) -> LayerSpec {
    let lengths = LengthSpec {
        lengths: vec![bytes],
        counts: layer.grid.clone(),
    };
    LayerSpec {
        sizes: Some(SizeSpec {
            item_bytes: 1,
            axes: vec![lengths],
            is_dense: true,
        }),
        ..layer
    }
}

/// The blocks of a layer of declared sizes may take less.
pub fn sparse(mut layer: LayerSpec) -> LayerSpec {
    if let Some(sizes) = &mut layer.sizes {
        sizes.is_dense = false;
    }
    layer
}

/// A layer of which block `b` needs the blocks `needs[b]`: positions in the submission and blocks.
pub fn needing(name: &str, needs: &[&[(u32, u32)]]) -> LayerSpec {
    let mut refs = RefColumns {
        offsets: vec![0],
        ..RefColumns::default()
    };
    for needs in needs {
        for &(layer, block) in *needs {
            refs.layers.push(layer);
            refs.blocks.push(block);
        }
        refs.offsets.push(refs.layers.len() as u32);
    }
    LayerSpec {
        refs: Some(refs),
        ..source(name, needs.len() as u32)
    }
}

/// A submission that wants all blocks of its last layer, which is the client's number 1.
pub fn submission(mut layers: Vec<LayerSpec>) -> Submit {
    let position = layers.len() as u32 - 1;
    let last = layers.last_mut().expect("a submission has layers");
    last.id = 1;
    let count = last.grid.iter().product();
    Submit {
        layers,
        wanted: Some((0..count).map(|block| (position, block)).collect()),
        ..Submit::default()
    }
}

/// Blocks of the `Finished` messages.
pub fn finished(messages: &[ToClient]) -> Vec<(u32, u32)> {
    let blocks = messages.iter().filter_map(|message| match message {
        ToClient::Finished(finished) => finished.blocks.as_ref(),
        _ => None,
    });
    blocks.flat_map(Blocks::iter).collect()
}
