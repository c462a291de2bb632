//! Every kind of node, lowered and run, against plain loops over dense arrays.

use proptest::prelude::*;
use rask_value::ValueRef;
use rask_value::array::{DType, NdArray, Scalar};
use std::sync::Arc;

use super::*;
use crate::block::assemble;
use crate::chunks::regular;
use crate::kernels::elementwise::{ElementOp, GeneratorKind};
use crate::lower_many;

/// A dense array of `f64`, the reference.
#[derive(Clone, Debug, PartialEq)]
struct Dense {
    shape: Vec<usize>,
    items: Vec<f64>,
}

impl Dense {
    fn new(shape: &[usize]) -> Self {
        let size: usize = shape.iter().product();
        let items = (0..size).map(|i| ((i * 37 + 11) % 101) as f64 - 50.0);
        Dense {
            shape: shape.to_vec(),
            items: items.collect(),
        }
    }

    fn make(shape: &[usize], item: impl Fn(&[usize]) -> f64) -> Self {
        let size: usize = shape.iter().product();
        let items = (0..size).map(|flat| item(&unravel(flat, shape))).collect();
        Dense {
            shape: shape.to_vec(),
            items,
        }
    }

    fn at(&self, index: &[usize]) -> f64 {
        let flat = index
            .iter()
            .zip(&self.shape)
            .fold(0, |at, (&i, &n)| at * n + i);
        self.items[flat]
    }
}

fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        index[axis] = flat % shape[axis].max(1);
        flat /= shape[axis].max(1);
    }
    index
}

fn array_of(dense: &Dense, sizes: &[i64]) -> ArrayExpr {
    let value: ValueRef = Arc::new(NdArray::from_slice(&dense.items, &dense.shape).unwrap());
    let chunks = dense
        .shape
        .iter()
        .zip(sizes)
        .map(|(&n, &size)| regular(n as i64, size));
    let token = format!("{dense:?}");
    ArrayExpr::held(value, &token, chunks.collect(), DType::Float64.into()).unwrap()
}

fn run_with(array: &ArrayExpr, optimize: bool) -> NdArray {
    let (plan, counts) = lower_many(std::slice::from_ref(array), optimize).unwrap();
    let options = rask_local::Options {
        threads: 2,
        ..Default::default()
    };
    let values = rask_local::run(&plan, &options, &()).unwrap();
    assert_eq!(values.len(), counts[0]);
    let whole = assemble(&values, &array.grid().0).unwrap();
    let whole = whole.downcast_ref::<NdArray>().unwrap().to_contiguous();
    let declared: Vec<usize> = array.shape().iter().map(|&n| n as usize).collect();
    assert_eq!(whole.shape(), declared);
    assert_eq!(Some(whole.dtype()), array.element().native());
    for (value, block) in values.iter().zip(0..) {
        let coords = array.grid().coords_of(block);
        let sizes = array.chunks().iter().zip(&coords);
        let shape: Vec<usize> = sizes
            .map(|(sizes, &at)| sizes[at as usize] as usize)
            .collect();
        assert_eq!(value.downcast_ref::<NdArray>().unwrap().shape(), shape);
    }
    whole
}

/// The array, run optimised and not, which must agree.
fn run(array: &ArrayExpr) -> Dense {
    let plain = run_with(array, false);
    let optimised = run_with(array, true);
    let dense = |array: &NdArray| Dense {
        shape: array.shape().to_vec(),
        items: match array.dtype() {
            DType::Float64 => array.as_slice::<f64>().unwrap().to_vec(),
            DType::Int64 => {
                let items = array.as_slice::<i64>().unwrap();
                items.iter().map(|&item| item as f64).collect()
            }
            other => panic!("{other:?}"),
        },
    };
    let (plain, optimised) = (dense(&plain), dense(&optimised));
    let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9 * (1.0 + a.abs());
    assert!(plain.items.iter().zip(&optimised.items).all(close));
    assert_eq!(plain.shape, optimised.shape);
    optimised
}

