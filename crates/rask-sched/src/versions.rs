//! What the workers run on: those that run on the same are kept together, so that a client that
//! connects learns of differences without looking at each of many thousand workers.

use std::collections::BTreeSet;

use rask_proto::{ClusterVersions, Register, Version, VersionGroup};

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::topics::text;

/// Where clients are told of versions that come new.
const TOPIC: &str = "worker-versions";
/// Before the names of packages, in the fields of such an event.
const FIELD: &str = "version/";

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
    /// A worker is there. Whether it is the first that runs on this.
    fn add(&mut self, worker: WorkerId, versions: &[Version]) -> bool {
        let mut groups = self.groups.iter_mut();
        if let Some(group) = groups.find(|group| group.versions == versions) {
            group.workers.insert(worker);
            return false;
        }
        let is_kept = self.groups.len() < GROUPS_MAX;
        if is_kept {
            self.groups.push(Group {
                versions: versions.to_vec(),
                workers: [worker].into(),
            });
        }
        is_kept
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
    /// A worker has joined. What clients compare with what they run on when they connect, they are
    /// told of those that come later.
    pub(crate) fn note_versions(&mut self, worker: WorkerId, register: &Register) {
        if !self.versions.add(worker, &register.versions) || register.versions.is_empty() {
            return;
        }
        let mut fields = vec![text("worker", register.address.clone())];
        let versions = register.versions.iter();
        fields.extend(versions.map(|one| text(&format!("{FIELD}{}", one.package), &*one.version)));
        self.log_action(&[TOPIC], "new-versions", fields);
    }

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
