//! The machine: its tables, and the dispatch of events.

use std::collections::BTreeMap;

use rask_proto::{FromWorker, ToWorker};

use crate::event::{ClientId, Command, Event, Time, WorkerId};
use crate::outgoing::Outgoing;
use crate::plugins::PluginTable;
use crate::policy::rescheduling::Refusals;
use crate::policy::retirement::Leaving;
use crate::settings::Settings;
use crate::state::{Clients, Layers, Shares, Task, TaskId, Tasks, Workers};
use crate::stimulus::{FINISHED, kind_of};

/// The client that nobody is: it wants the tasks of `fire_and_forget` until they end.
pub(crate) const NOBODY: ClientId = ClientId(u32::MAX);

/// Of events that have come together, so many are taken in before it is decided what follows from
/// them, or with so many tasks.
const ROUND_EVENTS: usize = 64;
const ROUND_TASKS: usize = 256;
/// When there is something for more workers than this, they are told before it is gone on.
const TOLD_TOGETHER_MAX: usize = 1024;

/// The scheduler. Call [`on_event`](Self::on_event) for everything that happens, in order, and do
/// what it appends to `commands`, in order.
pub struct Scheduler {
    pub(crate) settings: Settings,
    pub(crate) now: Time,
    pub(crate) tasks: Tasks,
    pub(crate) layers: Layers,
    pub(crate) workers: Workers,
    pub(crate) clients: Clients,
    /// Whom tasks are counted for, with the tasks in state Queued.
    pub(crate) shares: Shares,
    /// How many tasks are Queued.
    pub(crate) queued_count: usize,
    /// Tasks in state Queued that no worker here may run.
    pub(crate) stranded: Vec<(TaskId, u32)>,
    /// Copies that clients asked for.
    pub(crate) copying: Vec<crate::policy::replicas::Copying>,
    /// Tasks that raised and wait until they are run again.
    pub(crate) delays: crate::policy::backoff::Delays,
    /// Layers that histories may still name.
    pub(crate) gone_layers: crate::state::GoneLayers,
    pub(crate) versions: crate::versions::VersionTable,
    pub(crate) stream: crate::task_stream::Stream,
    pub(crate) topics: crate::topics::Topics,
    pub(crate) spans: crate::spans::Spans,
    pub(crate) coordination: crate::coordination::Coordination,
    /// Second copies of tasks that take long.
    pub(crate) copies: crate::policy::speculation::Copies,
    /// Superfluous copies of values.
    pub(crate) reduction: crate::policy::reduction::Reduction,
    pub(crate) bandwidth: crate::policy::bandwidth::Bandwidth,
    pub(crate) out: Outgoing,
    pub(crate) plugins: PluginTable,
    pub(crate) refusals: Refusals,
    /// Workers that are to leave.
    pub(crate) leaving: BTreeMap<WorkerId, Leaving>,
    /// How many submissions there were; earlier ones go first.
    pub(crate) submission_count: u64,
    /// The numbers that layers had before a restart, while what clients said then is said again.
    pub(crate) known_numbers: Option<Vec<u32>>,
    /// The numbers that the layers of the submission at hand got, where they are written down.
    pub(crate) given_numbers: Vec<u32>,
    /// Bytes of the largest value that there has been.
    pub(crate) value_bytes_max: u64,
    /// Workers with holders from which they are to fetch something.
    pub(crate) introductions: Vec<(WorkerId, WorkerId)>,
    pub(crate) congestion: crate::policy::congestion::Congestion,
    pub(crate) needs: crate::policy::needs::Needs,
    pub(crate) homes: crate::policy::collecting::Homes,
    /// Which workers have to be looked at.
    pub(crate) attention: crate::policy::attention::Attention,
    /// Who took in a client's value last.
    pub(crate) last_holder: WorkerId,
    /// After a restart, until the workers are back: nothing is handed out.
    pub(crate) recovering: bool,
    /// Tasks that may have become forgettable or releasable, see `transition::release`.
    pub(crate) settle: Vec<TaskId>,
}

impl Scheduler {
    /// A scheduler that knows nobody.
    pub fn new(settings: Settings) -> Self {
        Scheduler {
            topics: crate::topics::Topics::new(settings.topic_limits.clone()),
            tasks: Tasks::new(settings.history_length),
            bandwidth: crate::policy::bandwidth::Bandwidth::new(
                settings.bandwidth_bytes_per_second,
            ),
            shares: Shares::new(&settings.shares),
            copies: Default::default(),
            reduction: crate::policy::reduction::Reduction::new(settings.drops_replicas),
            settings,
            now: Time::default(),
            layers: Layers::default(),
            workers: Workers::default(),
            clients: Clients::default(),
            queued_count: 0,
            stranded: Vec::new(),
            copying: Vec::new(),
            delays: Default::default(),
            gone_layers: Default::default(),
            versions: Default::default(),
            stream: Default::default(),
            spans: Default::default(),
            coordination: Default::default(),
            out: Outgoing::default(),
            plugins: PluginTable::default(),
            refusals: Refusals::default(),
            leaving: BTreeMap::new(),
            submission_count: 0,
            known_numbers: None,
            given_numbers: Vec::new(),
            value_bytes_max: 0,
            introductions: Vec::new(),
            congestion: Default::default(),
            needs: Default::default(),
            homes: Default::default(),
            attention: Default::default(),
            last_holder: WorkerId(0),
            recovering: false,
            settle: Vec::new(),
        }
    }