fn assert_close(found: &Dense, expected: &Dense) {
    assert_eq!(found.shape, expected.shape);
    for (a, b) in found.items.iter().zip(&expected.items) {
        assert!(
            (a - b).abs() < 1e-9 * (1.0 + b.abs()),
            "{found:?} {expected:?}"
        );
    }
}

fn add(a: &ArrayExpr, b: &ArrayExpr) -> ArrayExpr {
    let operands = [Operand::Array(a.clone()), Operand::Array(b.clone())];
    ArrayExpr::elementwise(ElementOp::Add, &operands, None)
        .unwrap()
        .unwrap()
}

fn plus(a: &ArrayExpr, by: f64) -> ArrayExpr {
    let operands = [
        Operand::Array(a.clone()),
        Operand::Scalar(Scalar::Float(by)),
    ];
    ArrayExpr::elementwise(ElementOp::Add, &operands, None)
        .unwrap()
        .unwrap()
}

fn slice(start: Option<i64>, stop: Option<i64>, step: Option<i64>) -> IndexItem {
    IndexItem::Slice { start, stop, step }
}

/// Positions that Python's slice names.
fn positions(length: usize, (start, stop, step): (Option<i64>, Option<i64>, i64)) -> Vec<usize> {
    let n = length as i64;
    let fix = |at: i64, low: i64, high: i64| (if at < 0 { at + n } else { at }).clamp(low, high);
    let mut out = Vec::new();
    if step > 0 {
        let mut at = start.map_or(0, |at| fix(at, 0, n));
        let stop = stop.map_or(n, |at| fix(at, 0, n));
        while at < stop {
            out.push(at as usize);
            at += step;
        }
    } else {
        let mut at = start.map_or(n - 1, |at| fix(at, -1, n - 1));
        let stop = stop.map_or(-1, |at| fix(at, -1, n - 1));
        while at > stop {
            out.push(at as usize);
            at += step;
        }
    }
    out
}

fn bound() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![Just(None), (-12_i64..12).prop_map(Some)]
}

