//! Partitions on their way through a sort: each is known by some of its keys until the borders of the
//! sorted partitions are, and is cut at these then.
//!
//! What has to go to disk meanwhile goes there in sorted order. The parts are then runs of its rows,
//! which are found where they lie: no row is written a second time.

use std::sync::Arc;

use bytes::Bytes;
use rask_value::{
    CodecError, Encoded, PartIndex, PartKinds, PartPlace, PartsEncoder, TaskError, Value, ValueRef,
    codec,
};

use crate::engine::sort::{self, SortSpec};
use crate::engine::{self, Division, Result, Table};

const KINDS: PartKinds = PartKinds {
    whole: "table-run",
    part: engine::KIND,
};

/// The part of a run that is its sample.
const SAMPLE: u32 = 0;
const ROWS: u32 = 1;

/// A partition that is to be sorted with others.
#[derive(Debug)]
pub struct Run {
    table: Table,
    /// Some of its keys, as [`sort::sample`] picks them.
    sample: Table,
    /// The order in which it is to be; `None` if it is in order.
    order: Option<SortSpec>,
}

/// Makes runs decodable in this process.
pub(crate) fn register() {
    codec::register_value(KINDS.whole, |frames| {
        let index = PartIndex::read(KINDS, &frames.header)?;
        let parts = index.decode_all(&frames.buffers, engine::decode)?;
        let Ok([(SAMPLE, sample), (ROWS, table)]) = <[_; 2]>::try_from(parts) else {
            return Err(KINDS.malformed("not a sample and rows"));
        };
        Ok(Arc::new(Run {
            table,
            sample,
            order: None,
        }) as ValueRef)
    });
    codec::register_parts(KINDS.whole, find_part);
}

fn find_part(header: &Bytes, number: u32) -> std::result::Result<PartPlace, CodecError> {
    PartIndex::read(KINDS, header)?.find(number)
}

impl Run {
    /// A partition of a table to be sorted; about `sampled` of its keys will be looked at.
    pub fn new(table: Table, spec: &SortSpec, sampled: usize) -> Result<Self> {
        Ok(Run {
            sample: sort::sample(&table, spec, sampled)?,
            table,
            order: Some(spec.clone()),
        })
    }

    /// The rows of each of `parts` sorted partitions.
    pub fn cut(&self, spec: &SortSpec, borders: &Table, parts: usize) -> Result<Division> {
        let cut = match self.order {
            Some(_) => sort::by_boundaries,
            None => sort::by_boundaries_in_order,
        };
        cut(self.table.clone(), spec, borders, parts)
    }
}

/// The sample of a run, of all of it or of the sample alone.
pub(crate) fn sample_of(value: &ValueRef) -> std::result::Result<Table, TaskError> {
    match value.downcast_ref::<Run>() {
        Some(run) => Ok(run.sample.clone()),
        None => crate::op::table_of(value),
    }
}

impl Value for Run {
    fn nbytes(&self) -> u64 {
        self.table.nbytes() + self.sample.nbytes()
    }

    fn type_name(&self) -> String {
        "table to be sorted".into()
    }

    fn encode(&self) -> std::result::Result<Encoded, CodecError> {
        let table = match &self.order {
            None => self.table.clone(),
            Some(spec) => {
                sort::sort(&self.table, spec).map_err(|error| CodecError::NotSerialisable {
                    what: self.type_name(),
                    reason: error.to_string(),
                })?
            }
        };
        let mut parts = PartsEncoder::new(2);
        for (number, table) in [(SAMPLE, &self.sample), (ROWS, &table)] {
            let frames = table.encode()?.frames;
            parts.add(number, &[&frames.header], frames.buffers);
        }
        Ok(parts.finish(KINDS.whole))
    }

    fn has_windows(&self) -> bool {
        true
    }

    fn part(&self, number: u32) -> Option<ValueRef> {
        (number == SAMPLE).then(|| Arc::new(self.sample.clone()) as ValueRef)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Column, Index, Label, Piece};

