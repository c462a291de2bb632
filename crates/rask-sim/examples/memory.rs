//! Peaks of memory of graphs that are known to blow it up, beside what their order needs, and times
//! beside what they take at least: for several sizes of clusters, the worst of many seeds.
//!
//! Usage: `cargo run --release -p rask-sim --example memory -- [SEEDS] [SHAPE] [WORKERS ...]`
//! `RASK_MEMORY_LIMIT`: MiB that the values of each worker may take; none if not given.
//! `RASK_MEMORY_PEAK`: what there was at the peak of the worst seed is printed too.
//! `RASK_MEMORY_EACH`: a line for every seed.

use rask_sim::{Shape, StudyCluster, blow_up_shapes, more_shapes, study};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seeds = arguments.next().and_then(|seeds| seeds.parse().ok());
    let seeds: u64 = seeds.unwrap_or(12);
    let name = arguments.next().unwrap_or_default();
    let workers: Vec<u32> = arguments.filter_map(|count| count.parse().ok()).collect();
    let sizes: &[u32] = if workers.is_empty() {
        &[2, 4, 16, 64]
    } else {
        &workers
    };
    let limit = std::env::var("RASK_MEMORY_LIMIT");
    let limit: Option<u64> = limit.ok().and_then(|limit| limit.parse().ok());
    let budget_bytes = limit.map(|limit| limit * MIB);
    println!(
        "{:>30} {:>7} {:>6}  {:>9} {:>14} {:>14} {:>14} {:>9}",
        "", "workers", "limit", "needed", "memory", "time", "of links", "moved"
    );
    for shape in blow_up_shapes().into_iter().chain(more_shapes()) {
        if !shape.name.contains(&name) {
            continue;
        }
        for &workers in sizes {
            let cluster = StudyCluster {
                workers,
                budget_bytes,
                ..StudyCluster::FOUR_OF_TWO
            };
            show(&shape, &cluster, seeds);
        }
    }
}

fn show(shape: &Shape, cluster: &StudyCluster, seeds: u64) {
    let studies = (0..seeds).map(|seed| study(&shape.layers, cluster, seed));
    let studies: Vec<_> = studies.collect();
    if std::env::var_os("RASK_MEMORY_EACH").is_some() {
        for (seed, studied) in studies.iter().enumerate() {
            println!("{seed:>40} {studied}");
        }
    }
    let figures = |of: &dyn Fn(&rask_sim::Study) -> f64| {
        let mut all: Vec<f64> = studies.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        let above = all.iter().filter(|&&ratio| ratio > 1.3).count();
        (all[all.len() / 2], all[all.len() - 1], above)
    };
    let (memory, memory_most, above) = figures(&|studied| studied.ratio());
    let (time, time_most, _) = figures(&|studied| studied.bound_ratio());
    let (links, links_most, _) = figures(&|studied| studied.links_ratio());
    let (moved, ..) = figures(&|studied| studied.report.bytes_fetched as f64 / GIB as f64);
    let (needed, ..) = figures(&|studied| studied.needed_bytes as f64 / f64::from(1 << 20));
    let limit = cluster
        .budget_bytes
        .map_or("none".to_owned(), |bytes| (bytes / MIB).to_string());
    if std::env::var_os("RASK_MEMORY_PEAK").is_some() {
        let worst = studies
            .iter()
            .max_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        for at in worst.iter().flat_map(|studied| &studied.peak) {
            println!("{:>40} {at:?}", "");
        }
    }
    println!(
        "{:>30} {:>7} {limit:>6}  {needed:>9.0} {memory:>4.2}-{memory_most:<4.2}({above:>3}) {time:>6.2}-{time_most:<6.2} {links:>6.2}-{links_most:<6.2} {moved:>9.2}",
        shape.name, cluster.workers,
    );
}
