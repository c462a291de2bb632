//! What clients share through the scheduler. Nothing is polled: a request that cannot be done yet
//! is answered when it can, in the order of the requests.
//!
//! * `leases`: locks and semaphores. A lease belongs to the client that asked for it, and ends with
//!   it.
//! * `events`: flags to wait for.
//! * `queues`, `variables`: items, which may refer to blocks of layers.
//! * `items`: blocks stay wanted as long as an item refers to them.

mod events;
mod items;
mod leases;
mod queues;
mod variables;

use std::collections::VecDeque;
use std::sync::Arc;

use rask_proto::{
    Answer, AnswerBody, CoordinationOp, CoordinationReply, CoordinationRequest, Outcome, ToClient,
};

use self::events::Events;
use self::items::Holds;
pub(crate) use self::items::Stored;
use self::leases::Leases;
use self::queues::Queues;
use self::variables::Variables;
use crate::HashMap;
use crate::event::{ClientId, Command};
use crate::scheduler::Scheduler;

/// A question of a client, by its number.
pub(crate) type Ticket = (ClientId, u64);

/// What is to be told whom.
#[derive(Default)]
pub(crate) struct Replies {
    pub done: Vec<(Ticket, Outcome)>,
    /// With items, which are held for the asker until it refers to their blocks by itself.
    pub items: Vec<(Ticket, Vec<Arc<Stored>>)>,
    /// Items that nothing here refers to any more.
    pub dropped: Vec<Arc<Stored>>,
}

/// Answers that a client with a broken connection may not have got.
const REMEMBERED_COUNT: usize = 64;

/// Everything that clients share.
#[derive(Default)]
pub(crate) struct Coordination {
    leases: Leases,
    events: Events,
    queues: Queues,
    variables: Variables,
    /// Published, by name.
    datasets: std::collections::BTreeMap<String, Arc<Stored>>,
    holds: Holds,
    /// The latest answers to each client, where connections may come back.
    remembered: HashMap<ClientId, VecDeque<Answer>>,
}

impl Scheduler {
    pub(crate) fn on_coordination(
        &mut self,
        client: ClientId,
        id: u64,
        mut request: CoordinationRequest,
    ) {
        let ticket = (client, id);
        let item = request.item_mut().map(std::mem::take);
        let stored = item.map(|item| self.store_item(client, item));
        let Some(op) = request.op else {
            return self.reply(ticket, CoordinationReply::of(Outcome::Missing));
        };
        let mut replies = Replies::default();
        self.do_op(ticket, op, stored, &mut replies);
        self.send_replies(replies);
    }

    fn do_op(
        &mut self,
        ticket: Ticket,
        op: CoordinationOp,
        stored: Option<Arc<Stored>>,
        replies: &mut Replies,
    ) {
        let shared = &mut self.coordination;
        match op {
            CoordinationOp::Acquire(wish) => shared.leases.acquire(ticket, wish, replies),
            CoordinationOp::Release(lease) => {
                let held = shared.leases.release((ticket.0, lease), replies);
                replies.done.push((ticket, done_or_missing(held)));
            }
            CoordinationOp::LeaseCount(name) => {
                let count = shared.leases.count(&name);
                self.reply_count(ticket, count);
            }
            CoordinationOp::EventSet(name) => {
                shared.events.set(name, replies);
                replies.done.push((ticket, Outcome::Done));
            }
            CoordinationOp::EventClear(name) => {
                shared.events.clear(&name);
                replies.done.push((ticket, Outcome::Done));
            }
            CoordinationOp::EventWait(name) => shared.events.wait(ticket, name, replies),
            CoordinationOp::EventIsSet(name) => {
                let is_set = shared.events.is_set(&name);
                replies.done.push((ticket, done_or_missing(is_set)));
            }
            CoordinationOp::QueuePut(put) => {
                if let Some(item) = stored {
                    shared
                        .queues
                        .put(ticket, put.name, put.size_max, item, replies);
                }
            }
            CoordinationOp::QueueGet(get) => {
                shared.queues.get(ticket, get.name, get.count, replies);
            }
            CoordinationOp::QueueSize(name) => {
                let count = shared.queues.len(&name);
                self.reply_count(ticket, count);
            }
            CoordinationOp::QueueDelete(name) => {
                shared.queues.delete(&name, replies);
                replies.done.push((ticket, Outcome::Done));
            }
            CoordinationOp::VariableSet(set) => {
                if let Some(item) = stored {
                    shared.variables.set(set.name, item, replies);
                    replies.done.push((ticket, Outcome::Done));
                }
            }
            CoordinationOp::VariableGet(name) => shared.variables.get(ticket, name, replies),
            CoordinationOp::VariableDelete(name) => {
                shared.variables.delete(&name, replies);
                replies.done.push((ticket, Outcome::Done));
            }
            CoordinationOp::DatasetPut(put) => {
                if let Some(item) = stored {
                    shared.put_dataset(ticket, put.name, put.replaces, item, replies);
                }
            }
            CoordinationOp::DatasetGet(name) => match shared.datasets.get(&name) {
                Some(item) => replies.items.push((ticket, vec![item.clone()])),
                None => replies.done.push((ticket, Outcome::Missing)),
            },
            CoordinationOp::DatasetDelete(name) => {
                let removed = shared.datasets.remove(&name);
                replies
                    .done
                    .push((ticket, done_or_missing(removed.is_some())));
                replies.dropped.extend(removed);
            }
            CoordinationOp::DatasetList(start) => {
                let names = shared.datasets.keys();
                let names = names.filter(|name| name.starts_with(&start)).cloned();
                let reply = CoordinationReply {
                    names: names.collect(),
                    ..CoordinationReply::default()
                };
                self.reply(ticket, reply);
            }
            CoordinationOp::Withdraw(id) => {
                let asked = (ticket.0, id);
                if shared.withdraw(asked, replies) {
                    replies.done.push((asked, Outcome::Withdrawn));
                }
                replies.done.push((ticket, Outcome::Done));
            }
            CoordinationOp::Unhold(id) => {
                let given = shared.holds.take_given((ticket.0, id));
                replies.dropped.extend(given);
                replies.done.push((ticket, Outcome::Done));
            }
        }
    }

