//! Samples of the workers' memory, taken here at the pace that a client asks for, until it has them or
//! is gone.

use std::time::Duration;

use foldhash::HashMap;
use parking_lot::Mutex;
use rask_proto::{
    Answer, AnswerBody, FromClient, Query, QueryBody, SampleRequest, Samples, ToClient,
};
use rask_sched::ClientId;

use super::SchedulerHandle;
use crate::logs::now_micros;

/// More samples than this are thinned out: every second goes, and the pace is halved.
const SAMPLES_MAX: usize = 100_000;
/// Samplings at a time.
const SAMPLERS_MAX: usize = 1000;
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// All samplings by name.
pub(super) type Samplers = Mutex<HashMap<String, Sampler>>;

/// One sampling.
pub(super) struct Sampler {
    client: ClientId,
    measure: String,
    interval: Duration,
    samples: Samples,
}

impl Sampler {
    fn push(&mut self, micros: u64, nbytes: u64) {
        if self.samples.micros.len() >= SAMPLES_MAX {
            keep_every_second(&mut self.samples.micros);
            keep_every_second(&mut self.samples.nbytes);
            self.interval *= 2;
        }
        self.samples.micros.push(micros);
        self.samples.nbytes.push(nbytes);
    }
}

fn keep_every_second(column: &mut Vec<u64>) {
    let mut keep = false;
    column.retain(|_| {
        keep = !keep;
        keep
    });
}

/// Takes what is said about samplings.
pub(super) fn take(handle: &SchedulerHandle, client: ClientId, message: &FromClient) -> bool {
    let FromClient::Query(Query {
        id,
        body: Some(QueryBody::Sample(request)),
    }) = message
    else {
        return false;
    };
    let samples = match request.key.is_empty() {
        true => begin(handle, client, request),
        false => end(handle, &request.key),
    };
    let message = ToClient::Answer(Answer {
        id: *id,
        body: Some(AnswerBody::Samples(samples)),
    });
    handle.shared.state.lock().tell(client, message);
    true
}

fn refusal(reason: String) -> Samples {
    Samples {
        refusal: reason,
        ..Samples::default()
    }
}

fn begin(handle: &SchedulerHandle, client: ClientId, request: &SampleRequest) -> Samples {
    let measure = &request.measure;
    let Some(first) = read(handle, measure) else {
        return refusal(format!("there is no measure {measure:?}"));
    };
    let mut samplers = handle.shared.samplers.lock();
    if samplers.len() >= SAMPLERS_MAX {
        return refusal(format!("{SAMPLERS_MAX} samplings are going on already"));
    }
    let key = super::memory::fresh_id();
    let mut sampler = Sampler {
        client,
        measure: measure.clone(),
        interval: Duration::from_micros(request.interval_micros).max(INTERVAL_MIN),
        samples: Samples::default(),
    };
    sampler.push(now_micros(), first);
    samplers.insert(key.clone(), sampler);
    let runtime = &handle.shared.runtime;
    runtime.spawn(sample(handle.clone(), key.clone()));
    Samples {
        key,
        ..Samples::default()
    }
}

fn end(handle: &SchedulerHandle, key: &str) -> Samples {
    let Some(mut sampler) = handle.shared.samplers.lock().remove(key) else {
        let reason = "the scheduler does not know this sampling: was it restarted?";
        return refusal(reason.to_owned());
    };
    if let Some(last) = read(handle, &sampler.measure) {
        sampler.push(now_micros(), last);
    }
    sampler.samples
}

fn read(handle: &SchedulerHandle, measure: &str) -> Option<u64> {
    let figures = handle.shared.state.lock().machine.memory_figures();
    figures.find(measure)
}

/// Takes samples until nobody wants them any more.
async fn sample(handle: SchedulerHandle, key: String) {
    loop {
        let asked = {
            let samplers = handle.shared.samplers.lock();
            samplers
                .get(&key)
                .map(|sampler| (sampler.interval, sampler.measure.clone(), sampler.client))
        };
        let Some((interval, measure, client)) = asked else {
            return;
        };
        tokio::time::sleep(interval).await;
        if !handle.shared.state.lock().machine.knows_client(client) {
            handle.shared.samplers.lock().remove(&key);
            return;
        }
        let Some(nbytes) = read(&handle, &measure) else {
            return;
        };
        if let Some(sampler) = handle.shared.samplers.lock().get_mut(&key) {
            sampler.push(now_micros(), nbytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn very_many_samples_are_thinned_out() {
        let mut sampler = Sampler {
            client: ClientId(1),
            measure: String::new(),
            interval: INTERVAL_MIN,
            samples: Samples::default(),
        };
        for at in 0..=SAMPLES_MAX as u64 {
            sampler.push(at, 2 * at);
        }
        let Samples { micros, nbytes, .. } = &sampler.samples;
        assert_eq!(micros.len(), SAMPLES_MAX / 2 + 1);
        assert_eq!((micros[1], nbytes[1]), (2, 4));
        assert_eq!(micros.last(), Some(&(SAMPLES_MAX as u64)));
        assert_eq!(sampler.interval, 2 * INTERVAL_MIN);
    }
}
