//! Locks and semaphores: at most so many leases of a name at a time.

use std::collections::{BTreeMap, VecDeque};

use rask_proto::{Acquire, Outcome};

use super::{Replies, Ticket};
use crate::event::ClientId;
use crate::{HashMap, HashSet};

/// Leases granted, and who waits for one.
#[derive(Default)]
pub(crate) struct Leases {
    /// Names with leases, and how many there are.
    counts: HashMap<String, u64>,
    /// By the question that asked for it.
    granted: BTreeMap<Ticket, Vec<String>>,
    waiting: VecDeque<(Ticket, Acquire)>,
}

impl Leases {
    /// Grants leases, or has the asker wait.
    pub fn acquire(&mut self, ticket: Ticket, wish: Acquire, replies: &mut Replies) {
        let is_first = self.waiting.is_empty() || !self.is_awaited(&wish);
        if is_first && self.try_grant(ticket, &wish) {
            replies.done.push((ticket, Outcome::Done));
        } else if wish.at_once {
            replies.done.push((ticket, Outcome::Taken));
        } else {
            self.waiting.push_back((ticket, wish));
        }
    }

    /// Ends a lease; whether there was one.
    pub fn release(&mut self, ticket: Ticket, replies: &mut Replies) -> bool {
        let Some(names) = self.granted.remove(&ticket) else {
            return false;
        };
        for name in names {
            if let Some(count) = self.counts.get_mut(&name) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&name);
                }
            }
        }
        self.grant_waiting(replies);
        true
    }

    /// How many leases of a name are granted.
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Whether the question was waiting.
    pub fn withdraw(&mut self, ticket: Ticket, replies: &mut Replies) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(waiting, _)| *waiting != ticket);
        let withdrawn = self.waiting.len() < before;
        if withdrawn {
            self.grant_waiting(replies);
        }
        withdrawn
    }

    pub fn end_client(&mut self, client: ClientId, replies: &mut Replies) {
        self.waiting.retain(|(ticket, _)| ticket.0 != client);
        let held = self.granted.range((client, 0)..=(client, u64::MAX));
        let held: Vec<Ticket> = held.map(|(ticket, _)| *ticket).collect();
        for ticket in held {
            self.release(ticket, replies);
        }
        self.grant_waiting(replies);
    }

    /// Whether somebody waits for one of the names already.
    fn is_awaited(&self, wish: &Acquire) -> bool {
        let mut names = self.waiting.iter().flat_map(|(_, other)| &other.names);
        names.any(|name| wish.names.contains(name))
    }

    /// Grants what can be granted, in order: a name that somebody waits for is not given to one who
    /// came later.
    fn grant_waiting(&mut self, replies: &mut Replies) {
        let mut awaited: HashSet<String> = HashSet::default();
        for (ticket, wish) in std::mem::take(&mut self.waiting) {
            let is_first = !wish.names.iter().any(|name| awaited.contains(name));
            if is_first && self.try_grant(ticket, &wish) {
                replies.done.push((ticket, Outcome::Done));
            } else {
                awaited.extend(wish.names.iter().cloned());
                self.waiting.push_back((ticket, wish));
            }
        }
    }

    fn try_grant(&mut self, ticket: Ticket, wish: &Acquire) -> bool {
        let limit = u64::from(wish.limit.max(1));
        let free = wish.names.iter().filter(|name| self.count(name) < limit);
        let needed = wish.needed.clamp(1, wish.names.len().max(1) as u32) as usize;
        let names: Vec<String> = free.take(needed).cloned().collect();
        if names.len() < needed {
            return false;
        }
        for name in &names {
            *self.counts.entry(name.clone()).or_insert(0) += 1;
        }
        self.granted.insert(ticket, names);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(names: &[&str], limit: u32) -> Acquire {
        Acquire {
            names: names.iter().map(|name| name.to_string()).collect(),
            needed: names.len() as u32,
            limit,
            at_once: false,
        }
    }

    fn granted(replies: &mut Replies) -> Vec<u64> {
        let done = std::mem::take(&mut replies.done);
        done.into_iter().map(|((_, id), _)| id).collect()
    }

    #[test]
    fn who_waits_is_served_in_order() {
        let (mut leases, mut replies) = (Leases::default(), Replies::default());
        let client = ClientId(1);
        for id in 1..=4 {
            leases.acquire((client, id), wish(&["x"], 1), &mut replies);
        }
        assert_eq!(granted(&mut replies), [1]);
        leases.withdraw((client, 3), &mut replies);
        for id in [1, 2] {
            assert!(leases.release((client, id), &mut replies));
        }
        assert_eq!(granted(&mut replies), [2, 4]);
        assert!(!leases.release((client, 3), &mut replies));
    }

    #[test]
    fn a_name_that_is_waited_for_is_not_given_to_one_who_came_later() {
        let (mut leases, mut replies) = (Leases::default(), Replies::default());
        let client = ClientId(1);
        leases.acquire((client, 1), wish(&["a"], 1), &mut replies);
        leases.acquire((client, 2), wish(&["a", "b"], 1), &mut replies);
        leases.acquire((client, 3), wish(&["b"], 1), &mut replies);
        assert_eq!(granted(&mut replies), [1]);
        leases.release((client, 1), &mut replies);
        assert_eq!(granted(&mut replies), [2]);
        leases.end_client(client, &mut replies);
        assert!(leases.counts.is_empty() && leases.waiting.is_empty());
    }

    #[test]
    fn leases_end_with_their_client() {
        let (mut leases, mut replies) = (Leases::default(), Replies::default());
        leases.acquire((ClientId(1), 1), wish(&["x"], 2), &mut replies);
        leases.acquire((ClientId(1), 2), wish(&["x"], 2), &mut replies);
        leases.acquire((ClientId(2), 7), wish(&["x"], 2), &mut replies);
        assert_eq!(granted(&mut replies), [1, 2]);
        leases.end_client(ClientId(1), &mut replies);
        assert_eq!(granted(&mut replies), [7]);
        assert_eq!(leases.count("x"), 1);
    }
}
