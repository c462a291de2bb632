//! Questions of clients.

use rask_proto::{
    Answer, AnswerBody, Blocks, CallReply, Failure, Holders, Info, Query, QueryBody, Shutdown,
    ToClient, ToWorker, WorkerSummary,
};

use crate::event::{ClientId, Command};
use crate::scheduler::{NOBODY, Scheduler};
use crate::state::TaskId;

/// The answer to a call that nobody takes.
fn refuse(reason: &str) -> CallReply {
    CallReply {
        failure: Some(Failure {
            message: format!("NotImplementedError: {reason}"),
            ..Failure::default()
        }),
        ..CallReply::default()
    }
}

impl Scheduler {
    pub(crate) fn on_query(&mut self, client: ClientId, query: Query) {
        let body = match query.body {
            None => return,
            Some(QueryBody::Coordinate(request)) => {
                return self.on_coordination(client, query.id, request);
            }
            Some(QueryBody::Events(request)) => {
                return self.on_events(client, query.id, request);
            }
            Some(QueryBody::Story(query)) => AnswerBody::Story(Box::new(self.story(&query))),
            Some(QueryBody::Spans(query)) => {
                AnswerBody::Spans(Box::new(self.describe_spans(&query)))
            }
            Some(QueryBody::NoteSpan(note)) => {
                self.spans.note(&note.id, note.text);
                AnswerBody::Done(())
            }
            Some(QueryBody::Versions(())) => AnswerBody::Versions(self.cluster_versions()),
            Some(QueryBody::Dump(())) => AnswerBody::Dump(Box::new(self.dump())),
            Some(QueryBody::Report(_)) => AnswerBody::Report(rask_proto::ReportPage::default()),
            Some(QueryBody::Sample(_)) => AnswerBody::Samples(rask_proto::Samples::default()),
            Some(QueryBody::Logs(_)) => AnswerBody::Logs(rask_proto::LogLines::default()),
            Some(QueryBody::MemoryManager(wish)) => self.on_memory_manager(&wish),
            Some(QueryBody::Replicate(wish)) => {
                return self.on_replicate((client, query.id), &wish);
            }
            Some(QueryBody::Rebalance(wish)) => {
                return self.on_rebalance((client, query.id), &wish);
            }
            Some(QueryBody::TaskStream(wish)) => {
                let layers = self.gone_layers.names(&self.layers);
                AnswerBody::TaskStream(self.stream.answer(self.now, wish, &layers))
            }
            Some(QueryBody::Info(())) => AnswerBody::Info(self.info()),
            Some(QueryBody::Holders(blocks)) => AnswerBody::Holders(self.holders(client, &blocks)),
            Some(QueryBody::Processing(())) => AnswerBody::Contents(self.processing()),
            Some(QueryBody::Contents(())) => AnswerBody::Contents(self.contents()),
            Some(QueryBody::Recipe(name)) => AnswerBody::Recipe(self.recipe(&name)),
            Some(QueryBody::Restart(())) => {
                self.on_restart();
                AnswerBody::Done(())
            }
            Some(QueryBody::Retire(names)) => {
                self.on_retire(&names.names);
                AnswerBody::Done(())
            }
            Some(QueryBody::PutPlugin(plugin)) => {
                self.plugins.put(plugin);
                AnswerBody::Done(())
            }
            Some(QueryBody::RemovePlugin(name)) => AnswerBody::Plugins(self.plugins.remove(&name)),
            Some(QueryBody::Plugins(name)) => AnswerBody::Plugins(self.plugins.list(&name)),
            Some(QueryBody::RestartWorkers(names)) => {
                self.on_restart_workers(&names.names);
                AnswerBody::Done(())
            }
            Some(QueryBody::Shares(())) => AnswerBody::Shares(self.share_figures(client)),
            Some(QueryBody::Load(())) => AnswerBody::Load(self.load()),
            Some(QueryBody::Helper(_)) => {
                AnswerBody::Called(refuse("this scheduler has no helper process"))
            }
            Some(QueryBody::Shutdown(())) => {
                self.shut_down_workers("the cluster was shut down", false);
                self.out.push(Command::Stop);
                AnswerBody::Done(())
            }
        };
        let answer = Answer {
            id: query.id,
            body: Some(body),
        };
        self.out.push(Command::ToClient {
            client,
            message: ToClient::Answer(answer),
        });
    }

    pub(crate) fn info(&self) -> Info {
        let workers = self.workers.by_id.iter();
        Info {
            id: String::new(),
            workers: workers
                .map(|(id, worker)| WorkerSummary {
                    worker: id.0,
                    register: Some(worker.register.clone()),
                    heartbeat: Some(worker.heartbeat.clone()),
                    assigned: worker.assigned_count,
                    held: worker.held_count,
                    held_bytes: worker.held_bytes,
                    heard_micros: self.settings.epoch_micros + worker.heard.micros,
                })
                .collect(),
            tasks: self.tasks.len() as u64,
            clients: self.clients.by_id.len() as u32,
        }
    }

    fn holders(&self, client: ClientId, blocks: &Blocks) -> Holders {
        let mut answer = Holders {
            offsets: vec![0],
            ..Holders::default()
        };
        for (number, block) in blocks.iter() {
            let layer = self.clients.find_layer(client, number);
            let task = layer.and_then(|layer| self.find_task(layer, block));
            if let Some(id) = task {
                let holders = self.tasks.holders(id).iter().map(|worker| worker.0);
                answer.workers.extend(holders);
            }
            let nbytes = task.map_or(0, |id| self.tasks.get(id).nbytes());
            answer.nbytes.push(nbytes);
            answer.offsets.push(answer.workers.len() as u32);
        }
        answer
    }

    /// Cancels everything of everybody and replaces the worker processes.
    fn on_restart(&mut self) {
        let all: Vec<TaskId> = self.tasks.iter().map(|(id, _)| id).collect();
        for id in all {
            let wanted_by = self.tasks.wanted_by(id).to_vec();
            self.tasks.clear_wanted_by(id);
            for client in wanted_by.into_iter().filter(|client| *client != NOBODY) {
                self.tell_cancelled(client, id);
            }
            self.settle.push(id);
        }
        self.settle();
        self.log_action(&["all"], "restart-workers", Vec::new());
        self.shut_down_workers("the cluster was restarted", true);
    }

    /// Ends the processes of some workers, so that their supervisors start others.
    fn on_restart_workers(&mut self, names: &[String]) {
        let named = self.workers.by_id.iter().filter(|(_, worker)| {
            names.contains(&worker.register.name) || names.contains(&worker.register.address)
        });
        for (&worker, _) in named {
            let message = ToWorker::Shutdown(Shutdown {
                reason: "the worker was restarted".to_owned(),
                restart: true,
            });
            self.out.push(Command::ToWorker { worker, message });
        }
    }

    fn shut_down_workers(&mut self, reason: &str, restart: bool) {
        for &worker in self.workers.by_id.keys() {
            let message = ToWorker::Shutdown(Shutdown {
                reason: reason.to_owned(),
                restart,
            });
            self.out.push(Command::ToWorker { worker, message });
        }
    }
}
