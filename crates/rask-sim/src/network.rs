//! What happens when.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rask_exec::{Fetch, Job, Pace};
use rask_proto::{Frame, FromClient, FromWorker, Suggestions, ToClient, ToWorker, Wire};

use crate::random::Random;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Party {
    Scheduler,
    Worker(u32),
    Client(u32),
}

/// Something that happens at a time.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most happenings are messages")]
pub(crate) enum Happening {
    Arrives {
        from: Party,
        to: Party,
        message: Message,
    },
    JobEnds {
        worker: u32,
        job: Job,
    },
    /// A client asks again for what it did not get.
    ClientRetries {
        client: u32,
    },
    ClientLeaves {
        client: u32,
    },
    /// A client cancels some of what it wants.
    ClientCancels {
        client: u32,
    },
    /// A policy of users looks at what there is.
    PolicyLooks,
    PolicySuggests {
        suggestions: Suggestions,
    },
    /// A client wants some of what it has cancelled or released.
    ClientSubmitsAnew {
        client: u32,
    },
    SchedulerDies,
    SchedulerStarts,
    /// A worker or client connects to the scheduler that was started again.
    Returns {
        party: Party,
        incarnation: u32,
    },
    RecoveryEnds {
        incarnation: u32,
    },
    /// The scheduler is told the time.
    TimePasses,
    /// The scheduler takes in what has come.
    SchedulerLooks,
    /// The connection of a worker or a client to the scheduler ends.
    ConnectionEnds,
    /// The scheduler notices that the connection of the worker of this number has ended.
    ConnectionMissed {
        id: u32,
    },
    /// Two workers cannot reach each other for a while.
    WorkersPart,
    DiskFills,
    DiskHasRoom {
        worker: u32,
    },
    WorkerDies,
    WorkerPauses,
    MemoryRunsShort,
    PaceChanges {
        worker: u32,
        pace: Pace,
    },
    WorkerRetires,
    WorkerJoins,
}

/// What is sent. What is between scheduler and others goes through its encoding.
#[derive(Debug)]
pub(crate) enum Message {
    FromWorker(FromWorker),
    ToWorker(ToWorker),
    FromClient(FromClient),
    ToClient(ToClient),
    /// The connection has ended.
    Closed,
    /// Please hand over the values of these blocks.
    Ask {
        /// The number under which the asker knows who is asked.
        holder: u32,
        keys: Vec<Asked>,
        /// When.
        asked: u64,
    },
    /// For each block asked for, its value and size, if it was handed over.
    Given {
        holder: u32,
        keys: Vec<Asked>,
        values: Vec<Option<(u64, u64)>>,
        asked: u64,
    },
}

/// One block asked of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) layer: LayerRef,
    pub(crate) block: u32,
    pub(crate) note: Note,
}

/// What the asker wants to know again when the answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Fetch(Fetch),
    /// A client's number of the layer.
    Layer(u32),
}

/// How a layer is named: workers use the scheduler's numbers, clients names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LayerRef {
    Number(u32),
    Name(String),
}

impl Message {
    /// The message after a way through its encoding.
    fn transferred(self) -> Message {
        fn pass<M: Wire>(message: M) -> M {
            let frame: Frame = message.into_frame();
            M::try_from_frame(frame).expect("what was encoded can be decoded")
        }
        match self {
            Message::FromWorker(message) => Message::FromWorker(pass(message)),
            Message::ToWorker(message) => Message::ToWorker(pass(message)),
            Message::FromClient(message) => Message::FromClient(pass(message)),
            Message::ToClient(message) => Message::ToClient(pass(message)),
            other => other,
        }
    }
}

/// The clock, and what is to come.
pub(crate) struct Network {
    pub(crate) now: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: HashMap<u64, Happening>,
    next: u64,
    /// When the last message on a way arrives: later ones do not overtake it.
    arrivals: HashMap<(Party, Party), u64>,
    latency_micros_max: u64,
}

