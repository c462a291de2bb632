//! The engine against naive references, on generated tables.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rask_frame::engine::groupby::{AggFunction, Aggregation, GroupbySpec};
use rask_frame::engine::join::{JoinHow, JoinSpec, join};
use rask_frame::engine::sort::{Key, SortKey, SortSpec};
use rask_frame::engine::*;
use rask_value::Value;

type Row = (i64, Option<String>, f64);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = prop_oneof![
        Just(None),
        "[ab]{0,2}".prop_map(Some),
        Just(Some("a text of more than seven bytes".to_string())),
    ];
    let float = prop_oneof![Just(f64::NAN), (-4i32..4).prop_map(|v| f64::from(v) / 2.0)];
    prop::collection::vec((-3i64..3, text, float), 0..40)
}

fn table(rows: &[Row]) -> Table {
    Table::from_columns(vec![
        (
            "k".into(),
            Column::from_i64(rows.iter().map(|r| r.0).collect()),
        ),
        (
            "s".into(),
            Column::from_texts(rows.iter().map(|r| r.1.as_deref())),
        ),
        (
            "x".into(),
            Column::from_f64(rows.iter().map(|r| r.2).collect()),
        ),
    ])
    .expect("equal lengths")
}

/// Values that compare: missing as text.
fn shown(table: &Table) -> Vec<String> {
    (0..table.len())
        .map(|row| {
            let cells = table.columns().iter().map(|(_, c)| c.get(row));
            cells
                .map(|v| {
                    if v.is_missing() {
                        "-".into()
                    } else {
                        format!("{v:?}")
                    }
                })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

proptest! {
    #[test]
    fn encoded_tables_are_read_again(rows in rows(), start in 0usize..20) {
        let table = table(&rows).slice(start.min(rows.len()), 15);
        let keyed = table.set_index(&["s".into()], true).expect("a column");
        for table in [table, keyed] {
            let frames = table.encode().expect("native").frames;
            let back = decode(&frames).expect("well formed");
            prop_assert_eq!(shown(&back), shown(&table));
            prop_assert_eq!(back.schema(), table.schema());
        }
    }

    #[test]
    fn cut_frames_are_refused_without_panic(rows in rows(), keep in 0usize..6, cut in 0usize..40) {
        let mut frames = table(&rows).encode().expect("native").frames;
        frames.buffers.truncate(keep);
        let header = frames.header.len();
        frames.header = frames.header.slice(0..header.saturating_sub(cut));
        if let Ok(table) = decode(&frames) {
            prop_assert!(table.len() <= 40);
        }
    }

    #[test]
    fn joins_are_the_nested_loop(left in rows(), right in rows(), by_text in any::<bool>()) {
        let (a, b) = (table(&left), table(&right));
        let b = b.rename(&[("x".into(), "y".into())]);
        let label: Label = if by_text { "s".into() } else { "k".into() };
        let other: Label = if by_text { "k".into() } else { "s".into() };
        let b = b.drop(&[other]).expect("a column");
        let same = |i: usize, j: usize| {
            if by_text { left[i].1 == right[j].1 } else { left[i].0 == right[j].0 }
        };
        let mut inner = Vec::new();
        let mut outer_left = Vec::new();
        for i in 0..left.len() {
            let partners: Vec<usize> = (0..right.len()).filter(|j| same(i, *j)).collect();
            inner.extend(partners.iter().map(|j| (i, Some(*j))));
            if partners.is_empty() {
                outer_left.push((i, None));
            } else {
                outer_left.extend(partners.iter().map(|j| (i, Some(*j))));
            }
        }
        for (how, pairs) in [(JoinHow::Inner, inner), (JoinHow::Left, outer_left)] {
            let joined = join(&a, &b, &JoinSpec::on(how, std::slice::from_ref(&label)))
                .expect("kin keys");
            prop_assert_eq!(joined.len(), pairs.len());
            let y = joined.column(&"y".into()).expect("a column");
            let x = joined.column(&"x".into()).expect("a column");
            for (row, (i, j)) in pairs.iter().enumerate() {
                prop_assert_eq!(format!("{:?}", x.get(row)), format!("{:?}", Scalar::Float(left[*i].2)));
                let wanted = j.map_or(f64::NAN, |j| right[j].2);
                prop_assert_eq!(format!("{:?}", y.get(row)), format!("{:?}", Scalar::Float(wanted)));
            }
        }
    }

    #[test]
    fn sorts_are_stable_and_in_order(rows in rows(), ascending in any::<bool>(), na_last in any::<bool>()) {
        let numbered = table(&rows)
            .with_column("n".into(), Column::from_i64((0..rows.len() as i64).collect()))
            .expect("equal lengths");
        let key = |label: &str, ascending| SortKey { key: Key::Column(label.into()), ascending };
        let spec = SortSpec { keys: vec![key("s", ascending), key("x", true)], na_last };
        let sorted = sort::sort(&numbered, &spec).expect("ordered");
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&rows[*a], &rows[*b]);
            let text = match (&a.1, &b.1) {
                (Some(x), Some(y)) if ascending => x.cmp(y),
                (Some(x), Some(y)) => y.cmp(x),
                (x, y) if na_last => x.is_none().cmp(&y.is_none()),
                (x, y) => y.is_none().cmp(&x.is_none()),
            };
            let float = match (a.2.is_nan(), b.2.is_nan()) {
                (false, false) => a.2.partial_cmp(&b.2).expect("no NaN"),
                (x, y) if na_last => x.cmp(&y),
                (x, y) => y.cmp(&x),
            };
            text.then(float)
        });
        let numbers: Vec<i64> = (0..rows.len())
            .filter_map(|row| sorted.column(&"n".into()).ok()?.get(row).as_i64())
            .collect();
        prop_assert_eq!(numbers, order.iter().map(|i| *i as i64).collect::<Vec<_>>());
    }

    #[test]
    fn trees_of_states_are_one_groupby(rows in rows(), cut in 0usize..40) {
        let whole = table(&rows);
        let functions = [
            AggFunction::Sum, AggFunction::Mean, AggFunction::Count, AggFunction::Min,
            AggFunction::Max, AggFunction::First, AggFunction::Last,
            AggFunction::Nunique { dropna: true }, AggFunction::Median,
        ];
        let aggregations = functions
            .iter()
            .map(|f| Aggregation::new(expr::col("x"), *f, f.name()))
            .collect();
        let spec = GroupbySpec::by(&["k".into(), "s".into()], aggregations);
        let cut = cut.min(rows.len());
        let parts = [whole.slice(0, cut), whole.slice(cut, rows.len())];
        let states: Vec<Table> = parts
            .iter()
            .map(|p| groupby::partial(p, &spec).expect("numbers"))
            .collect();
        let state = groupby::combine(&[&states[0], &states[1]], &spec).expect("kin states");
        let tree = groupby::finalize(&state, &spec, &whole.schema()).expect("numbers");
        let once = groupby::aggregate(&whole, &spec).expect("numbers");
        prop_assert_eq!(shown(&tree), shown(&once));
        let mut sums: BTreeMap<(i64, &str), f64> = BTreeMap::new();
        for (k, s, x) in &rows {
            if let Some(s) = s {
                *sums.entry((*k, s)).or_default() += if x.is_nan() { 0.0 } else { *x };
            }
        }
        let found: Vec<f64> = (0..once.len()).filter_map(|i| once.column_at(0).get(i).as_f64()).collect();
        prop_assert_eq!(found, sums.into_values().collect::<Vec<_>>());
    }

    #[test]
    fn hash_parts_share_out_rows_by_key(rows in rows(), parts in 1usize..5) {
        let table = table(&rows);
        let keys = [Key::Column("k".into()), Key::Column("s".into())];
        let cut = partition::by_hash(table.clone(), &keys, parts).expect("hashable");
        let lengths = |cut: &Division| {
            let parts = (0..cut.count()).filter_map(|number| cut.part(number));
            parts.map(|part| part.len()).collect::<Vec<_>>()
        };
        prop_assert_eq!(lengths(&cut).iter().sum::<usize>(), rows.len());
        let floats = table
            .with_column("k".into(), table.column_at(0).cast(&DType::FLOAT64).expect("numbers"))
            .expect("equal lengths");
        let again = partition::by_hash(floats, &keys, parts).expect("hashable");
        prop_assert_eq!(lengths(&cut), lengths(&again));
    }
}
