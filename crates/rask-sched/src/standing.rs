//! What a submission means for its tasks: whom they are counted for, when they are run, and on what
//! terms. Layers may have terms of their own.

use std::sync::Arc;

use rask_proto::{LayerOptions, LayerSpec, Resource, Submit};

use crate::event::ClientId;
use crate::scheduler::Scheduler;
use crate::state::{Layer, Restriction, ShareId, VariedRestrictions};

/// Tasks that submit tasks that do so and so on, as deep as this, go before the first submission.
const SUBMISSIONS_BEFORE: u64 = 1 << 16;
const SUBMISSION_MAX: u64 = 0xFF_FFFF;
const RANK_BITS: u32 = 32;
const USER_SHIFT: u32 = 56;

/// Whose a submission's tasks are, and where in the order of all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub share: ShareId,
    submission: u64,
    /// What the user's priorities are added to.
    user: i32,
}

impl Standing {
    /// The least of the priorities of tasks with this priority of the user: higher ones of these
    /// first, then earlier submissions, then the order of the graph.
    pub fn base_priority(&self, user: i32) -> u64 {
        let user = i64::from(self.user) + i64::from(user);
        let user = (-user).clamp(-128, 127) + 128;
        ((user as u64) << USER_SHIFT) | ((self.submission & SUBMISSION_MAX) << RANK_BITS)
    }
}

impl Scheduler {
    /// Of a new submission. What a task submits is counted as the task is. It may wait for it, so
    /// that what it was itself submitted with goes after.
    pub(crate) fn decide_standing(&mut self, client: ClientId, submit: &Submit) -> Standing {
        self.submission_count += 1;
        let submitter = submit.submitted_by.as_ref();
        let submitter = submitter.and_then(|task| self.find_task(task.layer, task.block));
        match submitter.map(|id| self.tasks.get(id)) {
            Some(task) => {
                let submission = (task.priority >> RANK_BITS) & SUBMISSION_MAX;
                Standing {
                    share: task.share,
                    submission: submission.saturating_sub(1),
                    user: 128 - (task.priority >> USER_SHIFT) as i32,
                }
            }
            None => Standing {
                share: self.clients.share_of(client),
                submission: SUBMISSIONS_BEFORE + self.submission_count,
                user: 0,
            },
        }
    }
}

/// On what terms the tasks of a layer are run.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub priority: i32,
    pub retries: u8,
    pub restriction: Option<Arc<Restriction>>,
    pub timeout_millis: u32,
    pub retry_millis: u32,
    pub retry_millis_max: u32,
}

impl Terms {
    /// Those of a submission, as far as layers have none of their own.
    pub fn of(submit: &Submit) -> Terms {
        let restriction = restrict(
            &submit.workers,
            submit.allow_other_workers,
            &submit.resources,
        );
        Terms {
            priority: submit.priority,
            retries: submit.retries.min(u32::from(u8::MAX)) as u8,
            restriction,
            timeout_millis: submit.timeout_millis,
            retry_millis: submit.retry_millis,
            retry_millis_max: submit.retry_millis_max,
        }
    }

    /// Those of one of its layers.
    pub fn of_layer(&self, submit: &Submit, spec: &LayerSpec) -> Terms {
        match &spec.options {
            Some(own) => self.changed_by(submit, own),
            None => self.clone(),
        }
    }

    /// Those that the blocks of one of its layers have, where they differ.
    pub fn of_blocks(&self, submit: &Submit, spec: &LayerSpec) -> Vec<Terms> {
        let varied = spec.varied.iter().flat_map(|varied| &varied.options);
        varied.map(|own| self.changed_by(submit, own)).collect()
    }

    fn changed_by(&self, submit: &Submit, own: &LayerOptions) -> Terms {
        let (workers, allow_other_workers) = match own.workers.is_empty() {
            true => (&submit.workers, submit.allow_other_workers),
            false => (&own.workers, own.allow_other_workers),
        };
        let resources = match own.resources.is_empty() {
            true => &submit.resources,
            false => &own.resources,
        };
        let retries = own
            .retries
            .map(|retries| retries.min(u32::from(u8::MAX)) as u8);
        Terms {
            priority: own.priority.unwrap_or(self.priority),
            retries: retries.unwrap_or(self.retries),
            restriction: restrict(workers, allow_other_workers, resources),
            timeout_millis: own.timeout_millis.unwrap_or(self.timeout_millis),
            retry_millis: own.retry_millis.unwrap_or(self.retry_millis),
            retry_millis_max: own.retry_millis_max.unwrap_or(self.retry_millis_max),
        }
    }
}

impl Layer {
    /// Its blocks have different terms, if the submission says so.
    pub(crate) fn restrict_blocks(&mut self, spec: &LayerSpec, kinds: Vec<Terms>) {
        let (Some(varied), Some(first)) = (&spec.varied, kinds.first()) else {
            return;
        };
        if kinds
            .iter()
            .all(|kind| kind.restriction == first.restriction)
        {
            self.restriction.clone_from(&first.restriction);
            return;
        }
        self.varied = Some(Box::new(VariedRestrictions {
            kinds: kinds.into_iter().map(|kind| kind.restriction).collect(),
            of_blocks: varied.of_blocks.clone(),
        }));
    }
}

fn restrict(
    workers: &[String],
    allow_other_workers: bool,
    resources: &[Resource],
) -> Option<Arc<Restriction>> {
    if workers.is_empty() && resources.is_empty() {
        return None;
    }
    let resources = resources.iter();
    Some(Arc::new(Restriction {
        workers: workers.to_vec(),
        allow_other_workers,
        resources: resources.map(|r| (r.name.clone(), r.amount)).collect(),
    }))
}
