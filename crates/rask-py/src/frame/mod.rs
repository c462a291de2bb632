//! Bindings of `rask.dataframe`: lazy frames over `rask-frame`, tables to and from pandas.

mod call;
mod convert;
mod group;
mod keys;
mod read;
mod scalar;
mod table;

use pyo3::prelude::*;
use rask_frame::engine::Table;

/// Adds this area's classes and functions to `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    rask_frame::register();
    rask_frame::register_table_reader(convert::read_table);
    crate::convert::register_to_python::<Table>(convert::table_to_pandas);
    module.add_class::<table::PyFrame>()
}
