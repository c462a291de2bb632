//! Random graphs through the machine, by a shell of several pretended threads that does its jobs in
//! random order. The books are checked after every step.

use proptest::prelude::*;
use rask_exec::{Command, Event, Job, Limits, Machine, Pull, TableTopology};
use rask_graph::{Graph, Grid, Input, InputMap, Layer, LayerId, TaskTable, order};

/// One explicit layer that refers to itself: block `b` needs some blocks before it.
fn graph_of(lists: &[Vec<usize>], wanted: &[usize]) -> Graph {
    let mut offsets = vec![0u32];
    let mut blocks: Vec<u32> = Vec::new();
    for (block, list) in lists.iter().enumerate() {
        let earlier = list
            .iter()
            .filter(|_| block > 0)
            .map(|&dep| (dep % block) as u32);
        blocks.extend(earlier);
        offsets.push(blocks.len() as u32);
    }
    let mut graph = Graph::default();
    let map = InputMap::Explicit {
        offsets: offsets.into(),
        blocks: blocks.into(),
    };
    let id = graph.add(Layer {
        name: "task".into(),
        grid: Grid::new([lists.len() as u32]),
        inputs: [Input {
            layer: LayerId(0),
            map,
        }]
        .into_iter()
        .collect(),
    });
    graph.wanted = wanted
        .iter()
        .map(|&block| rask_graph::Block {
            layer: id,
            block: (block % lists.len()) as u32,
        })
        .collect();
    graph
}

struct Shell<P> {
    machine: Machine<TableTopology<P>>,
    commands: Vec<Command>,
    /// Jobs that threads are at.
    open: Vec<Job>,
    in_memory: Vec<bool>,
    on_disk: Vec<bool>,
    ran: Vec<bool>,
    sizes: Vec<u64>,
    held_max: u64,
}

impl<P: Fn(&TaskTable, u32) -> Option<u64>> Shell<P> {
    fn pull(&mut self) -> bool {
        let job = self.machine.pull(Pull::Any, &mut self.commands);
        self.obey();
        let Some(job) = job else { return false };
        match job {
            Job::Run { task } => {
                for &dep in self.machine.topology().table.deps(task) {
                    assert!(self.in_memory[dep as usize], "input {dep} of task {task}");
                }
                assert!(!std::mem::replace(&mut self.ran[task as usize], true));
            }
            Job::Spill { task } => assert!(self.in_memory[task as usize]),
            Job::Unspill { task } => assert!(self.on_disk[task as usize]),
        }
        self.open.push(job);
        true
    }

    fn end(&mut self, at: usize, spill_fails: bool) {
        let event = match self.open.swap_remove(at) {
            Job::Run { task } => {
                self.in_memory[task as usize] = true;
                let nbytes = self.sizes[task as usize];
                Event::Finished {
                    task,
                    nbytes,
                    nanos: 1000,
                }
            }
            Job::Spill { task } if spill_fails => Event::SpillFailed { task },
            Job::Spill { task } => {
                self.on_disk[task as usize] = true;
                Event::Spilled { task }
            }
            Job::Unspill { task } => {
                self.in_memory[task as usize] = true;
                Event::Unspilled { task }
            }
        };
        self.machine.handle(event, &mut self.commands);
        self.obey();
    }

    fn obey(&mut self) {
        for command in self.commands.drain(..) {
            match command {
                Command::Drop { task } => {
                    self.in_memory[task as usize] = false;
                    self.on_disk[task as usize] = false;
                }
                Command::Evict { task } => {
                    assert!(self.on_disk[task as usize], "task {task} would be lost");
                    self.in_memory[task as usize] = false;
                }
                Command::Report { .. } => {}
                Command::GiveBack { .. } => unreachable!("only a cluster's worker gives back"),
            }
        }
        self.machine.check_invariants();
        let held: u64 = (0..self.sizes.len())
            .filter(|&task| self.in_memory[task])
            .map(|task| self.sizes[task])
            .sum();
        self.held_max = self.held_max.max(held);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_graph_ends_with_its_wanted_values(
        lists in proptest::collection::vec(proptest::collection::vec(0usize..1000, 0..4), 1..40),
        wanted in proptest::collection::vec(0usize..1000, 1..5),
        sizes in proptest::collection::vec(1u64..100, 40),
        predicts in any::<bool>(),
        threads in 1usize..4,
        budget in prop_oneof![Just(None), (0u64..600).prop_map(Some)],
        mut choices in proptest::collection::vec(any::<u16>(), 20..60),
    ) {
        let graph = graph_of(&lists, &wanted);
        let table = TaskTable::expand(&graph).unwrap();
        let sequence = order(&table);
        let wanted = table.wanted().to_vec();
        let count = table.len();
        let known = sizes.clone();
        let topology = TableTopology::new(table, &sequence, vec![0], vec![0], move |_, task| {
            predicts.then(|| known[task as usize])
        });
        let limits = Limits { memory_bytes_max: budget, spill_bytes_min: 0, spills_ahead: false };
        let mut machine = Machine::new(topology, limits);
        wanted.iter().for_each(|&task| machine.keep(task));
        machine.begin(&sequence);
        let mut shell = Shell {
            machine,
            commands: Vec::new(),
            open: Vec::new(),
            in_memory: vec![false; count],
            on_disk: vec![false; count],
            ran: vec![false; count],
            sizes: sizes[..count].to_vec(),
            held_max: 0,
        };
        let mut steps = 0;
        while shell.machine.unfinished() > 0 || !shell.open.is_empty() {
            choices.rotate_left(1);
            let choice = choices[0] as usize;
            let pulled = shell.open.len() < threads && !choice.is_multiple_of(3) && shell.pull();
            if !pulled {
                if shell.open.is_empty() {
                    prop_assert!(shell.pull(), "nothing is going on, and nothing can begin");
                } else {
                    let at = choice % shell.open.len();
                    shell.end(at, choice.is_multiple_of(7));
                }
            }
            steps += 1;
            prop_assert!(steps < 10_000, "the graph does not end");
        }
        prop_assert!(shell.ran.iter().all(|&ran| ran));
        for task in 0..count as u32 {
            let there = shell.in_memory[task as usize] || shell.on_disk[task as usize];
            prop_assert_eq!(there, wanted.contains(&task), "task {}", task);
        }
        if let (Some(budget), true, 1) = (budget, predicts, threads) {
            // One thread keeps to the budget but for one task and its inputs.
            let largest: u64 = sizes.iter().max().unwrap() * 5;
            prop_assert!(shell.held_max <= budget + largest);
        }
    }
}
