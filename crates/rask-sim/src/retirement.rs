//! Workers that are told to leave.

use rask_proto::{FromClient, FromWorker, Names, Query, QueryBody};
use rask_sched::{ClientId, Event};

use crate::network::{Happening, Message, Party};
use crate::simulation::Simulation;

/// Nobody's number: who asks for workers to leave waits for no answer.
const ASKER: ClientId = ClientId(u32::MAX - 1);
/// Another worker comes within this time.
const REPLACED_MICROS: u64 = 50_000;

impl Simulation {
    pub(crate) fn on_worker_retires(&mut self) {
        if self.connections.is_down {
            return;
        }
        let Some(number) = self.pick_worker() else {
            return;
        };
        let query = Query {
            id: 1,
            body: Some(QueryBody::Retire(Names {
                names: vec![format!("worker-{number}")],
            })),
        };
        self.on_scheduler_event(Event::FromClient {
            client: ASKER,
            message: FromClient::Query(query),
        });
        let micros = self.random.below(REPLACED_MICROS);
        self.network.after(micros, Happening::WorkerJoins);
    }

    /// A worker is told to end: what only it holds, and somebody needs, would have to be made again.
    /// Whoever comes while it is being told is too late to take anything.
    pub(crate) fn check_retired(&self, number: u32) {
        if !self.settings.faults.is_only_retirements() {
            return;
        }
        let view = self.scheduler.view(true);
        let id = self.connections.find_id(number).map_or(0, |id| id.0);
        let others = view
            .info
            .map_or(0, |info| info.workers.len())
            .saturating_sub(1);
        let lost = view.tasks.iter();
        let lost = lost.filter(|task| task.state == "memory" && task.workers == [id]);
        if others > 0 {
            assert_eq!(
                lost.count(),
                0,
                "worker {number} left with values of its own"
            );
        }
    }

    /// A worker was told to end, and does.
    pub(crate) fn on_worker_retired(&mut self, number: u32) {
        if self.workers.remove(&number).is_none() {
            return;
        }
        self.report.workers_retired += 1;
        let party = Party::Worker(number);
        let leaving = Message::FromWorker(FromWorker::Leaving(()));
        self.send(party, Party::Scheduler, leaving);
        self.send(party, Party::Scheduler, Message::Closed);
    }
}