    /// Has memory ready before it is needed: what is new to the process is slow the first time.
    pub fn prepare(&mut self) {
        self.layers.prepare();
        self.tasks.prepare();
    }

    /// Takes note of `event`, which happened at `now`, and appends what is to be done.
    pub fn on_event(&mut self, now: Time, event: Event, commands: &mut Vec<Command>) {
        self.take_in(now, event);
        self.conclude(commands);
    }

    /// Takes note of events that have come together, and appends what is to be done: as
    /// [`on_event`](Self::on_event) for each of them, but what follows from them is decided once, and
    /// what a peer is to be told goes in fewer messages. Of many events it is decided in rounds, while
    /// what they have touched is in the processor's caches. The list is empty afterwards.
    pub fn on_all(&mut self, now: Time, events: &mut Vec<Event>, commands: &mut Vec<Command>) {
        let mut anticipated = 0;
        let mut taken = (0, 0);
        for at in 0..events.len() {
            if taken.0 >= ROUND_EVENTS || taken.1 >= ROUND_TASKS {
                self.decide();
                if self.out.worker_count() > TOLD_TOGETHER_MAX {
                    self.make_introductions();
                    self.out.flush(commands);
                }
                taken = (0, 0);
            }
            taken.0 += 1;
            if at == anticipated {
                anticipated += self.anticipate_reports(&events[at..]);
            }
            // Reports come by the thousand, and are large.
            if let Event::FromWorker { worker, message } = &mut events[at]
                && let FromWorker::Finished(finished) = message
            {
                taken.1 += finished.nbytes.len();
                self.begin(now, FINISHED);
                self.on_report(*worker, finished);
                continue;
            }
            let event = std::mem::replace(&mut events[at], Event::TimePassed);
            self.take_in_anticipated(now, event);
        }
        events.clear();
        self.conclude(commands);
    }

    /// Takes note of `event`, as [`on_event`](Self::on_event); what follows from it, and from others
    /// after it, is decided by [`conclude`](Self::conclude).
    pub fn take_in(&mut self, now: Time, event: Event) {
        self.anticipate_reports(std::slice::from_ref(&event));
        self.take_in_anticipated(now, event);
    }

    /// Something happens, of this number in `stimulus::NAMES`.
    fn begin(&mut self, now: Time, kind: u8) {
        self.now = now;
        self.tasks.history.begin(now, kind);
        self.resume_delayed();
    }

    fn take_in_anticipated(&mut self, now: Time, event: Event) {
        self.begin(now, kind_of(&event));
        match event {
            Event::ClientJoined { client } => self.on_client_joined(client),
            Event::ClientLeft { client } => self.on_client_left(client),
            Event::FromClient { client, message } => self.on_client_message(client, message),
            Event::ClientResumed { client } => self.on_client_resumed(client),
            Event::RecoveryEnded => {
                self.recovering = false;
                self.attention.touch_all(self.workers.by_id.keys());
            }
            Event::TimePassed => {}
            Event::Suggested { suggestions } => self.on_suggestions(&suggestions),
            Event::WorkerJoined { worker, register } => self.on_worker_joined(worker, register),
            Event::WorkerLeft { worker, reason } => self.on_worker_left(worker, &reason),
            Event::FromWorker { worker, message } => self.on_worker_message(worker, message),
        }
    }

    /// Releases and forgets what nobody needs, and hands out what there is room for.
    fn decide(&mut self) {
        self.settle();
        self.hand_out();
        // What was refused when it was to be handed out has left others that nobody needs now.
        while !self.settle.is_empty() || self.fail_unmet_quotas() {
            self.settle();
            self.hand_out();
        }
    }

    /// Decides what follows from all that was taken in, and appends what is to be done.
    pub fn conclude(&mut self, commands: &mut Vec<Command>) {
        self.decide();
        self.advance_retirements();
        self.advance_copies();
        self.shares.settle();
        self.advance_copies_of_slow();
        self.advance_reduction();
        self.make_introductions();
        self.out.flush(commands);
    }

    /// Takes the memory of a message that was sent, which is empty then, for those to come.
    pub fn reuse(&mut self, message: &mut ToWorker) {
        self.out.spare().keep_message(message);
    }

    /// How many tasks there are.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// How many layers there are.
    pub fn layer_count(&self) -> usize {
        self.layers.iter().count()
    }

    /// The pending tasks as text, a line a task: for people who wonder why nothing happens.
    pub fn describe_pending(&self) -> String {
        let pending = self
            .tasks
            .iter()
            .filter(|(_, task)| task.state.is_pending());
        let lines = pending.map(|(id, task)| {
            let name = &self.layers.get(task.layer).name;
            let Task { block, state, .. } = task;
            let (worker, missing) = (task.worker(), task.missing());
            let needs = self.tasks.deps(id).iter().map(|&dep| {
                let dep = self.tasks.get(dep);
                format!("{}:{} {:?}", dep.layer, dep.block, dep.state)
            });
            let needs: Vec<String> = needs.collect();
            format!(
                "{id} {name} {block}: {state:?} at {worker:?}, misses {missing}, needs {needs:?}"
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// How many workers there are.
    pub fn worker_count(&self) -> usize {
        self.workers.by_id.len()
    }
}
