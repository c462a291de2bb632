//! What the workers run on: those that run on the same are kept together, so that a client that
//! connects learns of differences without looking at each of many thousand workers.

use std::collections::BTreeSet;

use rask_proto::{ClusterVersions, Version, VersionGroup};

use crate::event::WorkerId;
use crate::scheduler::Scheduler;

/// Addresses told of each group.
const EXAMPLES_MAX: usize = 10;
/// Further workers that run on something else again are not told apart.
const GROUPS_MAX: usize = 1000;

struct Group {
    versions: Vec<Version>,
    workers: BTreeSet<WorkerId>,
}

/// Workers by what they run on.
#[derive(Default)]
pub(crate) struct VersionTable {
    groups: Vec<Group>,
}

impl VersionTable {
    /// A worker is there.
    pub fn add(&mut self, worker: WorkerId, versions: &[Version]) {
        let mut groups = self.groups.iter_mut();
        if let Some(group) = groups.find(|group| group.versions == versions) {
            group.workers.insert(worker);
        } else if self.groups.len() < GROUPS_MAX {
            self.groups.push(Group {
                versions: versions.to_vec(),
                workers: [worker].into(),
            });
        }
    }

    /// A worker has left.
    pub fn remove(&mut self, worker: WorkerId) {
        let mut groups = self.groups.iter_mut();
        if let Some(at) = groups.position(|group| group.workers.remove(&worker))
            && self.groups[at].workers.is_empty()
        {
            self.groups.swap_remove(at);
        }
    }
}

impl Scheduler {
    /// What scheduler and workers run on.
    pub(crate) fn cluster_versions(&self) -> ClusterVersions {
        let groups = self.versions.groups.iter().map(|group| {
            let workers = group.workers.iter().take(EXAMPLES_MAX);
            let addresses = workers.filter_map(|worker| self.find_worker_address(*worker));
            VersionGroup {
                versions: group.versions.clone(),
                count: group.workers.len() as u64,
                addresses: addresses.map(str::to_owned).collect(),
            }
        });
        ClusterVersions {
            scheduler: self.settings.versions.clone(),
            workers: groups.collect(),
        }
    }
}
