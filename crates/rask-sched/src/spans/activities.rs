//! What tasks do with their time, by span and operation, as workers tell with their heartbeats.
//! Bounded like groups: a span with very many operations keeps further ones together.

use std::collections::BTreeMap;

use rask_proto::{LayerActivity, SpanActivity};

use super::{GROUPS_MAX, GROUPS_TOTAL_MAX, OTHERS, Span, Spans};

/// What is told apart, with Dask's words for it where Dask has any.
const ACTIVITIES: [&str; 4] = ["thread-cpu", "thread-noncpu", "wait", "deserialize"];

/// Microseconds of each of `ACTIVITIES`, by operation.
#[derive(Debug, Default)]
pub(super) struct Activities {
    by_operation: BTreeMap<String, [u64; ACTIVITIES.len()]>,
}

impl Activities {
    /// How many operations are told apart.
    pub fn len(&self) -> usize {
        self.by_operation.len()
    }

    fn add(&mut self, activity: LayerActivity, operations_max: usize) {
        let micros = [
            activity.cpu_micros,
            activity.noncpu_micros,
            activity.waited_micros,
            activity.decode_micros,
        ];
        let is_known = self.by_operation.contains_key(&activity.operation);
        let operation = match is_known || self.by_operation.len() < operations_max {
            true => activity.operation,
            false => OTHERS.to_owned(),
        };
        let known = self.by_operation.entry(operation).or_default();
        for (known, micros) in known.iter_mut().zip(micros) {
            *known = known.saturating_add(micros);
        }
    }

    /// In seconds; nothing of what has not happened.
    pub fn describe(&self) -> Vec<SpanActivity> {
        let told = self.by_operation.iter().flat_map(|(operation, micros)| {
            let named = ACTIVITIES.iter().zip(micros);
            named
                .filter(|(_, micros)| **micros > 0)
                .map(|(activity, &micros)| SpanActivity {
                    operation: operation.clone(),
                    activity: (*activity).to_owned(),
                    unit: "seconds".to_owned(),
                    amount: micros as f64 / 1e6,
                })
        });
        told.collect()
    }
}

impl Spans {
    /// A worker says what tasks did with their time.
    pub fn note_activities(&mut self, told: Vec<LayerActivity>) {
        for activity in told {
            let number = match activity.span.is_empty() {
                true => self.default.map(|(number, _)| number),
                false => self.by_id.get(&activity.span).copied(),
            };
            let span = number.and_then(|number| self.by_number.get_mut(&number));
            let Some(Span { activities, .. }) = span else {
                continue;
            };
            let operations_max = match self.operation_count < GROUPS_TOTAL_MAX {
                true => GROUPS_MAX,
                false => 0,
            };
            let before = activities.len();
            activities.add(activity, operations_max);
            self.operation_count += activities.len() - before;
        }
    }

    pub(super) fn check_activities(&self) -> Result<(), String> {
        let spans = self.by_number.values();
        let count: usize = spans.map(|span| span.activities.len()).sum();
        match count == self.operation_count {
            true => Ok(()),
            false => Err("operation_count of the spans is wrong".to_owned()),
        }
    }
}