    fn table(len: i64) -> Table {
        let keys = (0..len).map(|i| i * 7919 % 1000 / 3).collect();
        let texts = (0..len).map(|i| (i % 5 > 0).then_some("text"));
        let columns = vec![
            (Label::from("x"), Column::from_i64(keys)),
            (Label::from("t"), Column::from_texts(texts)),
        ];
        Table::new(columns, Index::default_range(), len as usize).unwrap()
    }

    #[test]
    fn a_run_is_cut_alike_where_it_is_and_where_it_was_written() {
        register();
        engine::register();
        let spec = SortSpec::by(&["x".into()]);
        for len in [0, 1, 50, 2000] {
            let run = Run::new(table(len), &spec, 40).unwrap();
            let value: ValueRef = Arc::new(run);
            let encoded = value.encode().unwrap();
            let place = codec::find_part(KINDS.whole, &encoded.frames.header, SAMPLE).unwrap();
            let alone = place.unwrap().take(&encoded.frames.buffers).unwrap();
            let alone = sample_of(&codec::decode_value(&alone).unwrap()).unwrap();
            let read = codec::decode_value(&encoded).unwrap();
            let samples = [
                sample_of(&value).unwrap(),
                sample_of(&value.part(SAMPLE).unwrap()).unwrap(),
                sample_of(&read).unwrap(),
                alone,
            ];
            for sample in &samples {
                assert_eq!(format!("{sample:?}"), format!("{:?}", samples[0]));
            }
            let borders = sort::boundaries(&[&samples[0]], &spec, 7).unwrap();
            let cut = |value: &ValueRef| {
                let run = value.downcast_ref::<Run>().unwrap();
                run.cut(&spec, &borders, 8).unwrap()
            };
            let (here, written) = (cut(&value), cut(&read));
            for part in 0..8 {
                let parts = [&here, &written].map(|division| division.part(part).unwrap());
                let [here, written] = parts.map(|part: Piece| {
                    let sorted = sort::sort(&part.to_table(), &spec).unwrap();
                    // A range is what labels are that follow each other.
                    let labels = sorted.index_column(0).unwrap();
                    format!("{:?} {labels:?}", sorted.columns())
                });
                assert_eq!(here, written, "part {part} of {len} rows");
            }
        }
    }

    #[test]
    fn no_header_makes_it_panic() {
        register();
        engine::register();
        crate::parts::register();
        let spec = SortSpec::by(&["x".into()]);
        let table = table(30).drop(&["t".into()]).unwrap();
        let run = Run::new(table.clone(), &spec, 4).unwrap().encode().unwrap();
        let division = Division::new(table.take(&(0..30).collect::<Vec<_>>()), &[1; 30], 2);
        let division = Encoded {
            kind: engine::DIVISION_KIND.into(),
            frames: division.encode_in_place().unwrap(),
        };
        for encoded in [run, division] {
            let header = encoded.frames.header.to_vec();
            let flips = [0x01, 0x10, 0x80, 0xFF];
            for (at, flip) in (0..header.len()).flat_map(|at| flips.map(|flip| (at, flip))) {
                let mut broken = encoded.clone();
                let mut bytes = header.clone();
                bytes[at] ^= flip;
                broken.frames.header = bytes.into();
                if let Ok(value) = codec::decode_value(&broken) {
                    value.nbytes();
                    let _ = value.encode();
                }
            }
        }
    }

    #[test]
    fn what_is_no_run_is_an_error() {
        register();
        engine::register();
        let spec = SortSpec::by(&["x".into()]);
        let mut encoded = Run::new(table(20), &spec, 4).unwrap().encode().unwrap();
        encoded.frames.buffers.pop();
        assert!(codec::decode_value(&encoded).is_err());
        let one = table(3).encode().unwrap().frames;
        let mut parts = PartsEncoder::new(1);
        parts.add(SAMPLE, &[&one.header], one.buffers);
        assert!(codec::decode_value(&parts.finish(KINDS.whole)).is_err());
    }
}
