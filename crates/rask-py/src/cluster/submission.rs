//! What submissions have in common: options, the user's line, futures among the arguments.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use rask_cluster::client::{ClusterClient, SubmitOptions};
use rask_proto::{LayerSpec, OriginSpec, RefColumns};

use super::future::PyFuture;
use super::sharing;
use crate::annotations::millis;

/// Keyword arguments of submissions.
pub(super) fn options_of(
    py: Python<'_>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<SubmitOptions> {
    let mut read = SubmitOptions {
        span: crate::spans::current(py),
        ..SubmitOptions::default()
    };
    let Some(options) = options else {
        return Ok(read);
    };
    for (name, value) in options {
        match name.cast::<PyString>()?.to_cow()?.as_ref() {
            "priority" => read.priority = value.extract()?,
            "retries" => read.retries = value.extract()?,
            "workers" => read.workers = value.extract()?,
            "allow_other_workers" => read.allow_other_workers = value.extract()?,
            "resources" => {
                let resources: HashMap<String, f64> = value.extract()?;
                read.resources = resources.into_iter().collect();
            }
            name @ "task_timeout" => read.timeout_millis = millis(name, 1.0, &value)?,
            name @ "retry_delay" => read.retry_millis = millis(name, 0.0, &value)?,
            name @ "retry_delay_max" => read.retry_millis_max = millis(name, 1.0, &value)?,
            "submitted_by" => read.submitted_by = Some(value.extract()?),
            "actor" => read.actor = value.extract()?,
            "impure" => read.impure = value.extract()?,
            "fire_and_forget" => read.fire_and_forget = value.extract()?,
            other => return Err(PyValueError::new_err(format!("unknown option {other:?}"))),
        }
    }
    Ok(read)
}

/// The user's line that submits.
pub(super) fn origin_of(py: Python<'_>) -> Option<OriginSpec> {
    let origin = crate::origin::capture(py)?;
    Some(OriginSpec {
        file: origin.file.to_string(),
        line: origin.line,
        function: origin.function.to_string(),
    })
}

/// Futures that calls refer to.
pub(super) struct References {
    /// Their layers, as remote layers of a submission.
    pub layers: Vec<LayerSpec>,
    /// What each call refers to; `None` if there are no futures.
    pub columns: Option<RefColumns>,
}

impl References {
    /// Of calls of which each refers to the futures from its offset to the next.
    pub fn find(
        py: Python<'_>,
        client: &ClusterClient,
        futures: &[Bound<'_, PyFuture>],
        offsets: Vec<u32>,
    ) -> PyResult<Self> {
        sharing::refuse_released(py, futures.iter().map(Bound::get))?;
        let mut positions = Positions::default();
        // Room for the layer that refers to them, too.
        let mut layers = Vec::with_capacity(futures.len().min(FEW) + 1);
        let mut columns = RefColumns {
            offsets,
            layers: Vec::with_capacity(futures.len()),
            blocks: Vec::with_capacity(futures.len()),
        };
        for future in futures {
            let future = future.get();
            let position = match positions.find(&layers, &future.name) {
                Some(position) => position,
                None => {
                    sharing::check_usable(client, future)?;
                    layers.push(ClusterClient::remote_layer(&future.name));
                    positions.note(&layers);
                    layers.len() as u32 - 1
                }
            };
            columns.layers.push(position);
            columns.blocks.push(future.block.1);
        }
        let columns = (!futures.is_empty()).then_some(columns);
        Ok(References { layers, columns })
    }
}

/// Up to so many layers are looked through.
const FEW: usize = 16;

/// Where layers are by their names, once there are many.
#[derive(Default)]
struct Positions {
    by_name: HashMap<String, u32>,
}

impl Positions {
    fn find(&self, layers: &[LayerSpec], name: &str) -> Option<u32> {
        if self.by_name.is_empty() {
            let found = layers.iter().position(|layer| layer.name == name);
            return found.map(|at| at as u32);
        }
        self.by_name.get(name).copied()
    }

    /// The last of these is new.
    fn note(&mut self, layers: &[LayerSpec]) {
        if layers.len() <= FEW {
            return;
        }
        let known = self.by_name.len();
        let new = layers.iter().zip(0..).skip(known);
        self.by_name
            .extend(new.map(|(layer, position)| (layer.name.clone(), position)));
    }
}
