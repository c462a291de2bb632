//! A region of an array: a range with a step along each axis.

use serde::{Deserialize, Serialize};

/// `start..stop` by `step` along one axis; `step` is at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Region {
    pub start: u64,
    pub stop: u64,
    pub step: u64,
}

impl Region {
    /// Every element of `start..stop`.
    pub fn new(start: u64, stop: u64) -> Self {
        Region {
            start,
            stop,
            step: 1,
        }
    }

    /// Every `step`th element of `start..stop`.
    pub fn with_step(start: u64, stop: u64, step: u64) -> Self {
        Region { start, stop, step }
    }

    /// How many elements there are.
    pub fn count(&self) -> u64 {
        self.stop.saturating_sub(self.start).div_ceil(self.step)
    }

    /// The shortest range without a step that has all the elements.
    pub fn covering(&self) -> Region {
        match self.count() {
            0 => Region::new(self.start, self.start),
            count => Region::new(self.start, self.start + (count - 1) * self.step + 1),
        }
    }
}

/// The shape of what a region selects.
pub fn shape_of(region: &[Region]) -> Vec<u64> {
    region.iter().map(Region::count).collect()
}

/// The smallest region without steps that covers `region`.
pub fn bounding_box(region: &[Region]) -> Vec<Region> {
    region.iter().map(Region::covering).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_python_slices() {
        assert_eq!(Region::with_step(0, 10, 3).count(), 4);
        assert_eq!(Region::with_step(1, 10, 3).count(), 3);
        assert_eq!(Region::new(5, 5).count(), 0);
        assert_eq!(Region::with_step(1, 10, 3).covering(), Region::new(1, 8));
        assert_eq!(Region::with_step(4, 4, 2).covering(), Region::new(4, 4));
    }
}
