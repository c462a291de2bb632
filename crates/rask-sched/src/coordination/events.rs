//! Flags to wait for.

use rask_proto::Outcome;

use super::{Replies, Ticket};
use crate::event::ClientId;
use crate::{HashMap, HashSet};

/// Events that are set, and who waits for which.
#[derive(Default)]
pub(crate) struct Events {
    set: HashSet<String>,
    waiting: HashMap<String, Vec<Ticket>>,
}

impl Events {
    pub fn set(&mut self, name: String, replies: &mut Replies) {
        let waiting = self.waiting.remove(&name).unwrap_or_default();
        let done = waiting.into_iter().map(|ticket| (ticket, Outcome::Done));
        replies.done.extend(done);
        self.set.insert(name);
    }

    pub fn clear(&mut self, name: &str) {
        self.set.remove(name);
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.set.contains(name)
    }

    pub fn wait(&mut self, ticket: Ticket, name: String, replies: &mut Replies) {
        if self.is_set(&name) {
            replies.done.push((ticket, Outcome::Done));
        } else {
            self.waiting.entry(name).or_default().push(ticket);
        }
    }

    /// Whether the question was waiting.
    pub fn withdraw(&mut self, asked: Ticket) -> bool {
        let mut found = false;
        self.waiting.retain(|_, tickets| {
            tickets.retain(|ticket| {
                found |= *ticket == asked;
                *ticket != asked
            });
            !tickets.is_empty()
        });
        found
    }

    pub fn end_client(&mut self, client: ClientId) {
        self.waiting.retain(|_, tickets| {
            tickets.retain(|ticket| ticket.0 != client);
            !tickets.is_empty()
        });
    }
}
