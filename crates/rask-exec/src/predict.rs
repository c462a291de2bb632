//! What tasks of a group are expected to take, learned as they finish.

/// Running means of one group of tasks.
#[derive(Clone, Copy, Debug, Default)]
struct Means {
    count: u32,
    nbytes: f64,
    nanos: f64,
}

/// Means of all groups.
#[derive(Debug, Default)]
pub(crate) struct Predictor {
    groups: Vec<Means>,
}

/// After this many tasks a mean follows the latest ones with this weight's inverse.
const MEMORY_OF_MEAN: u32 = 32;

impl Predictor {
    pub(crate) fn learn(&mut self, group: u32, nbytes: u64, nanos: u64) {
        let index = group as usize;
        if index >= self.groups.len() {
            self.groups.resize(index + 1, Means::default());
        }
        let means = &mut self.groups[index];
        means.count = (means.count + 1).min(MEMORY_OF_MEAN);
        let weight = 1.0 / f64::from(means.count);
        means.nbytes += (nbytes as f64 - means.nbytes) * weight;
        means.nanos += (nanos as f64 - means.nanos) * weight;
    }

    fn find(&self, group: u32) -> Option<&Means> {
        self.groups.get(group as usize).filter(|m| m.count > 0)
    }

    /// Mean bytes of the values of this group so far.
    pub(crate) fn find_nbytes(&self, group: u32) -> Option<u64> {
        self.find(group).map(|means| means.nbytes as u64)
    }

    /// Mean time of the tasks of this group so far, in nanoseconds.
    pub(crate) fn find_nanos(&self, group: u32) -> Option<u64> {
        self.find(group).map(|means| means.nanos as u64)
    }
}