impl Network {
    pub(crate) fn new(latency_micros_max: u64) -> Self {
        Network {
            now: 0,
            queue: BinaryHeap::new(),
            happenings: HashMap::new(),
            next: 0,
            arrivals: HashMap::new(),
            latency_micros_max,
        }
    }

    /// Lets something happen after `micros`.
    pub(crate) fn after(&mut self, micros: u64, happening: Happening) {
        self.at(self.now + micros, happening);
    }

    pub(crate) fn at(&mut self, time: u64, happening: Happening) {
        self.queue.push(Reverse((time, self.next)));
        self.happenings.insert(self.next, happening);
        self.next += 1;
    }

    pub(crate) fn send(&mut self, random: &mut Random, from: Party, to: Party, message: Message) {
        self.send_slowly(random, (from, to), message, 0);
    }

    /// Sends something that keeps the way busy for a while.
    pub(crate) fn send_slowly(
        &mut self,
        random: &mut Random,
        (from, to): (Party, Party),
        message: Message,
        micros: u64,
    ) {
        let latency = 1 + random.below(self.latency_micros_max);
        let last = self.arrivals.entry((from, to)).or_default();
        let time = (self.now + latency).max(*last) + micros;
        *last = time;
        let message = message.transferred();
        self.at(time, Happening::Arrives { from, to, message });
    }

    /// Loses a message. Who waits for an answer notices that the connection has ended.
    fn lose(&mut self, number: u64) {
        if let Some(Happening::Arrives {
            message: Message::Given { values, .. },
            ..
        }) = self.happenings.get_mut(&number)
        {
            values.iter_mut().for_each(|value| *value = None);
        } else {
            self.happenings.remove(&number);
        }
    }

    /// Loses some of what a party that died has sent: all from some message on.
    pub(crate) fn lose_from(&mut self, random: &mut Random, party: Party) {
        let mut sent: Vec<u64> = self
            .happenings
            .iter()
            .filter(|(_, h)| matches!(h, Happening::Arrives { from, .. } if *from == party))
            .map(|(&number, _)| number)
            .collect();
        sent.sort_unstable();
        let kept = random.below(sent.len() as u64 + 1) as usize;
        for number in &sent[kept..] {
            self.lose(*number);
        }
    }

    /// Loses everything on its way between two parties.
    pub(crate) fn lose_between(&mut self, one: Party, other: Party) {
        self.happenings.retain(|_, happening| {
            !matches!(happening, Happening::Arrives { from, to, .. }
                if (*from, *to) == (one, other) || (*from, *to) == (other, one))
        });
    }

    /// Loses everything on its way from a party and to it.
    pub(crate) fn lose_all(&mut self, party: Party) {
        self.happenings.retain(|_, happening| {
            !matches!(happening, Happening::Arrives { from, to, .. } if *from == party || *to == party)
        });
    }

    /// Moves what happens to a party, or by it, to a later time.
    pub(crate) fn delay(&mut self, party: Party, micros: u64) {
        for entry in std::mem::take(&mut self.queue) {
            let Reverse((time, number)) = entry;
            let concerned = match self.happenings.get(&number) {
                Some(Happening::Arrives { from, to, .. }) => *from == party || *to == party,
                Some(Happening::JobEnds { worker, .. }) => Party::Worker(*worker) == party,
                _ => false,
            };
            let time = if concerned { time + micros } else { time };
            self.queue.push(Reverse((time, number)));
        }
        for ((from, to), time) in &mut self.arrivals {
            if *from == party || *to == party {
                *time += micros;
            }
        }
    }

    /// The next thing that happens; the clock moves to it.
    pub(crate) fn next(&mut self) -> Option<Happening> {
        loop {
            let Reverse((time, number)) = self.queue.pop()?;
            self.now = self.now.max(time);
            if let Some(happening) = self.happenings.remove(&number) {
                return Some(happening);
            }
        }
    }
}
