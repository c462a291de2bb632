//! Time of the two array figures: `cargo run --release -p rask-array --example figures`.

use std::time::Instant;

use rask_array::chunks::regular;
use rask_array::expr::{IndexItem, Operand};
use rask_array::kernels::elementwise::{ElementOp, GeneratorKind};
use rask_array::kernels::random::Distribution;
use rask_array::{ArrayExpr, lower_many};
use rask_value::array::{DType, NdArray, Scalar};

fn square(kind: GeneratorKind, side: i64, size: i64) -> ArrayExpr {
    let chunks = vec![regular(side, size), regular(side, size)];
    ArrayExpr::generate(kind, DType::Float64, chunks).expect("known chunks")
}

fn sum(array: &ArrayExpr) -> ArrayExpr {
    let sum = array.reduce("sum", &[0, 1], false, None, 0.0, None);
    sum.expect("axes are there").expect("floats are native")
}

fn run(name: &str, array: &ArrayExpr) {
    let start = Instant::now();
    let (plan, _) = lower_many(std::slice::from_ref(array), true).expect("it lowers");
    let lowered = start.elapsed();
    let options = rask_local::Options {
        threads: 2,
        ..Default::default()
    };
    let values = rask_local::run(&plan, &options, &()).expect("it runs");
    let value = values[0].downcast_ref::<NdArray>().expect("native");
    println!(
        "{name}: {:.3} s (lowered in {:.2} ms, {} layers), result {:?}",
        start.elapsed().as_secs_f64(),
        lowered.as_secs_f64() * 1e3,
        plan.graph.layers.len(),
        value.item::<f64>()
    );
}

fn main() {
    let ones = GeneratorKind::Fill(Scalar::Float(1.0));
    let uniform = GeneratorKind::Random {
        distribution: Distribution::Uniform {
            low: 0.0,
            high: 1.0,
        },
        key: [1, 2],
    };
    for (name, kind) in [("ones", ones), ("uniforms", uniform)] {
        let z = square(kind, 20_000, 100);
        let turned = z.transpose(&[1, 0]).expect("a permutation");
        let operands = [Operand::Array(z), Operand::Array(turned)];
        let both = ArrayExpr::elementwise(ElementOp::Add, &operands, None);
        let both = both.expect("shapes fit").expect("native");
        run(&format!("(z + z.T).sum() of {name}"), &sum(&both));
    }
    let normal = GeneratorKind::Random {
        distribution: Distribution::Normal {
            mean: 0.0,
            deviation: 1.0,
        },
        key: [1, 2],
    };
    let x = square(normal, 20_000, 2_000);
    let start = Instant::now();
    let operands = [Operand::Array(x), Operand::Scalar(Scalar::Int(1))];
    let plus = ArrayExpr::elementwise(ElementOp::Add, &operands, None);
    let every_second = IndexItem::Slice {
        start: None,
        stop: None,
        step: Some(2),
    };
    let part = plus.expect("shapes fit").expect("native");
    let part = part.getitem(&[every_second; 2]).expect("in bounds");
    let total = sum(&part);
    println!("three operations: {:?}", start.elapsed());
    run("(x + 1)[::2, ::2].sum() of normals", &total);
}