fn step() -> impl Strategy<Value = i64> {
    prop_oneof![1_i64..4, -3_i64..0]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn slices_of_sums_and_transposes(
        (n, m) in (1_usize..9, 1_usize..9),
        sizes in (1_i64..5, 1_i64..5, 1_i64..5, 1_i64..5),
        rows in (bound(), bound(), step()),
        columns in (bound(), bound(), step()),
    ) {
        let (x, y) = (Dense::new(&[n, m]), Dense::new(&[m, n]));
        let a = array_of(&x, &[sizes.0, sizes.1]);
        let b = array_of(&y, &[sizes.2, sizes.3]).transpose(&[1, 0]).unwrap();
        let index = [
            slice(rows.0, rows.1, Some(rows.2)),
            slice(columns.0, columns.1, Some(columns.2)),
        ];
        let found = run(&plus(&add(&a, &b), 1.0).getitem(&index).unwrap());
        let (is, js) = (positions(n, rows), positions(m, columns));
        let expected = Dense::make(&[is.len(), js.len()], |at| {
            let (i, j) = (is[at[0]], js[at[1]]);
            x.at(&[i, j]) + y.at(&[j, i]) + 1.0
        });
        assert_close(&found, &expected);
    }

    #[test]
    fn slices_of_slices_in_new_chunks(
        n in 1_usize..20,
        sizes in (1_i64..6, 1_i64..6),
        first in (bound(), bound(), step()),
        second in (bound(), bound(), step()),
    ) {
        let x = Dense::new(&[n]);
        let a = array_of(&x, &[sizes.0]);
        let a = a.getitem(&[slice(first.0, first.1, Some(first.2))]).unwrap();
        let length = a.shape()[0];
        let a = a.rechunk(vec![regular(length, sizes.1)]).unwrap();
        let a = a.getitem(&[slice(second.0, second.1, Some(second.2))]).unwrap();
        let once = positions(n, first);
        let twice = positions(once.len(), second);
        let expected = Dense::make(&[twice.len()], |at| x.items[once[twice[at[0]]]]);
        assert_close(&run(&a), &expected);
    }

    #[test]
    fn taken_positions(n in 1_usize..12, size in 1_i64..5, picks in prop::collection::vec(0_usize..100, 0..15)) {
        let x = Dense::new(&[n, 3]);
        let picks: Vec<i64> = picks.into_iter().map(|at| (at % n) as i64).collect();
        let found = run(&array_of(&x, &[size, 2]).take(&picks, 0).unwrap());
        let expected = Dense::make(&[picks.len(), 3], |at| x.at(&[picks[at[0]] as usize, at[1]]));
        assert_close(&found, &expected);
    }

    #[test]
    fn rechunks(
        (n, m) in (1_usize..12, 1_usize..12),
        sizes in (1_i64..6, 1_i64..6, 1_i64..6, 1_i64..6),
    ) {
        let x = Dense::new(&[n, m]);
        let chunks = vec![regular(n as i64, sizes.2), regular(m as i64, sizes.3)];
        let found = run(&array_of(&x, &[sizes.0, sizes.1]).rechunk(chunks).unwrap());
        assert_close(&found, &x);
    }

    #[test]
    fn reductions(
        shape in (1_usize..6, 1_usize..9, 1_usize..5),
        sizes in (1_i64..4, 1_i64..4, 1_i64..4),
        axes in prop::sample::subsequence(vec![0_usize, 1, 2], 1..=3),
        keepdims: bool,
        name in prop::sample::select(vec!["sum", "max", "min", "mean", "var", "argmax", "argmin", "prod"]),
    ) {
        let shape = [shape.0, shape.1, shape.2];
        let x = Dense::new(&shape);
        let a = array_of(&x, &[sizes.0, sizes.1, sizes.2]);
        let split: Vec<(usize, usize)> = axes.iter().map(|&axis| (axis, 2)).collect();
        let reduced = a.reduce(name, &axes, keepdims, None, 0.0, Some(&split)).unwrap().unwrap();
        let found = run(&reduced);
        let kept: Vec<usize> = (0..3).filter(|axis| !axes.contains(axis)).collect();
        let outer: Vec<usize> = kept.iter().map(|&axis| shape[axis]).collect();
        let inner: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
        let mut expected = Dense::make(&outer, |at| {
            let count: usize = inner.iter().product();
            let items: Vec<f64> = (0..count).map(|flat| {
                let mut index = [0; 3];
                kept.iter().zip(at).for_each(|(&axis, &i)| index[axis] = i);
                axes.iter().zip(unravel(flat, &inner)).for_each(|(&axis, i)| index[axis] = i);
                x.at(&index)
            }).collect();
            reference(name, &items)
        });
        if keepdims {
            expected.shape = (0..3).map(|a| if axes.contains(&a) { 1 } else { shape[a] }).collect();
        }
        assert_close(&found, &expected);
    }

    #[test]
    fn reshapes(
        factors in (1_usize..5, 1_usize..5, 1_usize..5),
        sizes in (1_i64..6, 1_i64..6, 1_i64..6),
        way in 0_usize..6,
    ) {
        let (a, b, c) = factors;
        let (from, to): (Vec<usize>, Vec<i64>) = match way {
            0 => (vec![a, b, c], vec![(a * b) as i64, c as i64]),
            1 => (vec![a * b, c], vec![a as i64, b as i64, c as i64]),
            2 => (vec![a, b, c], vec![-1]),
            3 => (vec![a * b * c], vec![a as i64, -1, c as i64]),
            4 => (vec![a * b, c], vec![a as i64, (b * c) as i64]),
            _ => (vec![a, 1, b * c], vec![1, (a * b) as i64, 1, c as i64]),
        };
        let x = Dense::new(&from);
        let sizes = [sizes.0, sizes.1, sizes.2];
        let found = run(&array_of(&x, &sizes[..from.len()]).reshape(&to).unwrap());
        prop_assert_eq!(&found.items, &x.items);
    }

    #[test]
    fn concatenations_and_stacks(
        (n, m, k) in (1_usize..6, 1_usize..6, 1_usize..6),
        sizes in (1_i64..4, 1_i64..4, 1_i64..4),
    ) {
        let (x, y) = (Dense::new(&[n, k]), Dense::new(&[m, k]));
        let (a, b) = (array_of(&x, &[sizes.0, sizes.1]), array_of(&y, &[sizes.1, sizes.2]));
        let joined = ArrayExpr::concatenate(&[a.clone(), plus(&b, 2.0)], 0).unwrap();
        let expected = Dense::make(&[n + m, k], |at| match at[0] < n {
            true => x.at(at),
            false => y.at(&[at[0] - n, at[1]]) + 2.0,
        });
        assert_close(&run(&plus(&joined, 0.5)), &Dense::make(&[n + m, k], |at| expected.at(at) + 0.5));
        let twice = ArrayExpr::stack(&[a.clone(), a.clone()], 1).unwrap();
        assert_close(&run(&twice), &Dense::make(&[n, 2, k], |at| x.at(&[at[0], at[2]])));
    }

    #[test]
    fn products(
        (n, m, k) in (1_usize..6, 1_usize..40, 1_usize..6),
        sizes in (1_i64..4, 1_i64..4, 1_i64..4),
    ) {
        let (x, y) = (Dense::new(&[n, m]), Dense::new(&[m, k]));
        let (a, b) = (array_of(&x, &[sizes.0, sizes.1]), array_of(&y, &[sizes.1, sizes.2]));
        let expected = Dense::make(&[n, k], |at| {
            (0..m).map(|j| x.at(&[at[0], j]) * y.at(&[j, at[1]])).sum()
        });
        assert_close(&run(&ArrayExpr::matmul(&a, &b).unwrap().unwrap()), &expected);
        let dot = ArrayExpr::tensordot(&a, &b, &[1], &[0]).unwrap().unwrap();
        assert_close(&run(&dot), &expected);
    }

    #[test]
    fn running_sums((n, m) in (1_usize..9, 1_usize..9), sizes in (1_i64..4, 1_i64..4), axis in 0_usize..2) {
        let x = Dense::new(&[n, m]);
        let sums = array_of(&x, &[sizes.0, sizes.1]).cumulate("cumsum", axis, None);
        let expected = Dense::make(&[n, m], |at| {
            (0..=at[axis]).map(|i| {
                let mut index = at.to_vec();
                index[axis] = i;
                x.at(&index)
            }).sum()
        });
        assert_close(&run(&sums.unwrap().unwrap()), &expected);
    }

    #[test]
    fn margins(
        n in 1_usize..12,
        size in 1_i64..5,
        depth in (0_usize..3, 0_usize..3),
        boundary in prop::sample::select(vec![
            Boundary::Reflect, Boundary::Periodic, Boundary::Nearest, Boundary::None,
            Boundary::Constant(Scalar::Float(7.0)),
        ]),
    ) {
        prop_assume!(depth.0.max(depth.1) <= n);
        let x = Dense::new(&[n]);
        let a = array_of(&x, &[size]);
        let wide = a.overlap(&[depth], &[boundary]).unwrap();
        let found = run(&wide);
        let mut expected = Vec::new();
        let length = n as i64;
        let mut from = 0;
        for &size in a.chunks()[0].iter() {
            for at in from - depth.0 as i64..from + size + depth.1 as i64 {
                let inside = (0..length).contains(&at);
                let at = match boundary {
                    _ if inside => Some(at),
                    Boundary::None => continue,
                    Boundary::Constant(_) => None,
                    Boundary::Nearest => Some(at.clamp(0, length - 1)),
                    Boundary::Periodic => Some(at.rem_euclid(length)),
                    Boundary::Reflect if at < 0 => Some(-1 - at),
                    Boundary::Reflect => Some(2 * length - 1 - at),
                };
                expected.push(at.map_or(7.0, |at| x.items[at as usize]));
            }
            from += size;
        }
        prop_assert_eq!(found.items, expected);
        // At an open edge a block shorter than the depth leaves its neighbour with less margin.
        let shortest = a.chunks()[0].iter().copied().min().unwrap_or(0);
        prop_assume!(boundary != Boundary::None || shortest >= depth.0.max(depth.1) as i64);
        let narrow = wide.trim(&[depth], &[boundary]).unwrap();
        assert_close(&run(&narrow), &x);
    }
}

