//! Makes an array, reduces it, and runs it on the threads of the process:
//! `cargo run --release -p rask --example threads`.

use std::time::Instant;

use rask::prelude::*;

fn main() -> Result<(), Error> {
    let side = 10_000;
    let x = array::random_normal(42, &[side, side], &[1_000, 1_000])?;
    let part = (&x + 1.0)?.strided(&[2, 2])?;
    let start = Instant::now();
    let mean = part.mean()?.compute()?.item::<f64>()?;
    println!("mean of every second normal plus one: {mean:.6} (1 expected)");

    let z = array::ones(&[side, side], &[100, 100])?;
    let total = (&z + &z.transpose())?.sum()?.compute()?.item::<f64>()?;
    println!("sum of ones and their transpose: {total} (2e8 expected)");
    println!("{:.3} s", start.elapsed().as_secs_f64());
    Ok(())
}
