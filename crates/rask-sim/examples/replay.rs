//! Runs seeds with every fault: `replay FIRST LAST`. With one seed only, prints what happens.

use rask_sim::{Faults, Settings, simulate};

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().expect("a seed"));
    let first: u64 = arguments.next().unwrap_or(0);
    let last = arguments.next().unwrap_or(first);
    let settings = Settings {
        workers: 3,
        threads: 2,
        memory_bytes_max: Some(5000),
        clients: 3,
        layers: 6,
        blocks: 12,
        faults: Faults {
            deaths: 4,
            restarts: 2,
            retirements: 0,
            cuts: 4,
            partitions: 3,
            full_disks: 2,
            slow_disk_percent: 5,
            pauses: 3,
            refused_percent: 5,
            raising_percent: 2,
            spill_failing_percent: 10,
            leaving_percent: 20,
        },
        happenings_max: 20_000,
        trace: first == last,
    };
    let mut failed = Vec::new();
    for seed in first..=last {
        match std::panic::catch_unwind(|| simulate(seed, &settings)) {
            Ok(report) if first == last => println!("{report:?}"),
            Ok(_) => {}
            Err(_) => failed.push(seed),
        }
    }
    println!("failed: {failed:?}");
}