fn reference(name: &str, items: &[f64]) -> f64 {
    let count = items.len() as f64;
    let sum: f64 = items.iter().sum();
    let best = |better: fn(f64, f64) -> bool| {
        let mut at = 0;
        for (i, &item) in items.iter().enumerate() {
            if better(item, items[at]) {
                at = i;
            }
        }
        at
    };
    match name {
        "sum" => sum,
        "prod" => items.iter().product(),
        "mean" => sum / count,
        "var" => {
            items
                .iter()
                .map(|item| (item - sum / count).powi(2))
                .sum::<f64>()
                / count
        }
        "max" => items[best(|a, b| a > b)],
        "min" => items[best(|a, b| a < b)],
        "argmax" => best(|a, b| a > b) as f64,
        _ => best(|a, b| a < b) as f64,
    }
}

fn ones(side: i64, size: i64) -> ArrayExpr {
    let chunks = vec![regular(side, size), regular(side, size)];
    let fill = GeneratorKind::Fill(Scalar::Float(1.0));
    ArrayExpr::generate(fill, DType::Float64, chunks).unwrap()
}

#[test]
fn a_sum_with_the_transpose_is_a_handful_of_layers() {
    let z = ones(2000, 10);
    let sum = add(&z, &z.transpose(&[1, 0]).unwrap());
    let sum = sum
        .reduce("sum", &[0, 1], false, None, 0.0, None)
        .unwrap()
        .unwrap();
    let (plan, counts) = lower_many(std::slice::from_ref(&sum), true).unwrap();
    assert_eq!(counts, [1]);
    assert!(
        plan.graph.layers.len() <= 5,
        "{:?}",
        plan.graph.layers.len()
    );
    assert_eq!(run(&sum).items, [8_000_000.0]);
}

