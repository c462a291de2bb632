//! Programs against plain loops.

use rask_value::array::{DType, NdArray, Scalar};

use super::{ElementOp, Generator, GeneratorKind, Program, Source, run, run_reduce};
use crate::kernels::random::Distribution;
use crate::kernels::reduce::ReduceOp;

fn add_one() -> Program {
    let mut program = Program::new();
    let x = program.input(DType::Float64);
    let one = program.constant(Scalar::Float(1.0), DType::Float64);
    let sum = program
        .apply(ElementOp::Add, &[x, one])
        .expect("floats add");
    program.finish(sum);
    program
}

fn counted(shape: &[usize]) -> NdArray {
    let values: Vec<f64> = (0..shape.iter().product::<usize>())
        .map(|i| i as f64)
        .collect();
    NdArray::from_slice(&values, shape).expect("sizes match")
}

#[test]
fn transposed_and_broadcast_inputs() {
    let mut program = Program::new();
    let (a, b, c) = (
        program.input(DType::Float64),
        program.input(DType::Float64),
        program.input(DType::Int32),
    );
    let sum = program.apply(ElementOp::Add, &[a, b]).expect("floats add");
    let scaled = program
        .apply(ElementOp::Multiply, &[sum, c])
        .expect("promotes");
    program.finish(scaled);
    let z = counted(&[70, 70]);
    let turned = z.transpose(&[1, 0]).expect("a permutation");
    let row = NdArray::from_slice(&(0..70).collect::<Vec<i32>>(), &[70]).expect("sizes match");
    let sources = vec![Source::Array(z), Source::Array(turned), Source::Array(row)];
    let found = run(&program, sources, &[70, 70]).expect("runs");
    let found: &[f64] = found.as_slice().expect("contiguous");
    for i in 0..70 {
        for j in 0..70 {
            assert_eq!(found[i * 70 + j], ((i * 70 + j + j * 70 + i) * j) as f64);
        }
    }
}

#[test]
fn reuses_unshared_memory_only() {
    let program = add_one();
    let mine = counted(&[3000]);
    let address = mine.as_ptr();
    let out = run(&program, vec![Source::Array(mine)], &[3000]).expect("runs");
    assert_eq!(out.as_ptr(), address);
    assert_eq!(out.as_slice::<f64>().expect("f64")[2999], 3000.0);
    let shared = counted(&[3000]);
    let out = run(&program, vec![Source::Array(shared.clone())], &[3000]).expect("runs");
    assert_ne!(out.as_ptr(), shared.as_ptr());
    assert_eq!(shared.as_slice::<f64>().expect("f64")[0], 0.0);
}

#[test]
fn generated_slices_equal_slices_of_the_whole() {
    let kind = GeneratorKind::Random {
        distribution: Distribution::Normal {
            mean: 0.0,
            deviation: 1.0,
        },
        key: [1, 2],
    };
    let part = |start: &[usize], steps: &[isize]| {
        Generator::part(DType::Float64, kind.clone(), &[60, 80], start, steps)
    };
    let program = add_one();
    let whole = run(
        &program,
        vec![Source::Generator(part(&[0, 0], &[1, 1]))],
        &[60, 80],
    );
    let whole = whole.expect("runs");
    let sliced = run(
        &program,
        vec![Source::Generator(part(&[1, 79], &[2, -3]))],
        &[30, 27],
    );
    let sliced = sliced.expect("runs");
    let (whole, sliced) = (
        whole.as_slice::<f64>().expect("f64"),
        sliced.as_slice::<f64>().expect("f64"),
    );
    for i in 0..30 {
        for j in 0..27 {
            assert_eq!(sliced[i * 27 + j], whole[(1 + 2 * i) * 80 + 79 - 3 * j]);
        }
    }
}

#[test]
fn reduces_without_storing() {
    let fill = Generator::part(
        DType::Float64,
        GeneratorKind::Fill(Scalar::Float(2.0)),
        &[1000, 1000],
        &[0, 0],
        &[1, 1],
    );
    let total = run_reduce(
        &add_one(),
        vec![Source::Generator(fill)],
        &[1000, 1000],
        ReduceOp::Sum,
    );
    assert_eq!(total.expect("runs").item::<f64>().expect("one"), 3e6);
}

