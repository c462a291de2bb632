//! Central moments of groups: computed in two passes, merged by the formulas of Chan, Golub and
//! LeVeque (1979) and, for the third and fourth, of Pébay (SAND2008-6212).

use arrow_array::types::{Float64Type, Int64Type};

use super::Grouping;
use super::fold::sums_and_counts;
use crate::engine::{Column, DType, Result};

/// The moments of one group: count, mean, and sums of powers of deviations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) count: i64,
    pub(super) mean: f64,
    pub(super) m2: f64,
    pub(super) m3: f64,
    pub(super) m4: f64,
}

impl Moments {
    pub(super) fn merge(&mut self, other: &Moments) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let n = a + b;
        let delta = other.mean - self.mean;
        let m2 = self.m2 + other.m2 + delta * delta * a * b / n;
        let m3 = self.m3
            + other.m3
            + delta.powi(3) * a * b * (a - b) / (n * n)
            + 3.0 * delta * (a * other.m2 - b * self.m2) / n;
        let m4 = self.m4
            + other.m4
            + delta.powi(4) * a * b * (a * a - a * b + b * b) / n.powi(3)
            + 6.0 * delta * delta * (a * a * other.m2 + b * b * self.m2) / (n * n)
            + 4.0 * delta * (a * other.m3 - b * self.m3) / n;
        *self = Moments {
            count: self.count + other.count,
            mean: self.mean + delta * b / n,
            m2,
            m3,
            m4,
        };
    }
}

/// Moments of the values of each group up to the fourth (up to the second if `!is_high`).
pub(super) fn moments(input: &Column, grouping: &Grouping, is_high: bool) -> Result<Vec<Moments>> {
    let floats = input.cast(&DType::FLOAT64)?;
    let (sums, counts) = sums_and_counts(&floats, grouping)?;
    let start = |(sum, count): (f64, i64)| Moments {
        count,
        mean: if count > 0 { sum / count as f64 } else { 0.0 },
        ..Moments::default()
    };
    let mut out: Vec<Moments> = sums.into_iter().zip(counts).map(start).collect();
    out.push(Moments::default());
    for (row, value) in floats.values::<Float64Type>().iter().enumerate() {
        let id = match grouping {
            Grouping::Single => 0,
            Grouping::Many { ids, .. } => ids[row] as usize,
        };
        let moments = &mut out[id];
        let deviation = if value.is_nan() {
            0.0
        } else {
            value - moments.mean
        };
        let square = deviation * deviation;
        moments.m2 += square;
        if is_high {
            moments.m3 += square * deviation;
            moments.m4 += square * square;
        }
    }
    out.truncate(grouping.count());
    Ok(out)
}

pub(super) fn to_columns(moments: &[Moments], is_high: bool) -> Vec<Column> {
    let floats = |f: fn(&Moments) -> f64| Column::from_f64(moments.iter().map(f).collect());
    let mut columns = vec![
        Column::from_i64(moments.iter().map(|m| m.count).collect()),
        floats(|m| m.mean),
        floats(|m| m.m2),
    ];
    if is_high {
        columns.push(floats(|m| m.m3));
        columns.push(floats(|m| m.m4));
    }
    columns
}

pub(super) fn from_columns(columns: &[&Column]) -> Vec<Moments> {
    let counts = columns[0].values::<Int64Type>();
    let float = |i: usize, row: usize| match columns.get(i) {
        Some(column) => column.values::<Float64Type>()[row],
        None => 0.0,
    };
    (0..counts.len())
        .map(|row| Moments {
            count: counts[row],
            mean: float(1, row),
            m2: float(2, row),
            m3: float(3, row),
            m4: float(4, row),
        })
        .collect()
}

pub(super) fn merge(columns: &[Column], grouping: &Grouping) -> Vec<Column> {
    let rows = from_columns(&columns.iter().collect::<Vec<_>>());
    let mut out = vec![Moments::default(); grouping.count() + 1];
    for (row, moments) in rows.iter().enumerate() {
        let id = match grouping {
            Grouping::Single => 0,
            Grouping::Many { ids, .. } => ids[row] as usize,
        };
        out[id].merge(moments);
    }
    out.truncate(grouping.count());
    to_columns(&out, columns.len() > 3)
}