    fn send_replies(&mut self, replies: Replies) {
        for (ticket, outcome) in replies.done {
            self.reply(ticket, CoordinationReply::of(outcome));
        }
        for (ticket, items) in replies.items {
            let reply = CoordinationReply {
                items: items.iter().map(|item| self.describe_item(item)).collect(),
                ..CoordinationReply::default()
            };
            self.hold_given(ticket, items);
            self.reply(ticket, reply);
        }
        for item in replies.dropped {
            self.drop_item(&item);
        }
    }

    fn reply_count(&mut self, ticket: Ticket, count: u64) {
        let reply = CoordinationReply {
            count,
            ..CoordinationReply::default()
        };
        self.reply(ticket, reply);
    }

    fn reply(&mut self, (client, id): Ticket, reply: CoordinationReply) {
        let answer = Answer {
            id,
            body: Some(AnswerBody::Coordinated(reply)),
        };
        if self.settings.reconnect_millis > 0 {
            let remembered = self.coordination.remembered.entry(client).or_default();
            remembered.push_back(answer.clone());
            if remembered.len() > REMEMBERED_COUNT {
                remembered.pop_front();
            }
        }
        self.out.push(Command::ToClient {
            client,
            message: ToClient::Answer(answer),
        });
    }

    /// A client is back and may not have got the latest answers.
    pub(crate) fn repeat_answers(&mut self, client: ClientId) {
        let remembered = self.coordination.remembered.get(&client);
        for answer in remembered.into_iter().flatten() {
            self.out.push(Command::ToClient {
                client,
                message: ToClient::Answer(answer.clone()),
            });
        }
    }

    /// A client has left: its leases are free, and it waits for nothing.
    pub(crate) fn end_coordination_of(&mut self, client: ClientId) {
        let mut replies = Replies::default();
        let shared = &mut self.coordination;
        shared.remembered.remove(&client);
        shared.leases.end_client(client, &mut replies);
        shared.events.end_client(client);
        shared.queues.end_client(client, &mut replies);
        shared.variables.end_client(client);
        let given = shared.holds.take_given_to(client);
        replies.dropped.extend(given);
        self.send_replies(replies);
    }
}

impl Coordination {
    /// Whether the question was waiting for something.
    fn withdraw(&mut self, asked: Ticket, replies: &mut Replies) -> bool {
        self.leases.withdraw(asked, replies)
            || self.events.withdraw(asked)
            || self.queues.withdraw(asked, replies)
            || self.variables.withdraw(asked)
    }

    fn put_dataset(
        &mut self,
        ticket: Ticket,
        name: String,
        replaces: bool,
        item: Arc<Stored>,
        replies: &mut Replies,
    ) {
        if self.datasets.contains_key(&name) && !replaces {
            replies.done.push((ticket, Outcome::Taken));
            replies.dropped.push(item);
            return;
        }
        replies.dropped.extend(self.datasets.insert(name, item));
        replies.done.push((ticket, Outcome::Done));
    }
}

fn done_or_missing(done: bool) -> Outcome {
    if done {
        Outcome::Done
    } else {
        Outcome::Missing
    }
}
