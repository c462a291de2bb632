//! What must hold after every event. Checked in tests and in the simulator.

use crate::state::{State, Task};
use crate::{Machine, TaskId, Topology};

impl<T: Topology> Machine<T> {
    /// Panics if the machine's books do not add up. Looks at every task and edge.
    pub fn check_invariants(&self) {
        self.check_memory();
        self.check_sharing();
        let (users, pins) = self.count_edges();
        for task in 0..self.tasks.len() as u32 {
            let entry = &self.tasks[task as usize];
            assert_eq!(entry.users, users[task as usize], "users of task {task}");
            if self.memory.is_limited() {
                assert_eq!(entry.pins, pins[task as usize], "pins of task {task}");
            }
            self.check_inputs(task);
            self.check_state(task);
        }
        let running = self.count(State::Running);
        assert_eq!(running, self.running as usize, "running tasks");
        let absent = self.tasks.iter().filter(|task| task.has(Task::ABSENT));
        assert_eq!(absent.count(), self.absent as usize, "waiting for others");
        let loading = self.loading.len() + self.loaded.len();
        assert_eq!(self.count(State::Loading), loading, "loading tasks");
    }

    /// For each task, the edges from unfinished tasks and from those loading or running.
    fn count_edges(&self) -> (Vec<u32>, Vec<u32>) {
        let mut users = vec![0; self.tasks.len()];
        let mut pins = vec![0; self.tasks.len()];
        for (task, entry) in self.tasks.iter().enumerate() {
            let busy = matches!(entry.state, State::Loading | State::Running);
            if busy || matches!(entry.state, State::Waiting | State::Ready) {
                for &dep in self.topology.deps(task as u32) {
                    users[dep as usize] += 1;
                    pins[dep as usize] += u32::from(busy);
                }
            }
        }
        (users, pins)
    }

    fn count(&self, state: State) -> usize {
        self.tasks.iter().filter(|task| task.state == state).count()
    }

    fn check_memory(&self) {
        let sum = |wanted: &dyn Fn(&Task) -> bool| -> u64 {
            let counted = self.tasks.iter().filter(|task| wanted(task));
            counted.map(|task| task.nbytes).sum()
        };
        assert_eq!(sum(&Task::counts_as_held), self.memory.held, "bytes held");
        let leaving = sum(&|task| task.state == State::Spilling);
        assert_eq!(leaving, self.memory.leaving, "bytes leaving");
        let clean = sum(&|task| task.state == State::Memory && task.has(Task::ON_DISK));
        assert_eq!(clean, self.memory.clean, "bytes that are on disk too");
        let promised = sum(&|task| matches!(task.state, State::Running | State::Loading));
        assert_eq!(promised, self.memory.reserved, "bytes promised");
        let moving = self.count(State::Spilling) + self.count(State::Unspilling);
        assert_eq!(moving, self.transfers_open as usize, "open transfers");
    }

    fn check_inputs(&self, task: TaskId) {
        let entry = &self.tasks[task as usize];
        let deps = self
            .topology
            .deps(task)
            .iter()
            .map(|&d| &self.tasks[d as usize]);
        match entry.state {
            State::Waiting => {
                let missing = deps.filter(|dep| !dep.has_value()).count() as u32;
                assert_eq!(missing, entry.waiting, "inputs awaited by task {task}");
                assert!(missing > 0, "task {task} waits for nothing");
            }
            State::Loading => {
                let missing = deps.filter(|dep| !dep.in_memory()).count() as u32;
                assert_eq!(missing, entry.waiting, "inputs loaded for task {task}");
            }
            State::Ready => assert!({ deps }.all(|d| d.has_value()), "inputs of task {task}"),
            State::Running => assert!({ deps }.all(|d| d.in_memory()), "inputs of task {task}"),
            _ => {}
        }
    }

    fn check_state(&self, task: TaskId) {
        let entry = &self.tasks[task as usize];
        let moving = matches!(entry.state, State::Spilling | State::Unspilling);
        if entry.has_value() && !moving {
            let wanted = entry.users > 0 || entry.has(Task::KEPT);
            let supplied = entry.nbytes == 0 && entry.has(Task::UNSPILLABLE);
            assert!(wanted || supplied, "task {task} is kept for nobody");
        }
        if matches!(entry.state, State::Disk | State::Unspilling) {
            assert!(entry.has(Task::ON_DISK), "task {task} is nowhere");
        }
    }
}
