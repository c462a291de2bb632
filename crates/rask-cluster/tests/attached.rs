//! A client in the scheduler's own process.

use std::time::Duration;

use rask_cluster::ClusterError;
use rask_cluster::client::{ClusterClient, Gathered, SubmitOptions, held_op, register_codecs};
use rask_cluster::scheduler::{SchedulerHandle, SchedulerOptions};
use rask_proto::{LayerSpec, Submit};
use rask_wire::Security;

const LIMIT: Duration = Duration::from_secs(60);

/// Something that waits for a worker, of which there is none.
fn waiting_call() -> Submit {
    Submit {
        layers: vec![LayerSpec {
            name: "call".to_owned(),
            op: Some(held_op()),
            ..LayerSpec::default()
        }],
        wanted: Some([(0, 0)].into_iter().collect()),
        ..SubmitOptions::default().to_submit()
    }
}

#[test]
fn it_sees_that_the_scheduler_was_closed() {
    register_codecs();
    let security = Security::default();
    let scheduler = SchedulerHandle::start(SchedulerOptions {
        address: "tcp://127.0.0.1:0".parse().unwrap(),
        security: security.clone(),
        ..SchedulerOptions::default()
    })
    .unwrap();
    let client = ClusterClient::attach(&scheduler, &security).unwrap();
    let keys = client.submit(waiting_call());
    assert!(client.closed().is_none());
    let waiter = std::thread::spawn({
        let (client, keys) = (client.clone(), keys.clone());
        move || client.gather(&keys, LIMIT)
    });
    scheduler.stop();
    match waiter.join().unwrap() {
        Ok(Some(outcomes)) => assert!(!matches!(outcomes[0], Gathered::Value(_))),
        Ok(None) => panic!("the time was up before the wait ended"),
        Err(error) => assert!(matches!(error, ClusterError::Disconnected { .. })),
    }
    assert_eq!(client.closed().as_deref(), Some("the scheduler was closed"));
    client.close();
}
