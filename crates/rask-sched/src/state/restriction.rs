//! Where tasks of a submission may run, and what they take.

use super::Worker;

/// Restrictions of a submission, shared by its layers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Restriction {
    /// Names, addresses or hosts; any worker if empty.
    pub workers: Vec<String>,
    pub allow_other_workers: bool,
    /// Amounts taken while a task runs.
    pub resources: Vec<(String, f64)>,
}

impl Restriction {
    /// Whether `worker` is one of those named, and has the resources at all.
    pub fn allows(&self, worker: &Worker) -> bool {
        self.names(worker) && self.has_resources(worker)
    }

    /// Whether `worker` has what a task takes, other tasks aside.
    pub fn has_resources(&self, worker: &Worker) -> bool {
        self.resources
            .iter()
            .all(|(name, amount)| worker.resource_total(name) >= *amount)
    }

    fn names(&self, worker: &Worker) -> bool {
        self.workers.is_empty()
            || self.workers.iter().any(|wanted| {
                let register = &worker.register;
                *wanted == register.name
                    || *wanted == register.address
                    || Some(wanted.as_str()) == worker.host()
                    || register.address.ends_with(&format!("//{wanted}"))
            })
    }
}
