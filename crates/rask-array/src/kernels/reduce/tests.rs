//! Reductions against plain loops.

use proptest::prelude::*;
use rask_value::array::{DType, NdArray};

use super::{CumulativeOp, ReduceOp, arg_reduce, cumulate, merge_moments, moments, reduce};

fn element(array: &NdArray, at: &[usize]) -> f64 {
    let strides = array.strides();
    let offset: isize = at.iter().zip(strides).map(|(&i, &s)| i as isize * s).sum();
    let whole: &[f64] = bytemuck::cast_slice(array.buffer().as_slice());
    whole[(array.offset() as isize + offset) as usize / 8]
}

proptest! {
    #[test]
    fn sums_along_any_axes(
        shape in prop::array::uniform3(1_usize..7),
        mask in prop::array::uniform3(any::<bool>()),
        turned in any::<bool>(),
    ) {
        let size: usize = shape.iter().product();
        let values: Vec<f64> = (0..size).map(|i| (i * 7 % 11) as f64).collect();
        let mut array = NdArray::from_slice(&values, &shape).expect("sizes match");
        if turned {
            array = array.transpose(&[2, 0, 1]).expect("a permutation");
        }
        let axes: Vec<usize> = (0..3).filter(|&axis| mask[axis]).collect();
        let found = reduce(&array, ReduceOp::Sum, &axes, true).expect("sums");
        let found = found.broadcast_to(found.shape()).expect("same");
        let s = array.shape().to_vec();
        for i in 0..s[0] { for j in 0..s[1] { for k in 0..s[2] {
            let at = [i, j, k];
            let kept: Vec<usize> = (0..3).map(|a| if mask[a] { 0 } else { at[a] }).collect();
            let mut expected = 0.0;
            for x in 0..s[0] { for y in 0..s[1] { for z in 0..s[2] {
                let other = [x, y, z];
                if (0..3).all(|a| mask[a] || other[a] == at[a]) {
                    expected += element(&array, &other);
                }
            }}}
            prop_assert_eq!(element(&found, &kept), expected);
        }}}
    }
}

#[test]
fn dtypes_of_results() {
    let small = NdArray::from_slice(&[100_i8, 100, 100], &[3]).expect("sizes match");
    let sum = reduce(&small, ReduceOp::Sum, &[0], false).expect("sums");
    assert_eq!(
        (sum.dtype(), sum.item::<i64>().expect("one")),
        (DType::Int64, 300)
    );
    let any = reduce(&small, ReduceOp::Any, &[0], false).expect("any");
    assert_eq!(any.dtype(), DType::Bool);
}

#[test]
fn nan_in_extrema() {
    let values = NdArray::from_slice(&[2.0, f64::NAN, 1.0], &[3]).expect("sizes match");
    let one = |op| {
        reduce(&values, op, &[0], false)
            .expect("reduces")
            .item::<f64>()
            .expect("one")
    };
    assert!(one(ReduceOp::Min).is_nan() && one(ReduceOp::Max).is_nan());
    assert_eq!((one(ReduceOp::Fmin), one(ReduceOp::Fmax)), (1.0, 2.0));
    let (_, at) = arg_reduce(&values, &[0], false, true, false).expect("found");
    assert_eq!(at.item::<i64>().expect("one"), 1);
    let (_, at) = arg_reduce(&values, &[0], false, true, true).expect("found");
    assert_eq!(at.item::<i64>().expect("one"), 0);
}

#[test]
fn nothing_to_reduce() {
    let empty = NdArray::zeros(DType::Float64, &[0, 2]);
    let sum = reduce(&empty, ReduceOp::Sum, &[0], false).expect("zeros");
    assert_eq!(sum.as_slice::<f64>().expect("contiguous"), [0.0, 0.0]);
    assert!(reduce(&empty, ReduceOp::Max, &[0], false).is_err());
}

#[test]
fn moments_merge_to_those_of_the_whole() {
    let values: Vec<f64> = (0..1000).map(|i| 1e9 + f64::from(i % 17)).collect();
    let whole = NdArray::from_slice(&values, &[1000]).expect("sizes match");
    let parts: Vec<NdArray> = [0..300, 300..301, 301..1000]
        .into_iter()
        .map(|range| moments(&whole.window(&[range]).expect("inside"), &[0], true, false))
        .collect::<Result<_, _>>()
        .expect("moments");
    let merged = merge_moments(&parts).expect("merges");
    let merged: &[f64] = merged.as_slice().expect("contiguous");
    let mean = values.iter().map(|x| x - 1e9).sum::<f64>() / 1000.0;
    let squares: f64 = values.iter().map(|x| (x - 1e9 - mean).powi(2)).sum();
    assert_eq!(merged[0], 1000.0);
    assert!((merged[1] - 1e9 - mean).abs() < 1e-6);
    assert!((merged[2] / squares - 1.0).abs() < 1e-9);
}

#[test]
fn running_sums() {
    let values: Vec<i64> = (0..6).collect();
    let array = NdArray::from_slice(&values, &[2, 3]).expect("sizes match");
    let down = cumulate(&array, CumulativeOp::Sum, 0).expect("scans");
    assert_eq!(down.as_slice::<i64>().expect("i64"), [0, 1, 2, 3, 5, 7]);
    let along = cumulate(&array, CumulativeOp::Sum, 1).expect("scans");
    assert_eq!(along.as_slice::<i64>().expect("i64"), [0, 1, 3, 3, 7, 12]);
}
