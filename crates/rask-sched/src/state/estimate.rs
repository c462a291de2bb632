//! What is learned of bytes as tasks finish.

/// Running mean and mean deviation of a number of bytes, or of a share of bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Estimate {
    count: u32,
    mean: f32,
    deviation: f32,
}

/// The latest values count for at least this much, so that a change is followed.
const WEIGHT_MIN: f32 = 1.0 / 32.0;

impl Estimate {
    /// Learns from one more value.
    #[inline]
    pub fn learn(&mut self, value: f32) {
        self.count = self.count.saturating_add(1);
        let weight = (1.0 / self.count as f32).max(WEIGHT_MIN);
        let difference = value - self.mean;
        self.mean += difference * weight;
        if self.count > 1 {
            self.deviation += (difference.abs() - self.deviation) * weight;
        }
    }

    /// What the next value is thought not to exceed by much; `None` before the first.
    #[inline]
    pub fn find(&self) -> Option<f32> {
        (self.count > 0).then_some(self.mean + self.deviation)
    }

    /// How many values it comes from.
    pub fn count(&self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_values_are_expected_again_and_unlike_ones_with_a_margin() {
        let mut like = Estimate::default();
        assert_eq!(like.find(), None);
        (0..10).for_each(|_| like.learn(100.0));
        assert_eq!(like.find(), Some(100.0));
        let mut unlike = Estimate::default();
        (0..100).for_each(|at| unlike.learn(if at % 2 == 0 { 50.0 } else { 150.0 }));
        let expected = unlike.find().unwrap();
        assert!((120.0..180.0).contains(&expected), "{expected}");
    }

    #[test]
    fn a_change_is_followed() {
        let mut estimate = Estimate::default();
        (0..1000).for_each(|_| estimate.learn(100.0));
        (0..200).for_each(|_| estimate.learn(1000.0));
        assert!(estimate.find().unwrap() > 900.0);
    }
}
