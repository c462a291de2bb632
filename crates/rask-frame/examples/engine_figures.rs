//! Times the engine on a CSV file: `engine_figures flights.csv`.

use std::path::Path;
use std::time::Instant;

use rask_frame::engine::*;

fn timed<T>(what: &str, times: usize, f: impl Fn() -> T) -> T {
    let mut best = f64::MAX;
    let mut out = None;
    for _ in 0..times {
        let start = Instant::now();
        out = Some(f());
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{what:40} {:9.2} ms", best * 1e3);
    out.expect("ran")
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).unwrap_or("flights.csv".into());
    let path = Path::new(&path);
    let sample = csv::read_sample(path, 1 << 20)?;
    let options = csv::CsvOptions {
        dtypes: ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
            .into_iter()
            .map(|c| (Label::from(c), DType::FLOAT64))
            .collect(),
        ..Default::default()
    };
    let schema = csv::infer(&sample, "flights.csv", &options)?;
    for column in &schema.columns {
        println!("{} {}", column.label, column.dtype);
    }
    let table = timed("read_csv all", 5, || {
        csv::read_whole(path, &schema, &options, None).unwrap()
    });
    println!("{} rows", table.len());
    let three: Vec<Label> = ["origin", "carrier", "dep_delay"].map(Label::from).to_vec();
    timed("read_csv 3 columns", 5, || {
        csv::read_whole(path, &schema, &options, Some(&three)).unwrap()
    });
    Ok(())
}