#[test]
fn shapes_that_do_not_broadcast_are_refused() {
    let a = array_of(&Dense::new(&[3]), &[3]);
    let b = array_of(&Dense::new(&[4]), &[4]);
    let operands = [Operand::Array(a), Operand::Array(b)];
    let error = ArrayExpr::elementwise(ElementOp::Add, &operands, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "operands could not be broadcast together with shapes (3,) (4,)"
    );
}

#[test]
fn programs_survive_the_wire() {
    rask_value::array::register();
    crate::block::register();
    let z = ones(40, 10);
    let sum = add(&z, &z.transpose(&[1, 0]).unwrap());
    let sum = sum
        .reduce("argmax", &[0, 1], false, None, 0.0, None)
        .unwrap()
        .unwrap();
    let (mut plan, _) = lower_many(&[sum], true).unwrap();
    for op in &mut plan.ops {
        if let rask_value::LayerOp::Run(run) = op {
            let encoded = run.encode().unwrap();
            *run = rask_value::codec::decode_op(&encoded).unwrap();
        }
    }
    let values = rask_local::run(&plan, &rask_local::Options::default(), &()).unwrap();
    let found = values[0].downcast_ref::<NdArray>().unwrap();
    assert_eq!(found.item::<i64>().unwrap(), 0);
}
