//! Variables: one item each, by name.

use std::sync::Arc;

use rask_proto::Outcome;

use super::{Replies, Stored, Ticket};
use crate::HashMap;
use crate::event::ClientId;

/// All variables.
#[derive(Default)]
pub(crate) struct Variables {
    values: HashMap<String, Arc<Stored>>,
    waiting: HashMap<String, Vec<Ticket>>,
}

impl Variables {
    pub fn set(&mut self, name: String, item: Arc<Stored>, replies: &mut Replies) {
        for ticket in self.waiting.remove(&name).unwrap_or_default() {
            replies.items.push((ticket, vec![item.clone()]));
        }
        replies.dropped.extend(self.values.insert(name, item));
    }

    pub fn get(&mut self, ticket: Ticket, name: String, replies: &mut Replies) {
        match self.values.get(&name) {
            Some(item) => replies.items.push((ticket, vec![item.clone()])),
            None => self.waiting.entry(name).or_default().push(ticket),
        }
    }

    /// Those who wait for it are told that it is withdrawn.
    pub fn delete(&mut self, name: &str, replies: &mut Replies) {
        replies.dropped.extend(self.values.remove(name));
        let waiting = self.waiting.remove(name).unwrap_or_default();
        let withdrawn = waiting.into_iter();
        replies
            .done
            .extend(withdrawn.map(|ticket| (ticket, Outcome::Withdrawn)));
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
