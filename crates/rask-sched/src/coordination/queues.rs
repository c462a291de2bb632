//! Queues of items, by name.

use std::collections::VecDeque;
use std::sync::Arc;

use rask_proto::Outcome;

use super::{Replies, Stored, Ticket};
use crate::HashMap;
use crate::event::ClientId;

/// All queues.
#[derive(Default)]
pub(crate) struct Queues {
    by_name: HashMap<String, Queue>,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Arc<Stored>>,
    /// Items at most; 0 is without limit. Set by the first who sets it.
    size_max: u32,
    putting: VecDeque<(Ticket, Arc<Stored>)>,
    /// How many items each waits for.
    getting: VecDeque<(Ticket, usize)>,
}

impl Queues {
    pub fn put(
        &mut self,
        ticket: Ticket,
        name: String,
        size_max: u32,
        item: Arc<Stored>,
        replies: &mut Replies,
    ) {
        let queue = self.by_name.entry(name).or_default();
        if queue.size_max == 0 {
            queue.size_max = size_max;
        }
        queue.putting.push_back((ticket, item));
        queue.advance(replies);
    }

    pub fn get(&mut self, ticket: Ticket, name: String, count: u32, replies: &mut Replies) {
        let queue = self.by_name.entry(name).or_default();
        if count == 0 {
            let items: Vec<_> = queue.items.drain(..).collect();
            replies.dropped.extend(items.iter().cloned());
            replies.items.push((ticket, items));
        } else {
            queue.getting.push_back((ticket, count as usize));
        }
        queue.advance(replies);
        self.forget_unused();
    }

    pub fn len(&self, name: &str) -> u64 {
        self.by_name
            .get(name)
            .map_or(0, |queue| queue.items.len() as u64)
    }

    /// Those who wait to put or get are told that it is withdrawn.
    pub fn delete(&mut self, name: &str, replies: &mut Replies) {
        let Some(queue) = self.by_name.remove(name) else {
            return;
        };
        replies.dropped.extend(queue.items);
        for (ticket, item) in queue.putting {
            replies.done.push((ticket, Outcome::Withdrawn));
            replies.dropped.push(item);
        }
        let getting = queue.getting.into_iter();
        let withdrawn = getting.map(|(ticket, _)| (ticket, Outcome::Withdrawn));
        replies.done.extend(withdrawn);
    }

    /// Whether the question was waiting.
    pub fn withdraw(&mut self, asked: Ticket, replies: &mut Replies) -> bool {
        self.remove_waiting(replies, |ticket| ticket == asked)
    }

    pub fn end_client(&mut self, client: ClientId, replies: &mut Replies) {
        self.remove_waiting(replies, |ticket| ticket.0 == client);
    }

    fn remove_waiting(&mut self, replies: &mut Replies, goes: impl Fn(Ticket) -> bool) -> bool {
        let mut found = false;
        for queue in self.by_name.values_mut() {
            let before = queue.putting.len() + queue.getting.len();
            queue.putting.retain(|(ticket, item)| {
                let stays = !goes(*ticket);
                if !stays {
                    replies.dropped.push(item.clone());
                }
                stays
            });
            queue.getting.retain(|(ticket, _)| !goes(*ticket));
            if queue.putting.len() + queue.getting.len() < before {
                found = true;
                queue.advance(replies);
            }
        }
        self.forget_unused();
        found
    }

    fn forget_unused(&mut self) {
        self.by_name.retain(|_, queue| {
            let waiting = queue.putting.len() + queue.getting.len();
            queue.size_max > 0 || waiting + queue.items.len() > 0
        });
    }
}

impl Queue {
    /// Lets those put who have room, and those get for whom there is enough, until nothing moves.
    fn advance(&mut self, replies: &mut Replies) {
        loop {
            let has_room = self.size_max == 0 || self.items.len() < self.size_max as usize;
            if has_room && let Some((ticket, item)) = self.putting.pop_front() {
                self.items.push_back(item);
                replies.done.push((ticket, Outcome::Done));
                continue;
            }
            match self.getting.front() {
                Some(&(ticket, count)) if self.items.len() >= count => {
                    self.getting.pop_front();
                    let items: Vec<_> = self.items.drain(..count).collect();
                    replies.dropped.extend(items.iter().cloned());
                    replies.items.push((ticket, items));
                }
                _ => return,
            }
        }
    }
}
