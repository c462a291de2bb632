//! Which versions of the protocol a peer speaks, and what it is capable of.
//!
//! How the protocol may change:
//!
//! * A field that a peer may ignore is added to a message; older peers skip fields they do not know.
//! * A message that a peer may do without gets a capability, and is sent to peers that have it.
//! * Anything else gets a new version. [`Versions::OURS`] goes on naming the oldest version that
//!   this end still speaks, so that clusters can be upgraded one process after another.

/// What a peer may be capable of, as bits. Bits that are not known here mean nothing here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Comes back with its work when a connection ends: clients with sessions, workers with what
    /// they hold.
    pub const RETURNING: Capabilities = Capabilities(1);
    /// Takes calls by name: actors, plugins, functions to run beside the graph.
    pub const CALLS: Capabilities = Capabilities(1 << 1);
    /// Takes events of workers.
    pub const EVENTS: Capabilities = Capabilities(1 << 8);
    /// Takes news of tasks that had seceded and take a thread again.
    pub const REJOINING: Capabilities = Capabilities(1 << 16);

    /// What both have.
    pub const fn and(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 & other.0)
    }

    /// What either has.
    pub const fn or(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }

    /// Whether all of `other` is among these.
    pub const fn has(self, other: Capabilities) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The range of versions that a peer speaks, and what it is capable of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub newest: u32,
    pub oldest: u32,
    pub capabilities: Capabilities,
}

impl Versions {
    /// This build's.
    pub const OURS: Versions = Versions {
        newest: 2,
        oldest: 2,
        capabilities: Capabilities::RETURNING
            .or(Capabilities::CALLS)
            .or(Capabilities::EVENTS)
            .or(Capabilities::REJOINING),
    };

    /// The newest version that both speak.
    pub fn newest_common(&self, other: &Versions) -> Option<u32> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest && newest >= other.oldest).then_some(newest)
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.newest == self.oldest {
            true => write!(f, "version {}", self.newest),
            false => write!(f, "versions {} to {}", self.oldest, self.newest),
        }
    }
}
