//! Views against plain index arithmetic.

use super::{ArrayError, AxisIndex, DType, NdArray, register};
use crate::Value;

fn counted(shape: &[usize]) -> NdArray {
    let elements: Vec<i64> = (0..shape.iter().product::<usize>() as i64).collect();
    NdArray::from_slice(&elements, shape).expect("sizes match")
}

fn elements(array: &NdArray) -> Vec<i64> {
    array
        .to_contiguous()
        .as_slice::<i64>()
        .expect("i64")
        .to_vec()
}

#[test]
fn transpose_and_copy() {
    let array = counted(&[50, 70]);
    let turned = array.transpose(&[1, 0]).expect("a permutation");
    let expected: Vec<i64> = (0..70)
        .flat_map(|c| (0..50).map(move |r| r * 70 + c))
        .collect();
    assert_eq!(elements(&turned), expected);
    assert!(array.transpose(&[0, 0]).is_err());
}

#[test]
fn basic_indexing() {
    let array = counted(&[4, 5]);
    let picked = array
        .index(&[
            AxisIndex::Range {
                start: 3,
                step: -2,
                length: 2,
            },
            AxisIndex::New,
            AxisIndex::At(1),
        ])
        .expect("inside");
    assert_eq!(picked.shape(), [2, 1]);
    assert_eq!(elements(&picked), [16, 6]);
    assert!(array.index(&[AxisIndex::At(4)]).is_err());
    assert!(
        array
            .index(&[AxisIndex::Range {
                start: 0,
                step: 2,
                length: 3
            }])
            .is_err()
    );
}

#[test]
fn reshape_views_where_strides_allow() {
    let array = counted(&[4, 6]).window(&[0..4, 0..3]).expect("inside");
    let viewed = array.reshape(&[2, 2, 3]).expect("same size");
    assert_eq!(viewed.buffer().as_ptr(), array.buffer().as_ptr());
    assert_eq!(elements(&viewed), elements(&array));
    let copied = array.reshape(&[12]).expect("same size");
    assert_ne!(copied.buffer().as_ptr(), array.buffer().as_ptr());
    assert_eq!(elements(&copied), elements(&array));
    assert_eq!(
        array.reshape(&[5]).unwrap_err(),
        ArrayError::Reshape {
            size: 12,
            shape: vec![5]
        }
    );
}

#[test]
fn broadcasting() {
    let array = counted(&[3, 1])
        .broadcast_to(&[2, 3, 2])
        .expect("broadcasts");
    assert_eq!(elements(&array), [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
    assert!(counted(&[3]).broadcast_to(&[2]).is_err());
}

#[test]
fn encoded_and_decoded() {
    register();
    let array = counted(&[3, 4]).transpose(&[1, 0]).expect("a permutation");
    let decoded = crate::codec::decode_value(&array.encode().expect("encodes")).expect("decodes");
    let decoded = decoded.downcast_ref::<NdArray>().expect("an array");
    assert_eq!(decoded.shape(), [4, 3]);
    assert_eq!(elements(decoded), elements(&array));
}

#[test]
fn dtypes_by_name() {
    for text in [
        "<f8",
        "float64",
        "|b1",
        "<M8[ns]",
        "<m8[10us]",
        "<c16",
        "datetime64[D]",
    ] {
        let dtype = DType::find(text).expect(text);
        assert_eq!(DType::find(&dtype.typestr()), Some(dtype));
        assert_eq!(DType::find(&dtype.name()), Some(dtype));
    }
    assert_eq!(DType::find("|O"), None);
    assert_eq!(DType::find(">f8"), None);
}

#[test]
fn writes_only_when_unshared() {
    let mut array = counted(&[3]);
    let other = array.clone();
    assert!(array.as_mut_slice::<i64>().is_err());
    drop(other);
    array.as_mut_slice::<i64>().expect("unshared")[0] = 7;
    assert_eq!(elements(&array), [7, 1, 2]);
}