#[test]
fn numpy_integer_semantics() {
    let binary = |op, a: &[i32], b: &[i32]| {
        let mut program = Program::new();
        let (x, y) = (program.input(DType::Int32), program.input(DType::Int32));
        let out = program.apply(op, &[x, y]).expect("a loop");
        program.finish(out);
        let array = |v: &[i32]| Source::Array(NdArray::from_slice(v, &[v.len()]).expect("sizes"));
        run(&program, vec![array(a), array(b)], &[a.len()])
            .map(|out| out.as_slice::<i32>().expect("i32").to_vec())
    };
    let (a, b) = ([7, -7, 7, -7, 5, i32::MIN], [2, 2, -2, -2, 0, -1]);
    assert_eq!(
        binary(ElementOp::FloorDivide, &a, &b).expect("runs"),
        [3, -4, -4, 3, 0, i32::MIN]
    );
    assert_eq!(
        binary(ElementOp::Remainder, &a, &b).expect("runs"),
        [1, 1, -1, -1, 0, 0]
    );
    assert_eq!(
        binary(ElementOp::Power, &[3, 2], &[4, 0]).expect("runs"),
        [81, 1]
    );
    assert!(binary(ElementOp::Power, &[3], &[-1]).is_err());
}

#[test]
fn numpy_float_semantics_at_infinity() {
    let binary = |op, a: f64, b: f64| {
        let mut program = Program::new();
        let (x, y) = (program.input(DType::Float64), program.input(DType::Float64));
        let out = program.apply(op, &[x, y]).expect("a loop");
        program.finish(out);
        let array = |v: f64| Source::Array(NdArray::from_slice(&[v], &[1]).expect("sizes"));
        let out = run(&program, vec![array(a), array(b)], &[1]).expect("runs");
        out.item::<f64>().expect("one")
    };
    let infinity = f64::INFINITY;
    for op in [ElementOp::Logaddexp, ElementOp::Logaddexp2] {
        assert_eq!(binary(op, 0.5, infinity), infinity);
        assert_eq!(binary(op, -infinity, 0.5), 0.5);
        assert_eq!(binary(op, -infinity, -infinity), -infinity);
        assert!(binary(op, f64::NAN, infinity).is_nan());
    }
    assert_eq!(binary(ElementOp::FloorDivide, 1.0, -infinity), -1.0);
    assert_eq!(binary(ElementOp::FloorDivide, 1.0, infinity), 0.0);
    assert_eq!(binary(ElementOp::FloorDivide, -7.0, 2.0), -4.0);
    assert_eq!(binary(ElementOp::FloorDivide, 7.5, -2.0), -4.0);
}

#[test]
fn programs_compose() {
    let inner = add_one();
    let mut outer = Program::new();
    let x = outer.input(DType::Float64);
    let y = outer.append(&inner, &[x]);
    let z = outer.append(&inner, &[y]);
    let bits = outer.apply(ElementOp::Greater, &[z, x]).expect("compares");
    outer.finish(bits);
    assert_eq!(outer.dtype(), DType::Bool);
    let found = run(&outer, vec![Source::Array(counted(&[5]))], &[5]).expect("runs");
    assert_eq!(found.bytes(), Some(&[1_u8; 5][..]));
}

#[test]
fn signatures_follow_numpy() {
    let of =
        |op: ElementOp, dtypes: &[DType]| op.signature(dtypes).map(|s| (s.inputs[0], s.output));
    assert_eq!(
        of(ElementOp::Divide, &[DType::Int8, DType::Int8]),
        Some((DType::Float64, DType::Float64))
    );
    assert_eq!(
        of(ElementOp::Sqrt, &[DType::Int16]),
        Some((DType::Float32, DType::Float32))
    );
    assert_eq!(of(ElementOp::Sqrt, &[DType::Int8]), None);
    assert_eq!(
        of(ElementOp::Hypot, &[DType::Int16, DType::UInt16]),
        Some((DType::Float32, DType::Float32))
    );
    assert_eq!(of(ElementOp::Hypot, &[DType::Int8, DType::UInt8]), None);
    assert_eq!(of(ElementOp::Subtract, &[DType::Bool, DType::Bool]), None);
    assert_eq!(
        of(ElementOp::Absolute, &[DType::Complex64]),
        Some((DType::Complex64, DType::Float32))
    );
    assert_eq!(of(ElementOp::Less, &[DType::Int64, DType::UInt64]), None);
}
