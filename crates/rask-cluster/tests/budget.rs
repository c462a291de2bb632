//! Jobs on a cluster in this process whose workers have too little memory for them.

#[path = "../../rask-local/tests/common/mod.rs"]
mod common;

use std::time::Duration;

use common::{explicit, layer, mix, number_of, register, sized_op};
use rask_cluster::client::{ClusterClient, Gathered, SubmitOptions};
use rask_cluster::scheduler::{SchedulerHandle, SchedulerOptions};
use rask_cluster::worker::{WorkerHandle, WorkerOptions};
use rask_graph::Input;
use rask_local::{Options, run};
use rask_value::{Plan, codec};
use rask_wire::Security;

const LIMIT: Duration = Duration::from_secs(60);

struct Cluster {
    scheduler: SchedulerHandle,
    workers: Vec<WorkerHandle>,
    client: ClusterClient,
}

impl Cluster {
    fn start(worker_count: u32, memory_bytes_max: u64) -> Cluster {
        register();
        let security = Security::default();
        let scheduler = SchedulerHandle::start(SchedulerOptions {
            address: "tcp://127.0.0.1:0".parse().unwrap(),
            security: security.clone(),
            worker_timeout: LIMIT,
            ..SchedulerOptions::default()
        })
        .unwrap();
        let workers = (0..worker_count).map(|number| {
            WorkerHandle::start(WorkerOptions {
                scheduler: scheduler.address().clone(),
                listen: "tcp://127.0.0.1:0".parse().unwrap(),
                security: security.clone(),
                name: format!("worker-{number}"),
                thread_count: 2,
                memory_bytes_max,
                memory_shares: Default::default(),
                owns_process: false,
                resources: Vec::new(),
                local_directory: None,
                supervised: false,
                nanny: String::new(),
                held: false,
                versions: Vec::new(),
                connect_timeout: LIMIT,
            })
            .unwrap()
        });
        let workers = workers.collect();
        let client = ClusterClient::attach(&scheduler, &security).unwrap();
        Cluster {
            scheduler,
            workers,
            client,
        }
    }

    /// The values of a plan; `before_release` is called while the cluster holds them.
    fn compute(&self, plan: &Plan, before_release: impl Fn(&Cluster)) -> Vec<u64> {
        let keys = self
            .client
            .submit_plan(plan, &SubmitOptions::default())
            .unwrap();
        let gathered = self.client.gather(&keys, LIMIT).unwrap().expect("in time");
        let values = gathered.into_iter().map(|gathered| match gathered {
            Gathered::Value(value) => number_of(&codec::decode_own_value(value).unwrap()),
            other => panic!("{other:?}"),
        });
        let values = values.collect();
        before_release(self);
        self.client.release(&keys);
        values
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.client.close();
        self.workers.iter().for_each(WorkerHandle::stop);
        for worker in &self.workers {
            worker.wait(LIMIT);
        }
        self.scheduler.stop();
    }
}

/// 300 values of 100 kB that are all needed again after their sum.
fn centred() -> Plan {
    let mut plan = Plan::default();
    let source = plan.add(
        layer("source", 300, vec![]),
        sized_op(100_000, None, mix),
        None,
    );
    let all: Vec<u32> = (0..300).collect();
    let lists: Vec<Vec<u32>> = all.chunks(6).map(<[u32]>::to_vec).collect();
    let partial = plan.add(
        layer("partial", 50, vec![explicit(source, &lists)]),
        sized_op(1000, None, mix),
        None,
    );
    let total = plan.add(
        layer("total", 1, vec![explicit(partial, &[(0..50).collect()])]),
        sized_op(8, None, mix),
        None,
    );
    let zeros = vec![vec![0]; 300];
    let centred = plan.add(
        layer(
            "centred",
            300,
            vec![Input::same(source, 1), explicit(total, &zeros)],
        ),
        sized_op(8, None, mix),
        None,
    );
    plan.graph.want_all(centred);
    plan
}

fn expected(plan: &Plan) -> Vec<u64> {
    let values = run(plan, &Options::default(), &()).unwrap();
    values.iter().map(number_of).collect()
}

#[test]
fn a_job_larger_than_memory_ends_with_the_same_values() {
    let mut plan = centred();
    plan.graph.want_all(rask_graph::LayerId(0));
    let expected = expected(&plan);
    // 30 MB of sources; the two workers may hold 6 MB each.
    let cluster = Cluster::start(2, 10_000_000);
    let found = cluster.compute(&plan, |cluster| {
        let bytes: Vec<(u64, u64)> = cluster.workers.iter().map(|w| w.value_bytes()).collect();
        let (held, spilled): (Vec<u64>, Vec<u64>) = bytes.into_iter().unzip();
        assert!(
            held.iter().all(|&bytes| bytes <= 6_000_000),
            "held {held:?}"
        );
        assert!(spilled.iter().sum::<u64>() > 0, "nothing was spilled");
    });
    assert_eq!(found, expected);
}

#[test]
fn memory_without_limit_and_jobs_one_after_the_other() {
    let plan = centred();
    let expected = expected(&plan);
    let cluster = Cluster::start(3, 0);
    for _ in 0..3 {
        assert_eq!(cluster.compute(&plan, |_| ()), expected);
    }
}
